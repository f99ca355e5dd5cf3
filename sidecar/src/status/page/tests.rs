use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use zohorelay_process::page::POLICY;
use zohorelay_smtp::reply::Reply;
use zohorelay_upstream::failure::{Class, Failure, Stage};

use super::super::tests::{SECRET, problems, sidecar};
use super::super::{BreakerView, UpstreamView, status};
use super::*;
use crate::fixtures;
use crate::identity::Identity;
use crate::outcome::Outcome;
use crate::receipt::Receipt;
use crate::sidecar::Sidecar;

const NOW: &str = "2026-11-23T11:40:43.169428456Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn accepted() -> Outcome {
    Outcome::Accepted(Reply::new(250, None, "ok"))
}

fn failed(class: Class) -> Outcome {
    let reply = Reply::new(553, None, "ann@example.org <script>alert(1)</script>");
    Outcome::Upstream(Failure::new(class, Stage::EndOfData, "host", "detail").with_reply(reply))
}

/// A sidecar with one identity that has a document, and what its page is after `play`.
fn page(play: impl Fn(&Identity)) -> String {
    page_with(play, |_| {})
}

fn page_with(play: impl Fn(&Identity), change: impl Fn(&mut Status<'_>)) -> String {
    let sidecar = fixtures::sidecar(&["billing"]);
    let identity = sidecar.roster.default_identity();
    let document = fixtures::document("billing", &serde_json::json!({"revision": 7}));
    identity.apply(document, &sidecar.network).unwrap();
    play(identity);
    let mut status = status(&sidecar, &problems(&sidecar));
    status.at = at(NOW);
    change(&mut status);
    render(&status)
}

fn contains(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "no {part} in\n{page}");
    }
}

fn end(sidecar: &Sidecar, receipt: &Receipt, outcome: &Outcome) {
    receipt.end(outcome, sidecar);
}

#[tokio::test]
async fn the_policy_lets_the_style_and_the_script_of_the_page_through_and_nothing_else() {
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let sha256 = suite.tls13().unwrap().common.hash_provider;
    let page = page(|_| {});
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let (_, after) = page.split_once(&format!("<{element}>")).unwrap();
        let (content, rest) = after.split_once(&format!("</{element}>")).unwrap();
        assert!(!rest.contains(&format!("<{element}")), "one {element}");
        let hash = BASE64_STANDARD.encode(sha256.hash(content.as_bytes()));
        let allowed = format!("{directive} 'sha256-{hash}';");
        assert!(POLICY.contains(&allowed), "{allowed} in {POLICY}");
    }
    contains(POLICY, &["default-src 'none';", "frame-ancestors 'none'"]);
    assert!(!POLICY.contains("unsafe") && !POLICY.contains('*'));
    for elsewhere in ["http:", "https:", "src=", "url(", "@import", "style=\""] {
        assert!(!page.contains(elsewhere), "{elsewhere} in\n{page}");
    }
}

#[tokio::test]
async fn each_state_has_its_words() {
    contains(
        &page(|_| {}),
        &[
            "<title>Ready, no mail yet. zohorelay</title>",
            "ready, no mail yet",
        ],
    );
    let sent = |identity: &Identity| {
        identity.tally.note(&accepted(), at("2026-11-23T11:40:00Z"));
    };
    contains(
        &page(sent),
        &[
            "mail goes out",
            ">11:40:00</time> UTC",
            "<dt>Sent</dt><dd>1,",
        ],
    );
    let denied = |identity: &Identity| {
        sent(identity);
        let denied = failed(Class::RelayDenied);
        identity.tally.note(&denied, at("2026-11-23T11:40:13Z"));
    };
    contains(
        &page(denied),
        &[
            "The last mail failed.",
            "<section class=\"bad\"",
            "the last mail failed",
            "<strong>Relay denied</strong> (553 at end_of_data): 1 mail, the last one 30 s ago",
            "Settings &gt; Mail Accounts &gt; Send Mail As",
            "docs/troubleshooting.md<wbr>#relay_denied",
        ],
    );
    let healed = |identity: &Identity| {
        denied(identity);
        identity.tally.note(&accepted(), at("2026-11-23T11:40:20Z"));
    };
    contains(
        &page(healed),
        &["<p class=\"sum\">Mail goes out.", "Mail went out since."],
    );
    let problem = |status: &mut Status<'_>| {
        status.identities[0].problem = Some("<script>\"&".to_owned());
    };
    contains(
        &page_with(sent, problem),
        &[
            "Its newest document cannot be used.",
            "cannot be used: &lt;script&gt;&quot;&amp;",
        ],
    );
    let suspended = |status: &mut Status<'_>| status.identities[0].brief.state = "suspended";
    contains(&page_with(sent, suspended), &["Suspended by its document."]);
    let blocked = |status: &mut Status<'_>| status.egress_blocked = true;
    contains(&page_with(sent, blocked), &["Mail ports are blocked."]);
}

#[tokio::test]
async fn a_hold_says_until_when_without_the_script_and_counts_down_with_it() {
    let held = |refusals| {
        move |status: &mut Status<'_>| {
            status.identities[0].brief.breaker = Some(BreakerView {
                reason: "auth_failed",
                refusals,
                again_in_seconds: 3717,
            });
        }
    };
    contains(
        &page_with(|_| {}, held(Some(1))),
        &[
            "held back",
            "<strong>Auth failed</strong>, after one refusal.",
            "<time datetime=\"2026-11-23T12:42:40Z\">12:42:40</time> UTC",
            "<span data-left=\"3717\" role=\"timer\">in 61 min</span>",
            "Make a new app password",
        ],
    );
    contains(
        &page_with(|_| {}, held(None)),
        &["by the operator, in all pods"],
    );
}

#[tokio::test]
async fn the_page_of_several_identities_begins_with_how_each_stands() {
    let sidecar = sidecar();
    contains(
        &render(&status(&sidecar, &problems(&sidecar))),
        &[
            "1 of 3 identities in trouble.",
            "<a href=\"#i-late\">late</a>: <span class=\"state\">waits for its document</span>",
            "<section class=\"off\" aria-labelledby=\"i-alerts\">",
            "<dt>Server</dt><dd>localhost:465</dd>",
            "<dt>Login</dt><dd>billing@example.com</dd>",
        ],
    );
}

#[tokio::test]
async fn the_last_mails_have_id_outcome_and_the_from_that_was_denied() {
    let sidecar = sidecar();
    let billing = sidecar.roster.named("billing").unwrap();
    let mut receipt = Receipt::at_mail(billing.clone());
    receipt.message_id = Some("hello@app.example".to_owned());
    receipt.from = "visitor@example.net".to_owned();
    end(&sidecar, &receipt, &failed(Class::RelayDenied));
    end(&sidecar, &receipt, &accepted());
    let page = render(&status(&sidecar, &problems(&sidecar)));
    contains(
        &page,
        &[
            "<td>Accepted<br><bdi class=\"dim\">hello@app.example</bdi></td>",
            "Refused: <code>relay_denied</code> (553 at end_of_data), \
             From <bdi>visitor@example.net</bdi><br>",
        ],
    );
    assert_eq!(page.matches("visitor@example.net").count(), 1);
    assert!(page.find("Accepted").unwrap() < page.find("Refused:").unwrap());
}

#[tokio::test]
async fn hostile_texts_stay_texts_and_recipients_and_secrets_stay_away() {
    const HOSTILE: &str = "</td><script>alert(1)</script>'\"&\u{202e}";
    let sidecar = sidecar();
    let billing = sidecar.roster.named("billing").unwrap();
    let mut receipt = Receipt::at_mail(billing.clone());
    receipt.message_id = Some(HOSTILE.to_owned());
    receipt.from = HOSTILE.to_owned();
    end(&sidecar, &receipt, &failed(Class::RelayDenied));
    let mut status = status(&sidecar, &problems(&sidecar));
    status.identities[0].problem = Some(HOSTILE.to_owned());
    status.identities[0].upstream = Some(UpstreamView {
        host: HOSTILE.to_owned(),
        port: 465,
        username: HOSTILE.to_owned(),
        connections_idle: 0,
        connections_busy: 0,
    });
    status.identities[0].addresses = Some(vec![HOSTILE.to_owned()]);
    let page = render(&status);
    let escaped = "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#39;&quot;&amp;\u{fffd}";
    assert_eq!(page.matches(escaped).count(), 6, "{page}");
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(!page.contains('\u{202e}'));
    for hidden in [SECRET, "a-secret", "ann@example.org"] {
        assert!(!page.contains(hidden), "{hidden} in\n{page}");
    }
}

#[tokio::test]
async fn it_has_landmarks_one_title_headings_in_order_and_headers_with_a_scope() {
    let sidecar = sidecar();
    let receipt = Receipt::at_mail(sidecar.roster.named("billing").unwrap().clone());
    end(&sidecar, &receipt, &accepted());
    let page = render(&status(&sidecar, &problems(&sidecar)));
    contains(
        &page,
        &[
            "<html lang=\"en\">",
            "name=\"viewport\"",
            "<nav aria-label=",
            "<caption>",
        ],
    );
    for once in ["<title>", "<main>", "<h1>", "<header ", "<footer>"] {
        assert_eq!(page.matches(once).count(), 1, "{once}");
    }
    assert_eq!(
        page.matches("<th scope=\"col\">").count(),
        page.matches("<th").count() - 1
    );
    assert_eq!(page.matches("<thead>").count(), 1);
    assert_eq!(
        page.matches("<section ").count(),
        page.matches("<h2 id=").count()
    );
}

#[tokio::test]
async fn its_size_is_bounded_whatever_apps_send() {
    let sidecar = fixtures::sidecar(&["billing"]);
    let identity = sidecar.roster.default_identity();
    let document = fixtures::document("billing", &serde_json::json!({}));
    identity.apply(document, &sidecar.network).unwrap();
    let mut receipt = Receipt::at_mail(identity.clone());
    receipt.message_id = Some("&".repeat(10_000));
    receipt.from = "&".repeat(10_000);
    for class in Class::ALL.into_iter().chain([Class::RelayDenied; 1000]) {
        end(&sidecar, &receipt, &failed(class));
    }
    let page = render(&status(&sidecar, &problems(&sidecar)));
    assert!(page.len() < 48 * 1024, "{} bytes", page.len());
}
