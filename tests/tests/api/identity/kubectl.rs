//! What a person sees through kubectl.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use super::world::{GOOD, WRONG, World};

impl World<'_> {
    async fn kubectl(&self, arguments: &[&str], stdin: &str) -> Output {
        let arguments = [&["-n", &*self.namespace], arguments].concat();
        self.cluster.kubectl_with(&arguments, stdin).await.unwrap()
    }

    /// A definition serves a moment before the API server describes it, which no watch tells of.
    async fn described(&self) {
        let page = ["get", "--raw", "/openapi/v3/apis/zohorelay.dev/v1alpha1"];
        let told = async {
            while !self.kubectl(&page, "").await.status.success() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, told).await.unwrap();
    }

    /// Its stdout, where it must succeed.
    pub(crate) async fn shown(&self, arguments: &[&str]) -> String {
        let output = self.kubectl(arguments, "").await;
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            errors(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One line, whatever kubectl wrapped.
pub(crate) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn explain_tells_what_the_values_of_a_choice_do() {
    let world = World::without_operator().await;
    world.described().await;
    let told = flat(
        &world
            .shown(&["explain", "mailidentity.spec.senderPolicy"])
            .await,
    );
    for words in [
        "Reject: refuse it",
        "Rewrite: ",
        "Attach: ",
        "Pass: let Zoho decide",
        "forwarded invitations",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let told = flat(&world.shown(&["explain", "mid.spec.zoho"]).await);
    for words in ["mail.zoho.eu: EU", "smtppro.zoho", "AE (unconfirmed)"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_a_diff_after_applying_is_empty() {
    let world = World::without_operator().await;
    let good = world.identity("billing").to_string();
    let mut bad = world.identity("billing");
    bad["spec"]["server"]["port"] = json!(25);

    let dry = world
        .kubectl(&["apply", "--dry-run=server", "-f", "-"], &bad.to_string())
        .await;
    assert_eq!(dry.status.code(), Some(1));
    assert!(errors(&dry).contains("never on 25"), "{}", errors(&dry));
    let dry = world
        .kubectl(&["apply", "--dry-run=server", "-f", "-"], &good)
        .await;
    assert!(dry.status.success(), "{}", errors(&dry));
    let nothing = world.shown(&["get", "mid", "-o", "name"]).await;
    assert_eq!(nothing, "");

    // 1: there is a difference; 0: there is none.
    let diff = world.kubectl(&["diff", "-f", "-"], &good).await;
    assert_eq!(diff.status.code(), Some(1), "{}", errors(&diff));
    for side in [&["--server-side"][..], &[]] {
        let apply = world
            .kubectl(&[&["apply", "-f", "-"], side].concat(), &good)
            .await;
        assert!(apply.status.success(), "{}", errors(&apply));
        let diff = world
            .kubectl(&[&["diff", "-f", "-"], side].concat(), &good)
            .await;
        let shown = String::from_utf8_lossy(&diff.stdout).into_owned();
        assert_eq!(
            diff.status.code(),
            Some(0),
            "{side:?} {shown}{}",
            errors(&diff)
        );
    }
}

/// The lines of a page that fit.
fn lines(page: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(page);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| fits(line))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn refusals_stand_in_the_docs_word_for_word() {
    let world = World::without_operator().await;
    let quoted = lines("reference/identity.md", |line| {
        line.starts_with("The MailIdentity ")
    });
    assert_eq!(quoted.len(), 4);
    let changes = [
        json!({"server": {"host": "smtppro.zoho.com", "port": 25}}),
        json!({"address": "billing"}),
        json!({"aliases": ["billing@example.com"]}),
        json!({"zoho": {"service": "ZeptoMail", "dataCenter": "JP"}, "server": null}),
    ];
    for (quote, change) in quoted.iter().zip(changes) {
        let mut identity = world.identity("billing");
        for (field, value) in change.as_object().unwrap() {
            identity["spec"][field] = value.clone();
        }
        let apply = ["apply", "--dry-run=server", "-f", "-"];
        let output = world.kubectl(&apply, &identity.to_string()).await;
        assert_quoted(errors(&output).trim(), quote);
    }
}

/// Kubernetes 1.33 shows the type of a refused value in its place; then all but the value must be the same.
fn assert_quoted(refusal: &str, quote: &str) {
    let shows_type = ["object", "array", "string"]
        .iter()
        .any(|kind| refusal.contains(&format!("{VALUE}\"{kind}\": ")));
    if shows_type {
        assert_eq!(without_value(refusal), without_value(quote));
    } else {
        assert_eq!(refusal, quote);
    }
}

const VALUE: &str = "Invalid value: ";

fn without_value(refusal: &str) -> String {
    let (field, said) = refusal.split_once(VALUE).unwrap();
    let message = said
        .strip_prefix('"')
        .and_then(|value| value.split_once("\": "));
    format!(
        "{field}{VALUE}{}",
        message.map_or(said, |(_, message)| message)
    )
}

#[tokio::test]
async fn waiting_for_ready_waits_until_an_operator_came() {
    let mut world = World::without_operator().await;
    world.put_password("billing", GOOD).await;
    world.apply(&world.identity("billing")).await;
    let wait = ["wait", "--for=condition=Ready", "mid/billing"];
    let fresh = world
        .kubectl(&[&wait[..], &["--timeout=1s"]].concat(), "")
        .await;
    assert_eq!(fresh.status.code(), Some(1));
    assert!(
        errors(&fresh).contains("timed out waiting"),
        "{}",
        errors(&fresh)
    );

    world
        .start_operator(&["--allowed-upstream-host", "localhost"])
        .await;
    let told = world.shown(&[&wait[..], &["--timeout=60s"]].concat()).await;
    assert_eq!(
        told.trim(),
        "mailidentity.zohorelay.dev/billing condition met"
    );
    world.assert_logins(1, 0);
}

#[tokio::test]
async fn get_and_describe_show_how_it_stands_and_what_to_do() {
    let world = World::start().await;
    world.published("billing").await;
    world.put_password("reports", WRONG).await;
    world.apply(&world.identity("reports")).await;
    world
        .until("reports", "Ready", "False", "LoginRefused")
        .await;
    world.event("reports", "LoginRefused").await;

    let table = world.shown(&["get", "mid"]).await;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|row| row.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        [
            "NAME",
            "ADDRESS",
            "READY",
            "VERIFIED",
            "DELIVERING",
            "PODS",
            "AGE"
        ]
    );
    let heading = |line: &str| line.split_whitespace().eq(rows[0].iter().copied());
    assert_eq!(lines("identities.md", heading).len(), 2);
    let server = format!("localhost:{}", world.zoho.implicit_tls().unwrap().port());
    let address = super::world::ADDRESS;
    assert_eq!(
        rows[1][..6],
        ["billing", address, "True", "True", "Unknown", "0"]
    );
    assert_eq!(
        rows[2][..6],
        ["reports", address, "False", "False", "Unknown", "0"]
    );
    assert!(table.lines().all(|row| row.len() <= 80), "{table}");
    let wide = world.shown(&["get", "mid", "-o", "wide"]).await;
    assert!(
        wide.contains("LAST FAILURE") && wide.contains(&server),
        "{wide}"
    );
    assert_eq!(world.shown(&["get", "zohorelay"]).await.lines().count(), 3);

    let told = world.shown(&["describe", "mid", "reports"]).await;
    keep("get.txt", &table);
    keep("describe.txt", &told);
    let told = flat(&told);
    for words in [
        "535",
        "an app password is needed instead of the account's own",
        "the account lives in another data centre than US",
        "put it into Secret reports-zoho, key password",
        "Reason: LoginRefused",
        "Type: Stalled",
        "Warning LoginRefused",
        "zohorelay-operator",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    // The docs quote its beginning, for a server of Zoho.
    let page = flat(&lines("identities.md", |_| true).join("\n"));
    let (_, quote) = page.split_once("smtppro.zoho.com:465: 535").unwrap();
    let (quote, _) = quote.split_once(" …").unwrap();
    assert!(quote.len() > 200 && told.contains(quote), "{quote}");
    let events = world
        .shown(&["events", "--for", "mailidentity/reports"])
        .await;
    assert!(events.contains("LoginRefused"), "{events}");

    let said: Value =
        serde_json::from_str(&world.shown(&["get", "mid", "billing", "-o", "json"]).await).unwrap();
    assert!(said["status"]["revision"].is_u64());
}

/// For whoever writes the docs: `ZOHORELAY_QUOTES` names a folder.
fn keep(name: &str, text: &str) {
    if let Some(folder) = std::env::var_os("ZOHORELAY_QUOTES") {
        std::fs::write(Path::new(&folder).join(name), text).unwrap();
    }
}
