//! The page of the sidecar in Chromium: as people see it, and as a screen reader does.
//!
//! The screenshots stay in `target/interop/page`, to be looked at.

use std::fs;
use std::net::SocketAddr;

use serde_json::json;
use zoho_simulator::{Account, Options, Running, Simulator};
use zohorelay_tests::app;
use zohorelay_tests::document::document;
use zohorelay_tests::sidecar::{self, Sidecar};

use crate::available::{folder, program};
use crate::browser::Browser;

const TO: &[&str] = &["ann@example.org"];
const PASSWORD: &str = "app-password";

/// Desktop and phone, light and dark.
pub(crate) const LOOKS: [(&str, u32, &str); 3] = [
    ("light", 1000, "light"),
    ("dark", 1000, "dark"),
    ("phone", 360, "dark"),
];

const ROLES: [&str; 6] = [
    "RootWebArea",
    "main",
    "heading",
    "table",
    "button",
    "region",
];

async fn zoho() -> Running {
    let account = Account::new("billing@example.com", PASSWORD);
    Simulator::start(Options::with_account(account))
        .await
        .unwrap()
}

async fn send(smtp: SocketAddr, from: &str, id: &str) -> u16 {
    let header = format!("From: {from}\r\nMessage-ID: <{id}>\r\n");
    app::send(smtp, from, TO, &header).await.unwrap().code
}

/// A sidecar whose identity `billing` has sent a mail.
async fn good(zoho: &Running) -> Sidecar {
    let mut billing = document("billing", "billing@example.com", PASSWORD, zoho);
    billing["namespace"] = json!("shop");
    billing["revision"] = json!(1_795_424_607);
    billing["addresses"]["aliases"] = json!(["invoices@example.com"]);
    billing["senderPolicy"] = json!({"foreignFrom": "Pass"});
    let options = sidecar::Options::with(vec![billing]);
    let sidecar = Sidecar::start(options).await.unwrap();
    let sent = send(sidecar.smtp, "billing@example.com", "first@app.example").await;
    assert_eq!(sent, 250);
    sidecar
}

/// One whose identity met a relay denial.
async fn failing(zoho: &Running) -> Sidecar {
    let sidecar = good(zoho).await;
    let markup = "<i>2026@app.example";
    assert_eq!(send(sidecar.smtp, "billing@example.com", markup).await, 250);
    let denied = send(sidecar.smtp, "visitor@example.net", "form-1@app.example").await;
    assert_eq!(denied, 553);
    sidecar
}

/// One of three identities: one sends, one is held after a refused login, one has no document.
async fn held(zoho: &Running) -> Sidecar {
    let billing = document("billing", "billing@example.com", PASSWORD, zoho);
    let reports = document("reports", "reports@example.com", "wrong", zoho);
    let mut options = sidecar::Options::with(vec![billing, reports]);
    options.identities.push("late".to_owned());
    let sidecar = Sidecar::start(options).await.unwrap();
    for (name, code) in [("billing", 250), ("reports", 451), ("reports", 451)] {
        let from = format!("{name}@example.com");
        assert_eq!(send(sidecar.smtp, &from, "daily@app.example").await, code);
    }
    sidecar
}

/// All that has to have a name, has one.
pub(crate) async fn is_accessible(browser: &mut Browser, what: &str, needed: &[&str]) {
    const NAMED: [&str; 9] = [
        "RootWebArea",
        "heading",
        "table",
        "columnheader",
        "button",
        "link",
        "region",
        "navigation",
        "searchbox",
    ];
    let names = browser.names().await;
    for (role, name) in &names {
        let needs_one = NAMED.contains(&role.as_str());
        assert!(
            !needs_one || !name.is_empty(),
            "{what}: a {role} without a name"
        );
    }
    for role in needed {
        assert!(
            names.iter().any(|it| it.0 == *role),
            "{what}: no {role} in {names:?}"
        );
    }
}

#[tokio::test]
async fn the_page_is_readable_quiet_and_alive_in_chromium() {
    let Some(program) = program("chromium", "the sidecar's page in a browser") else {
        return;
    };
    let shots = folder().join("page");
    fs::create_dir_all(&shots).unwrap();
    let zoho = zoho().await;
    let mut browser = Browser::start(&program).await;
    let [good, failing, held] = [good(&zoho).await, failing(&zoho).await, held(&zoho).await];
    for (state, sidecar, verdict) in [
        ("good", &good, "Mail goes out."),
        ("failing", &failing, "The last mail failed."),
        ("held", &held, "1 of 3 identities in trouble."),
    ] {
        let origin = format!("http://{}/", sidecar.page);
        for (look, width, theme) in LOOKS {
            let what = format!("{state}-{look}");
            browser.look(width, theme).await;
            browser.open(&origin).await;
            let shown = browser
                .evaluate("document.querySelector('.sum').innerText")
                .await;
            assert_eq!(shown, verdict, "{what}");
            browser.screenshot(&shots.join(format!("{what}.png"))).await;
            let overflow = "document.documentElement.scrollWidth - innerWidth";
            assert_eq!(browser.evaluate(overflow).await, 0, "{what} is too wide");
            is_accessible(&mut browser, &what, &ROLES).await;
            assert_eq!(browser.complaints(&origin), Vec::<String>::new(), "{what}");
        }
    }
    counts_down(&mut browser).await;
    shows_news_without_a_reload(&mut browser, &good).await;
    says_when_nobody_answers(&mut browser, good).await;
    says_all_without_its_script(&mut browser, &held).await;
}

/// Of the page that is open.
async fn counts_down(browser: &mut Browser) {
    let left = "document.querySelector('[data-left]').textContent";
    let first = browser.evaluate(left).await;
    let changed =
        format!("new Promise((done) => setInterval(() => {left} === {first} || done({left}), 50))");
    let next = browser.evaluate(&changed).await;
    assert!(next.as_str().unwrap().starts_with("in "), "{first}, {next}");
}

async fn shows_news_without_a_reload(browser: &mut Browser, sidecar: &Sidecar) {
    let origin = format!("http://{}/", sidecar.page);
    browser.open(&origin).await;
    browser.evaluate("window.isSame = true").await;
    let sent = send(sidecar.smtp, "billing@example.com", "news@app.example").await;
    assert_eq!(sent, 250);
    let seen = "new Promise((done) => setInterval(() => \
        document.body.innerText.includes('news@app.example') && done(window.isSame), 50))";
    assert_eq!(browser.evaluate(seen).await, true);
    assert_eq!(browser.complaints(&origin), Vec::<String>::new());
}

/// Of the page that is open. The button, pressed twice, asks at once.
async fn says_when_nobody_answers(browser: &mut Browser, mut sidecar: Sidecar) {
    sidecar.kill().unwrap();
    sidecar.ended().await.unwrap();
    let press = "document.querySelector('button').click()";
    let name = "document.querySelector('button').textContent";
    browser.evaluate(press).await;
    assert_eq!(browser.evaluate(name).await, "Renew every 5 seconds");
    browser.evaluate(press).await;
    let said = "new Promise((done) => setInterval(() => { \
        const said = document.querySelector('output').textContent; if (said) done(said); }, 50))";
    let said = browser.evaluate(said).await;
    assert!(said.as_str().unwrap().contains("does not answer"), "{said}");
}

async fn says_all_without_its_script(browser: &mut Browser, sidecar: &Sidecar) {
    let off = json!({"value": true});
    browser
        .call("Emulation.setScriptExecutionDisabled", off)
        .await;
    browser.open(&format!("http://{}/", sidecar.page)).await;
    let names = browser.names().await;
    let texts: Vec<_> = names.iter().map(|(_, name)| name.as_str()).collect();
    let text = texts.join(" ");
    for part in ["The next try:", " UTC", "min", "Load the page again"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!names.iter().any(|(role, _)| role == "button"), "{text}");
}
