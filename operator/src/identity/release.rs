//! The request to try a refused login once more, since its cause was mended at the server's end. PURE.
//!
//! The request is the annotation [`RELEASE_HOLD`] with any new value. The operator never edits it: the
//! status says which value was acted on last.

use std::collections::BTreeMap;

use zohorelay_crds::MailIdentity;
use zohorelay_crds::keys::RELEASE_HOLD;

/// So much of a value counts, in characters: the status holds no more.
const CHARS_MAX: usize = 64;

/// The request that was not acted on yet.
pub fn pending(identity: &MailIdentity) -> Option<String> {
    let asked = asked(identity.metadata.annotations.as_ref()?)?;
    let hold = identity.status.as_ref().and_then(|it| it.hold.as_ref());
    let handled = hold.and_then(|hold| hold.last_handled_release.as_ref());
    (handled != Some(&asked)).then_some(asked)
}

/// The annotations without all others.
pub fn only(annotations: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    asked(annotations).map(|value| BTreeMap::from([(RELEASE_HOLD.to_owned(), value)]))
}

fn asked(annotations: &BTreeMap<String, String>) -> Option<String> {
    let value = annotations.get(RELEASE_HOLD)?;
    (!value.is_empty()).then(|| value.chars().take(CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::validate::fixtures::identity;

    #[test]
    fn a_request_is_pending_until_the_status_names_its_value() {
        let long = "ü".repeat(65);
        let cut = "ü".repeat(64);
        for (asked, handled, expected) in [
            (None, None, None),
            (None, Some("1"), None),
            (Some(""), None, None),
            (Some("1"), None, Some("1")),
            (Some("1"), Some("1"), None),
            (Some("2"), Some("1"), Some("2")),
            (Some(long.as_str()), None, Some(cut.as_str())),
            (Some(long.as_str()), Some(cut.as_str()), None),
        ] {
            let identity = identity(&json!({
                "metadata": {"annotations": {"zohorelay.dev/release-hold": asked}},
                "status": {"hold": {"lastHandledRelease": handled}},
            }));
            assert_eq!(
                pending(&identity).as_deref(),
                expected,
                "{asked:?} {handled:?}"
            );
        }
    }

    #[test]
    fn no_other_annotation_is_kept_and_no_long_value() {
        let annotations = |value: &str| {
            BTreeMap::from([
                ("example.com/other".to_owned(), "x".to_owned()),
                (RELEASE_HOLD.to_owned(), value.to_owned()),
            ])
        };
        let kept = only(&annotations(&"x".repeat(1000))).unwrap();
        assert_eq!(
            kept,
            BTreeMap::from([(RELEASE_HOLD.to_owned(), "x".repeat(64))])
        );
        assert_eq!(only(&annotations("")), None);
    }
}
