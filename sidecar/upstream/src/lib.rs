//! A greeted, secured, authenticated connection to Zoho, and what its replies mean.
