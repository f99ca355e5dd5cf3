//! A greeted, secured, authenticated connection to Zoho, and what its replies mean.

pub mod classify;
pub mod failure;
