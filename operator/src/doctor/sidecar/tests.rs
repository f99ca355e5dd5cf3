use serde_json::{Value, json};
use zohorelay_process::checkup::Verdict;

use super::super::fixtures::{now, scene};
use super::*;
use crate::pods::summary::Summary;

fn found(change: &Value) -> Finding {
    let mut entry = json!({"name": "billing", "state": "active", "revision": 7});
    let changes = change.as_object().unwrap().clone();
    entry.as_object_mut().unwrap().extend(changes);
    let summary: Summary = serde_json::from_value(json!({"identities": [entry]})).unwrap();
    let reports = summary.of_pod("shop", &["billing".into(), "alerts".into()], now());
    let mut scene = scene();
    scene
        .told
        .insert("web-1".to_owned(), Ok(reports.into_vec()));
    judge(&scene).remove(0)
}

#[test]
fn a_sidecar_that_sends_is_well_and_one_that_does_not_says_why() {
    let failure = json!({"at": "2026-11-23T11:59:00Z", "code": 553, "stage": "data"});
    for (change, verdict, says) in [
        (json!({"accepted": 3}), Verdict::Ok, "3 mails taken"),
        (json!({"state": "awaited"}), Verdict::Failed, "no document"),
        (json!({"state": "removed"}), Verdict::Failed, "taken away"),
        (json!({"state": "suspended"}), Verdict::Warning, "suspended"),
        (
            json!({"revision": 6}),
            Verdict::Warning,
            "revision 6, and 7",
        ),
        (
            json!({"failed": {"relay_denied": 1}, "lastFailures": {"relay_denied": failure}}),
            Verdict::Failed,
            "relay_denied",
        ),
    ] {
        let finding = found(&change);
        assert_eq!(finding.verdict, verdict, "{}", finding.found);
        assert!(finding.found.contains(says), "{}", finding.found);
    }
}

#[test]
fn a_sidecar_that_says_nothing_of_the_identity_or_cannot_be_asked_is_asked_from_inside() {
    let command = "kubectl -n shop exec web-1 -c zohorelay -- /zohorelay-sidecar doctor";
    assert_eq!(found(&json!({"name": "alerts"})).remedy.unwrap(), command);
    let mut scene = scene();
    scene.told.insert(
        "web-1".to_owned(),
        Err("you may not get pods/proxy".to_owned()),
    );
    let skipped = judge(&scene).remove(0);
    assert_eq!(skipped.verdict, Verdict::Skipped);
    assert!(skipped.found.contains("pods/proxy") && skipped.found.ends_with(command));
}
