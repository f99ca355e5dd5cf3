//! Which header fields the signatures of a mail cover (RFC 6376 3.5, RFC 8617 4.1.2).

use super::kind::{Kind, Kinds};
use crate::header::HeaderBlock;

/// Whether a signature of the mail covers one of these fields. A field that is listed but was
/// absent is covered too: adding one breaks the signature.
pub(super) fn cover(header: &HeaderBlock<'_>, changed: Kinds) -> bool {
    header.fields().any(|field| {
        let is_signature = matches!(
            Kind::of(field.name),
            Some(Kind::DkimSignature | Kind::ArcMessageSignature)
        );
        is_signature && covers(field.body, changed)
    })
}

/// Looks into the tag `h`; a signature without it is broken already.
fn covers(signature: &[u8], changed: Kinds) -> bool {
    let signed = signature.split(|byte| *byte == b';').find_map(|tag| {
        let equals = tag.iter().position(|byte| *byte == b'=')?;
        (tag[..equals].trim_ascii() == b"h").then(|| &tag[equals + 1..])
    });
    signed.is_none_or(|names| {
        names
            .split(|byte| *byte == b':')
            .filter_map(|name| Kind::of(name.trim_ascii()))
            .any(|kind| changed.contains(kind))
    })
}
