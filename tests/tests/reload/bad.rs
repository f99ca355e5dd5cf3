//! Documents that cannot be used: the one before stays, and everybody is told.

use serde_json::Value;
use zohorelay_tests::app;
use zohorelay_tests::kubelet::Volume;
use zohorelay_tests::sidecar::Sidecar;

use super::{FROM, GOOD, TO, billing, reloads, start, zoho};

/// What stands on disk in place of a document.
enum Bad {
    /// The good one with this JSON at this pointer.
    With(&'static str, &'static str),
    /// These bytes, so often.
    Bytes(&'static str, usize),
    /// No file.
    Unreadable,
}

const NO_CA: &str = r#""-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n""#;

/// And what the problem must name.
const ROWS: &[(&str, Bad, &str)] = &[
    (
        "a wrong type",
        Bad::With("/limits", r#"{"connections": "two"}"#),
        "limits.connections",
    ),
    ("an unknown version", Bad::With("/version", "2"), "version"),
    (
        "a missing field",
        Bad::With("/login", r#"{"username": "a"}"#),
        "login",
    ),
    (
        "a bad address",
        Bad::With("/addresses/primary", r#""billing""#),
        "addresses.primary",
    ),
    (
        "CR LF in a value",
        Bad::With("/login/username", r#""a\r\nRCPT TO:<b@c>""#),
        "login.username",
    ),
    (
        "a CA that is none",
        Bad::With("/upstream/trustAnchors", NO_CA),
        "trust",
    ),
    ("half a JSON", Bad::Bytes("{\"version\": 1,", 1), "line 1"),
    ("nothing", Bad::Bytes("", 1), "not JSON"),
    (
        "over 1 MiB",
        Bad::Bytes(" ", (1 << 20) + 1),
        "1048577 bytes",
    ),
    ("something unreadable", Bad::Unreadable, "cannot read"),
];

fn publish(volume: &mut Volume, mut good: Value, bad: &Bad) {
    match bad {
        Bad::With(pointer, json) => {
            let value = serde_json::from_str(json).unwrap();
            match good.pointer_mut(pointer) {
                Some(place) => *place = value,
                None => good[&pointer[1..]] = value,
            }
            volume.publish(&good).unwrap();
        }
        Bad::Bytes(text, times) => volume
            .publish_bytes(text.repeat(*times).as_bytes())
            .unwrap(),
        Bad::Unreadable => volume.publish_unreadable().unwrap(),
    }
}

#[tokio::test]
async fn a_bad_document_keeps_the_old_one_and_says_why_until_a_good_one_comes() {
    let zoho = zoho().await;
    let (mut sidecar, mut volume) = start(&billing(&zoho, 1)).await;
    for (count, (what, bad, names)) in (1_u64..).zip(ROWS) {
        publish(&mut volume, billing(&zoho, 100 + count), bad);
        sidecar
            .metrics_when(|metrics| reloads(metrics, "rejected") == count as f64)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(stale(&sidecar).await, 1.0, "{what}");
        let problem = problem(&sidecar).await.unwrap_or_default();
        assert!(problem.contains(names), "{what}: {problem}");
        sidecar
            .logged(|line| line["level"] == "ERROR" && line["problem"] == problem.as_str())
            .await
            .unwrap();
        let reply = app::send(sidecar.smtp, FROM, TO, GOOD).await.unwrap();
        assert_eq!(reply.code, 250, "{what}: {reply:?}");
    }
    volume.publish(&billing(&zoho, 1000)).unwrap();
    let after = sidecar
        .metrics_when(|metrics| super::revision(metrics) == 1000.0)
        .await
        .unwrap();
    assert_eq!(stale(&sidecar).await, 0.0);
    assert_eq!(problem(&sidecar).await, None);
    assert_eq!(reloads(&after, "rejected"), ROWS.len() as f64);
    assert_eq!(zoho.mails().len(), ROWS.len());
    assert_eq!(zoho.connections().len(), 1, "nothing was opened again");
}

async fn stale(sidecar: &Sidecar) -> f64 {
    let metrics = sidecar.metrics().await.unwrap();
    metrics.value("zohorelay_sidecar_config_stale", &[])
}

async fn problem(sidecar: &Sidecar) -> Option<String> {
    let status = sidecar.status().await.unwrap();
    let problem = &status["identities"][0]["problem"];
    problem.as_str().map(str::to_owned)
}
