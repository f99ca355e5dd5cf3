//! `zohorelay-sidecar doctor`, the real program, against a simulated Zoho with real TLS: each fault is
//! named in plain words with what to do, and has its exit code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "doctor/names.rs"]
mod names;
#[path = "doctor/network.rs"]
mod network;
#[path = "doctor/route.rs"]
mod route;
#[path = "doctor/secrecy.rs"]
mod secrecy;
#[path = "doctor/world.rs"]
mod world;

use serde_json::{Value, json};
use zohorelay_tests::app;
use zohorelay_tests::document::document;
use zohorelay_tests::sidecar::{self, Sidecar};

use self::world::{ADDRESS, Verdict, World};

#[tokio::test]
async fn where_all_is_well_each_thing_is_looked_at_and_nobody_logs_in_or_sends() {
    let world = World::documented().await;
    let verdict = world.doctor(&["--from", ADDRESS]).await;
    verdict.assert_ends(0, "All is well.");
    assert_eq!(verdict.stderr, "");
    for (check, parts) in [
        ("document", &["ok ", "billing: read and valid"][..]),
        ("sidecar", &["skipped", "no sidecar answers"]),
        ("resolve", &["localhost is 127.0.0.1, ::1"]),
        ("connect", &["ok ", "takes connections"]),
        ("tls", &["secured (TLS 1.3)", "zoho-simulator CA", "until "]),
        (
            "greeting",
            &["offers AUTH LOGIN PLAIN, mails up to 53477376 bytes"],
        ),
        ("auth", &["skipped", "--auth", "counts at Zoho"]),
        ("sender", &["ok ", "goes as it is"]),
        ("spf", &["ok "]),
        ("dkim", &["selector zmail"]),
        ("mx", &["mx.zoho.eu"]),
        ("route", &["the server is hop 1"]),
    ] {
        verdict.assert_says(check, parts);
    }
    assert_eq!(verdict.lines("tls").lines().count(), 2, "both ports");
    assert_eq!(world.logins(), 0);
    assert_eq!(world.zoho.mail_count(), 0);
    let detailed = world.doctor(&["--details"]).await;
    detailed.assert_says(
        "tls",
        &[
            "names: localhost, 127.0.0.1",
            "cipher: TLS13_",
            "notAfter: ",
        ],
    );
    detailed.assert_says("greeting", &["banner: mx.zohomail.com", "size: 53477376"]);
    detailed.assert_says("connect", &["port25: not tried", "never right"]);
}

#[tokio::test]
async fn a_login_is_made_once_and_only_when_it_is_asked_for() {
    let world = World::documented().await;
    let verdict = world.doctor(&["--auth"]).await;
    verdict.assert_ends(0, "All is well.");
    verdict.assert_says("auth", &["ok ", "takes the login of billing@example.com"]);
    assert_eq!(world.zoho.logins(ADDRESS).ok, 1);

    world.write(&world.changed("/login/password", &json!("wrong-password")));
    world.doctor(&[]).await.assert_ends(0, "All is well.");
    assert_eq!(world.zoho.logins(ADDRESS).refused, 0);
    let verdict = world.doctor(&["--auth"]).await;
    verdict.assert_ends(15, "535 Authentication Failed");
    verdict.assert_says(
        "auth",
        &["FAILED", "Make a new app password", "class: auth_failed"],
    );
    assert_eq!(world.zoho.logins(ADDRESS).refused, 1);

    let mut document = world.billing();
    document["hold"] = json!({"until": "2999-01-01T00:00:00Z", "reason": "auth_failed"});
    world.write(&document);
    let verdict = world.doctor(&["--auth"]).await;
    verdict.assert_says("document", &["warning", "holds all mail until 2999"]);
    verdict.assert_ends(15, "mails are held (auth_failed)");
    assert_eq!(world.logins(), 2);
}

#[tokio::test]
async fn while_the_running_sidecar_is_held_by_a_refused_login_there_is_none_but_by_force() {
    let world = World::new().await;
    let wrong = world.changed("/login/password", &json!("wrong-password"));
    world.write(&wrong);
    let sidecar = Sidecar::start(sidecar::Options::with(vec![wrong]))
        .await
        .unwrap();
    let header = format!("From: {ADDRESS}\r\n\r\nhello\r\n");
    let reply = app::send(sidecar.smtp, ADDRESS, &["ann@example.org"], &header).await;
    assert_eq!(reply.unwrap().code, 451);
    assert_eq!(world.zoho.logins(ADDRESS).refused, 1);

    let admin = sidecar.admin.to_string();
    let verdict = world.doctor(&["--auth", "--admin", &admin]).await;
    verdict.assert_ends(15, "not logged in: mails are held (auth_failed)");
    verdict.assert_says(
        "sidecar",
        &["warning", "sends nothing since a refusal (auth_failed)"],
    );
    verdict.assert_says("auth", &["--auth=force"]);
    assert_eq!(world.zoho.logins(ADDRESS).refused, 1);

    let verdict = world.doctor(&["--auth=force", "--admin", &admin]).await;
    verdict.assert_ends(15, "535 Authentication Failed");
    assert_eq!(world.zoho.logins(ADDRESS).refused, 2);
}

#[tokio::test]
async fn what_becomes_of_a_from_is_what_the_sidecar_does() {
    let world = World::new().await;
    let foreign = "visitor@example.net";
    let mut document = world.billing();
    document["addresses"]["aliases"] = json!(["invoices@example.com"]);
    let rows = [
        (
            None,
            "Invoices@Example.com",
            0,
            "goes as it is: it is an alias",
        ),
        (
            None,
            foreign,
            16,
            "is refused with 553 5.7.1: it is not allowed",
        ),
        (
            Some("Rewrite"),
            foreign,
            0,
            "goes as billing@example.com, with visitor@example.net in Reply-To",
        ),
        (Some("Attach"), foreign, 0, "goes as an attachment"),
        (Some("Pass"), foreign, 0, "Zoho refuses it unless"),
    ];
    for (policy, from, code, words) in rows {
        if let Some(policy) = policy {
            document["senderPolicy"] = json!({"foreignFrom": policy});
        }
        world.write(&document);
        let verdict = world.doctor(&["--from", from]).await;
        assert_eq!(verdict.code, code, "{policy:?} {verdict:#?}");
        verdict.assert_says("sender", &[words]);
        if code == 16 {
            verdict.assert_says(
                "sender",
                &["Reply-To", "maySendAs: billing@example.com, invoices@"],
            );
        }
    }
}

#[tokio::test]
async fn no_document_is_told_by_what_is_missing() {
    let world = World::new().await;
    let verdict = world.doctor(&[]).await;
    verdict.assert_ends(10, "document: ");
    verdict.assert_says(
        "document",
        &["FAILED", "holds no identity", "kubectl get mid", "--host"],
    );
    let verdict = world.doctor(&["--identity", "billing"]).await;
    verdict.assert_ends(10, "document of billing: the identity file is not there");
    verdict.assert_says("document", &["It is awaited", "kubectl describe mid"]);

    let awaited = sidecar::Options {
        identities: vec!["late".to_owned()],
        documents: Vec::new(),
        flags: Vec::new(),
    };
    let sidecar = Sidecar::start(awaited).await.unwrap();
    let verdict = world.doctor(&["--admin", &sidecar.admin.to_string()]).await;
    verdict.assert_ends(10, "document of late");
    verdict.assert_says("sidecar", &["late: runs, and is awaited"]);

    world.write(&world.changed("/upstream/port", &json!(25)));
    let verdict = world.doctor(&[]).await;
    verdict.assert_ends(10, "upstream.port");
    world.write(&world.changed("/login/password", &json!("two words")));
    let verdict = world.doctor(&[]).await;
    verdict.assert_ends(0, "the password has a blank");
    verdict.assert_says("document", &["warning", "printf"]);
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn assert_schema(verdict: &Verdict) {
    let json = verdict.json();
    let report = [
        "exitCode", "findings", "healthy", "program", "summary", "version",
    ];
    assert_eq!(keys(&json), report);
    assert_eq!(json["exitCode"], verdict.code);
    assert_eq!(json["healthy"], verdict.code == 0);
    let checks: Vec<&str> = zohorelay_sidecar::doctor::CHECKS
        .iter()
        .map(|c| c.name)
        .collect();
    for finding in json["findings"].as_array().unwrap() {
        let fields = ["check", "details", "found", "remedy", "subject", "verdict"];
        assert_eq!(keys(finding), fields);
        assert!(
            checks.contains(&finding["check"].as_str().unwrap()),
            "{finding}"
        );
        let is_trouble = ["Warning", "Failed"].contains(&finding["verdict"].as_str().unwrap());
        assert_eq!(finding["remedy"].is_string(), is_trouble, "{finding}");
        for (key, value) in finding["details"].as_object().unwrap() {
            assert!(value.is_string(), "{key}");
        }
    }
}

#[tokio::test]
async fn programs_get_the_same_as_json_and_nothing_else() {
    let world = World::documented().await;
    let well = world.doctor(&["--json", "--from", ADDRESS]).await;
    assert_schema(&well);
    assert_eq!(well.stderr, "");
    assert_eq!(well.json()["summary"], "All is well.");
    let refused = world
        .doctor(&["--json", "--from", "visitor@example.net"])
        .await;
    assert_schema(&refused);
    assert_eq!(refused.code, 16);
}

#[tokio::test]
async fn a_server_of_two_identities_is_looked_at_once() {
    let world = World::documented().await;
    let mut other = document(
        "alerts",
        "alerts@example.com",
        "another-password",
        &world.zoho,
    );
    other["upstream"] = world.billing()["upstream"].clone();
    world.write(&other);
    let verdict = world.doctor(&[]).await;
    verdict.assert_ends(0, "All is well.");
    verdict.assert_says("connect", &["billing: the same server as for alerts"]);
    assert_eq!(verdict.lines("tls").lines().count(), 2);
    assert_eq!(verdict.lines("document").lines().count(), 2);
}
