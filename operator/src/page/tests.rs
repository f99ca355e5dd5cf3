use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::*;

/// The statuses of the fixtures are of that time.
const NOW: &str = "2026-11-23T10:00:30Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// A golden status, under another name.
fn golden(fixture: &str, name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/status");
    let text = std::fs::read_to_string(format!("{folder}/{fixture}.json")).unwrap();
    let mut object: Value = serde_json::from_str(&text).unwrap();
    object["metadata"]["name"] = json!(name);
    object
}

fn known(objects: impl IntoIterator<Item = Value>) -> Known {
    let objects = objects.into_iter();
    Known {
        identities: objects
            .map(|object| Arc::new(serde_json::from_value(object).unwrap()))
            .collect(),
        unlisted: Vec::new(),
    }
}

fn page(objects: impl IntoIterator<Item = Value>) -> String {
    leading(&known(objects), "", now())
}

fn contains(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "no {part} in\n{page}");
    }
}

#[test]
fn each_golden_status_has_its_words() {
    for (fixture, tone, state) in [
        ("login-refused", "bad", "not ready, login refused"),
        ("secret-missing", "bad", "not ready, secret not found"),
        ("mails-denied", "bad", "mails fail, relay denied"),
        ("pods-without-sidecar", "bad", "pods miss their sidecar"),
        ("pods-silent", "warn", "pods do not answer"),
        ("pods-behind", "warn", "pods do not answer"),
        ("unreachable", "bad", "not ready, upstream unreachable"),
        (
            "published-unverified",
            "warn",
            "the login could not be tried",
        ),
        ("verifying", "warn", "verifying"),
        ("created", "warn", "pending"),
        ("suspended", "off", "suspended"),
        ("published", "good", "ready, no pod asks for it"),
        ("mails-delivered", "good", "mail goes out"),
    ] {
        let page = page([golden(fixture, "billing")]);
        let section = format!(
            "<section class=\"{tone}\" aria-labelledby=\"i-shop/billing\"><h2 id=\"i-shop/billing\">\
             shop/billing: <span class=\"state\">{state}</span></h2>"
        );
        let (_, found) = page.split_once("<section ").unwrap();
        assert!(page.contains(&section), "{fixture}: {found}");
    }
    let mut behind = golden("pods-behind", "billing");
    let conditions = behind["status"]["conditions"].as_array_mut().unwrap();
    conditions.retain(|condition| condition["type"] != "Delivering");
    contains(&page([behind]), &[">pods have an older document</span>"]);
    let mut new = golden("created", "billing");
    new.as_object_mut().unwrap().remove("status");
    contains(&page([new]), &["has not looked at it yet"]);
}

#[test]
fn a_failure_has_pod_time_code_and_remedy_and_is_told_once() {
    let page = page([golden("mails-denied", "billing")]);
    contains(
        &page,
        &[
            "<p class=\"sum\">shop/billing: mails fail, relay denied.</p>",
            "<p class=\"dim\">For 30 s, since <time",
            "<strong>Relay denied</strong> (553 at end_of_data): last in pod <bdi>app-1</bdi> 90 s ago",
            "docs/troubleshooting.md<wbr>#relay_denied",
            "<dd>2 with the sidecar, 2 up to date</dd>",
            "<dd>12 sent, 3 failed by the pods that run;",
            "09:59:30</time> UTC, 60 s ago</dd>",
            "<dd>smtppro.zoho.com:465</dd>",
        ],
    );
    assert_eq!(page.matches("Send Mail As").count(), 1, "{page}");
}

#[test]
fn what_is_wrong_stands_there_in_the_words_of_the_condition() {
    let refused = page([golden("login-refused", "billing")]);
    contains(&refused, &["<p><strong>Login refused</strong>: "]);
    assert_eq!(refused.matches("<strong>Login refused").count(), 1);
    let silent = page([golden("pods-silent", "billing")]);
    contains(
        &silent,
        &["<p><strong>Pods unreachable</strong>: ", "zohorelay-admin"],
    );
}

#[test]
fn a_hold_counts_down_to_its_end_and_is_over_after_it() {
    let held = |until: &str| {
        let mut object = golden("mails-delivered", "billing");
        object["status"]["hold"] = json!({"until": until, "reason": "account_blocked"});
        page([object])
    };
    let now_held = held("2026-11-23T10:30:30Z");
    contains(
        &now_held,
        &[
            "<span class=\"state\">held back</span>",
            "<strong>Account blocked</strong>: the operator holds the mails of all pods.",
            "10:30:30</time> UTC, <span data-left=\"1800\" role=\"timer\">in 30 min</span>",
            "/UnblockMe",
            "kubectl annotate --overwrite mid billing -n shop zohorelay.dev/release-hold=$(date +%s)",
        ],
    );
    let over = held(NOW);
    contains(&over, &["<span class=\"state\">mail goes out</span>"]);
    assert!(!over.contains("<span data-left"), "{over}");
}

#[test]
fn those_in_trouble_come_first_and_each_line_leads_to_its_section() {
    let page = page([
        golden("mails-delivered", "a-good"),
        golden("suspended", "b-off"),
        golden("pods-silent", "c-warn"),
        golden("login-refused", "e-bad"),
        golden("mails-denied", "d-bad"),
    ]);
    let mut last = 0;
    for name in ["d-bad", "e-bad", "c-warn", "b-off", "a-good"] {
        let at = page.find(&format!("<h2 id=\"i-shop/{name}\">")).unwrap();
        assert!(at > last, "{name} comes too early");
        last = at;
        contains(
            &page,
            &[&format!("<a href=\"#i-shop/{name}\">shop/{name}</a>: ")],
        );
    }
    contains(&page, &["2 of 5 identities in trouble."]);
}

#[test]
fn words_pick_identities_by_name_state_and_server() {
    let all = known([
        golden("mails-denied", "billing"),
        golden("mails-delivered", "orders"),
        golden("mails-delivered", "billing-eu"),
    ]);
    let shown = |wanted: &str| {
        let page = leading(&all, wanted, now());
        let names = ["billing", "orders", "billing-eu"];
        names.map(|name| page.contains(&format!("<h2 id=\"i-shop/{name}\">")))
    };
    assert_eq!(shown(""), [true, true, true]);
    assert_eq!(shown("  BILLING shop"), [true, false, true]);
    assert_eq!(shown("billing goes"), [false, false, true]);
    assert_eq!(shown("relay denied"), [true, false, false]);
    assert_eq!(shown("smtppro"), [true, true, true]);
    assert_eq!(shown("nobody"), [false, false, false]);
    let picked = leading(&all, "orders\"><i>", now());
    contains(
        &picked,
        &[
            "1 of 3 identities in trouble.",
            "0 of 3 have “orders&quot;&gt;&lt;i&gt;”",
            "value=\"orders&quot;&gt;&lt;i&gt;\"",
        ],
    );
}

#[test]
fn a_thousand_make_a_page_that_ends_and_says_how_many_more_there_are() {
    let healthy = golden("mails-delivered", "x");
    let denied = golden("mails-denied", "x");
    let objects = (0..1000).map(|number| {
        let mut object = if number % 100 == 99 {
            &denied
        } else {
            &healthy
        }
        .clone();
        object["metadata"]["name"] = json!(format!("identity-{number:04}"));
        object
    });
    let all = known(objects);
    let began = std::time::Instant::now();
    let page = leading(&all, "", now());
    let took = began.elapsed();
    assert!(took.as_millis() < 500, "{took:?} without optimisation");
    assert_eq!(page.matches("<section ").count(), SHOWN);
    assert_eq!(page.matches("<section class=\"bad\"").count(), 10);
    contains(
        &page,
        &["10 of 1000 identities in trouble.", "And 800 more"],
    );
    assert!(page.len() < 512 * 1024, "{} bytes", page.len());
    contains(
        &leading(&all, "identity-0998", now()),
        &["<h2 id=\"i-shop/identity-0998\">"],
    );
}

#[test]
fn hostile_texts_stay_texts() {
    const HOSTILE: &str = "</p><script>alert(1)</script>'\"&\u{202e}";
    let mut object = golden("mails-denied", "billing");
    object["metadata"]["name"] = json!(HOSTILE);
    object["metadata"]["namespace"] = json!(HOSTILE);
    let status = &mut object["status"];
    status["server"] = json!(HOSTILE);
    status["hold"] = json!({"until": "2026-11-23T11:00:00Z", "reason": HOSTILE});
    for place in ["class", "stage", "pod"] {
        status["delivery"]["failing"][0][place] = json!(HOSTILE);
    }
    for condition in status["conditions"].as_array_mut().unwrap() {
        condition["status"] = json!("Unknown");
        condition["reason"] = json!(HOSTILE);
        condition["message"] = json!(HOSTILE);
    }
    let mut all = known([object]);
    all.unlisted.push(HOSTILE.to_owned());
    for page in [
        leading(&all, HOSTILE, now()),
        leading(&all, "", now()),
        following(HOSTILE, Some(HOSTILE), now()),
    ] {
        assert_eq!(page.matches("<script>").count(), 1, "{page}");
        assert_eq!(page.matches("</script>").count(), 1, "{page}");
        assert!(!page.contains("alert(1)</") && !page.contains('\u{202e}'));
        assert!(!page.contains("'\"") && page.contains("&lt;script&gt;"));
    }
}

#[test]
fn the_policy_fits_the_page_and_lets_its_form_ask_nobody_else() {
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let sha256 = suite.tls13().unwrap().common.hash_provider;
    let page = page([golden("mails-denied", "billing")]);
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let (_, after) = page.split_once(&format!("<{element}>")).unwrap();
        let (content, _) = after.split_once(&format!("</{element}>")).unwrap();
        let hash = BASE64_STANDARD.encode(sha256.hash(content.as_bytes()));
        contains(
            POLICY_WITH_FORM,
            &[&format!("{directive} 'sha256-{hash}';")],
        );
    }
    contains(
        POLICY_WITH_FORM,
        &["default-src 'none';", "form-action 'self';"],
    );
    for elsewhere in ["http:", "https:", "src=", "url(", "@import", "style=\""] {
        assert!(!page.contains(elsewhere), "{elsewhere} in\n{page}");
    }
}

#[test]
fn a_replica_that_does_not_lead_names_the_one_that_does_and_the_command() {
    let page = following(
        "zohorelay-system",
        Some("zohorelay-operator-7d4-x2x"),
        now(),
    );
    contains(
        &page,
        &[
            "Another replica leads.",
            "kubectl -n zohorelay-system port-forward pod/zohorelay-operator-7d4-x2x 9466",
        ],
    );
    let alone = following("zohorelay-system", None, now());
    contains(&alone, &["Nobody is known to lead", "zohorelay-system"]);
}

#[test]
fn nothing_to_show_says_why() {
    contains(&page([]), &["There is no MailIdentity."]);
    let unlisted = Known {
        unlisted: vec!["crm".to_owned()],
        ..Known::default()
    };
    contains(
        &leading(&unlisted, "", now()),
        &["are not known yet.", "Not listed yet: crm"],
    );
}
