//! What a refusal means.

use zohorelay_smtp::reply::Reply;

use crate::failure::{Class, Stage};

/// The class of a refusal at a stage.
pub fn classify(_stage: Stage, reply: &Reply) -> Class {
    if reply.is_transient() {
        Class::Transient
    } else {
        Class::Unclassified
    }
}

/// The code as a label, if a table knows it.
pub fn known_code(_code: u16) -> Option<&'static str> {
    None
}
