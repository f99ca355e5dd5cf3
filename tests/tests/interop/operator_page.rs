//! The operator's page in Chromium, with identities that are prepared: as people see it, and as a screen
//! reader does.
//!
//! The screenshots stay in `target/interop/operator-page`, to be looked at.

use std::fs;
use std::sync::{Arc, Mutex};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use zohorelay_operator::identity::roster::Known;
use zohorelay_operator::page::{Scene, routes};
use zohorelay_process::admin;

use crate::available::{folder, program};
use crate::browser::Browser;
use crate::page::{LOOKS, is_accessible};

const ROLES: [&str; 7] = [
    "RootWebArea",
    "main",
    "heading",
    "navigation",
    "button",
    "searchbox",
    "region",
];

/// So many seconds from now; negative ones lie behind.
fn at(seconds: i64) -> String {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    (now + SignedDuration::from_secs(seconds)).to_string()
}

/// A golden status of the operator, of another identity.
fn golden(fixture: &str, namespace: &str, name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../operator/fixtures/status");
    let text = fs::read_to_string(format!("{folder}/{fixture}.json")).unwrap();
    let mut object: Value = serde_json::from_str(&text).unwrap();
    object["metadata"]["name"] = json!(name);
    object["metadata"]["namespace"] = json!(namespace);
    object
}

fn leading(objects: Vec<Value>) -> Scene {
    let objects = objects.into_iter();
    Scene::Leading(Known {
        identities: objects
            .map(|object| Arc::new(serde_json::from_value(object).unwrap()))
            .collect(),
        unlisted: Vec::new(),
    })
}

fn trouble() -> Vec<Value> {
    let mut denied = golden("mails-denied", "shop", "contact-form");
    denied["status"]["delivery"]["failing"][0]["at"] = json!(at(-95));
    denied["status"]["delivery"]["lastSuccess"] = json!(at(-30));
    let mut held = golden("mails-delivered", "crm", "newsletter");
    held["status"]["hold"] = json!({"until": at(1800), "reason": "account_blocked"});
    vec![
        golden("mails-delivered", "shop", "billing"),
        denied,
        held,
        golden("login-refused", "hr", "payroll"),
        golden("pods-silent", "ops", "alerts"),
        golden("suspended", "crm", "old-campaign"),
        golden("published", "shop", "returns"),
    ]
}

fn many() -> Vec<Value> {
    let healthy = (0..300).map(|number| {
        let namespace = format!("team-{:02}", number % 30);
        golden(
            "mails-delivered",
            &namespace,
            &format!("mailbox-{number:03}"),
        )
    });
    healthy.collect()
}

/// The page of an operator, and what it shows next.
async fn serve() -> (String, Arc<Mutex<Scene>>, CancellationToken) {
    let scene = Arc::new(Mutex::new(Scene::Following(None)));
    let (shown, stop) = (scene.clone(), CancellationToken::new());
    let look = move || shown.lock().unwrap().clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}/", listener.local_addr().unwrap());
    let routes = routes("zohorelay-system".to_owned(), look);
    tokio::spawn(admin::serve(listener, routes, stop.clone()));
    (origin, scene, stop)
}

#[tokio::test]
async fn the_operators_page_is_readable_quiet_and_alive_in_chromium() {
    let Some(program) = program("chromium", "the operator's page in a browser") else {
        return;
    };
    let shots = folder().join("operator-page");
    fs::create_dir_all(&shots).unwrap();
    let mut browser = Browser::start(&program).await;
    let (origin, scene, stop) = serve().await;
    let leader = "zohorelay-operator-6c9f7d5b8-x2x7q";
    for (state, shown, verdict, roles) in [
        (
            "trouble",
            leading(trouble()),
            "3 of 7 identities in trouble.",
            &ROLES[..],
        ),
        ("many", leading(many()), "All is well.", &ROLES),
        (
            "other",
            Scene::Following(Some(leader.into())),
            "Another replica leads.",
            &ROLES[..3],
        ),
    ] {
        *scene.lock().unwrap() = shown;
        for (look, width, theme) in LOOKS {
            let what = format!("{state}-{look}");
            browser.look(width, theme).await;
            browser.open(&origin).await;
            let sum = "document.querySelector('.sum').innerText";
            assert_eq!(browser.evaluate(sum).await, verdict, "{what}");
            // That is longer than Chromium draws.
            if what != "many-phone" {
                browser.screenshot(&shots.join(format!("{what}.png"))).await;
            }
            // The page of many has a bar for scrolling, which takes room.
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            assert_eq!(browser.evaluate(fits).await, true, "{what} is too wide");
            is_accessible(&mut browser, &what, roles).await;
            assert_eq!(browser.complaints(&origin), Vec::<String>::new(), "{what}");
        }
    }
    *scene.lock().unwrap() = leading(trouble());
    leads_from_line_to_section(&mut browser, &origin).await;
    finds_by_words_and_keeps_to_them(&mut browser, &origin, &scene).await;
    says_when_nobody_answers(&mut browser, &stop).await;
}

async fn leads_from_line_to_section(browser: &mut Browser, origin: &str) {
    browser.open(origin).await;
    let follow = "document.querySelector('nav a').click(), location.hash";
    assert_eq!(browser.evaluate(follow).await, "#i-crm/newsletter");
    let target = "document.querySelector(':target').innerText";
    assert_eq!(browser.evaluate(target).await, "crm/newsletter: held back");
    let left = "document.querySelector('[data-left]').textContent";
    let counted = browser.evaluate(left).await;
    assert!(counted.as_str().unwrap().ends_with(" s"), "{counted}");
}

/// As typed and sent by a person. What the page fetches by itself is about the same words.
async fn finds_by_words_and_keeps_to_them(
    browser: &mut Browser,
    origin: &str,
    scene: &Mutex<Scene>,
) {
    let find = "document.querySelector('input').value = 'shop goes'; \
        document.querySelector('form button').click()";
    browser.evaluate(find).await;
    let names = "[...document.querySelectorAll('main h2')].map((it) => it.id).join()";
    let until = |wanted: &str| {
        format!(
            "new Promise((done) => setInterval(() => {names} === '{wanted}' && done(true), 50))"
        )
    };
    let address = format!("{origin}?q=shop+goes");
    browser.loaded(&address).await;
    assert_eq!(browser.evaluate(&until("i-shop/billing")).await, true);
    assert_eq!(
        browser
            .evaluate("document.querySelector('input').value")
            .await,
        "shop goes"
    );
    let mut more = trouble();
    more.push(golden("mails-delivered", "shop", "orders"));
    *scene.lock().unwrap() = leading(more);
    let renewed = browser
        .evaluate(&until("i-shop/billing,i-shop/orders"))
        .await;
    assert_eq!(renewed, true);
    assert_eq!(browser.complaints(origin), Vec::<String>::new());
}

/// The button, pressed twice, asks at once.
async fn says_when_nobody_answers(browser: &mut Browser, stop: &CancellationToken) {
    stop.cancel();
    let press = "document.querySelector('footer button').click()";
    browser.evaluate(press).await;
    browser.evaluate(press).await;
    let said = "new Promise((done) => setInterval(() => { \
        const said = document.querySelector('output').textContent; if (said) done(said); }, 50))";
    let said = browser.evaluate(said).await;
    assert!(
        said.as_str().unwrap().contains("port-forward anew"),
        "{said}"
    );
}
