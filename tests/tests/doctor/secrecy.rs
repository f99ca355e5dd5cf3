//! The bundle, and that no secret is in it or in anything else that is said.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Value, json};
use zoho_simulator::{Action, Fault, Stage};
use zohorelay_tests::app;
use zohorelay_tests::sidecar::{self, Sidecar};

use crate::world::{ADDRESS, PASSWORD, World};

fn forms() -> Vec<String> {
    let plain = format!("\0{ADDRESS}\0{PASSWORD}");
    let basic = format!("{ADDRESS}:{PASSWORD}");
    let mut forms = vec![PASSWORD.to_owned(), "Authorization".to_owned()];
    for text in [PASSWORD, &plain, &basic] {
        forms.push(STANDARD.encode(text));
        forms.push(STANDARD_NO_PAD.encode(text));
    }
    forms
}

fn assert_clean(what: &str, text: &str) {
    for form in forms() {
        assert!(!text.contains(&form), "{form} is in {what}: {text}");
    }
}

/// A running sidecar beside the world's document, with one mail sent.
async fn running(world: &World) -> Sidecar {
    let options = sidecar::Options::with(vec![world.billing()]);
    let sidecar = Sidecar::start(options).await.unwrap();
    let header = format!("From: {ADDRESS}\r\nMessage-ID: <m1@shop>\r\n\r\nhello\r\n");
    let reply = app::send(sidecar.smtp, ADDRESS, &["ann@example.org"], &header).await;
    assert_eq!(reply.unwrap().code, 250);
    sidecar
}

#[tokio::test]
async fn no_form_of_a_password_is_said_whatever_the_server_repeats() {
    let echoes = forms().join(" ");
    for stage in [Stage::Auth, Stage::Greeting, Stage::Ehlo] {
        let world = World::documented().await;
        let sidecar = running(&world).await;
        let (admin, page) = (sidecar.admin.to_string(), sidecar.page.to_string());
        for code in [535, 421, 250] {
            world.zoho.clear_faults();
            let echo = Action::Reply(
                format!("{code} no: {}\r\n", echoes.replace("Authorization", "")).into(),
            );
            world.zoho.fault(Fault::new(stage, echo)).unwrap();
            let file = world.path().join(format!("{code}.json"));
            let common = ["--auth=force", "--admin", &admin, "--page", &page];
            let texts = [
                &common[..],
                &["--details", "--bundle", file.to_str().unwrap()],
            ]
            .concat();
            let verdict = world.doctor(&texts).await;
            // Of a 250 to EHLO the first line is the server's name, which is not shown.
            let is_shown = (stage, code) != (Stage::Ehlo, 250);
            assert_eq!(
                verdict.stdout.contains("(hidden)"),
                is_shown,
                "{verdict:#?}"
            );
            assert_clean("stdout", &verdict.stdout);
            assert_clean("stderr", &verdict.stderr);
            assert_clean("the bundle", &std::fs::read_to_string(&file).unwrap());
            let json = world.doctor(&[&common[..], &["--json"]].concat()).await;
            assert_clean("JSON", &json.stdout);
            assert_clean("stderr", &json.stderr);
            let piped = world
                .doctor(&[&common[..], &["--bundle", "-"]].concat())
                .await;
            assert_clean("the bundle on stdout", &piped.stdout);
            assert_clean("stderr", &piped.stderr);
        }
    }
}

#[tokio::test]
async fn a_document_with_the_password_in_a_wrong_place_is_not_quoted() {
    let world = World::new().await;
    for pointer in [
        "/upstream/host",
        "/upstream/port",
        "/addresses/primary",
        "/login",
    ] {
        world.write(&world.changed(pointer, &json!(PASSWORD)));
        let file = world.path().join(pointer.replace('/', "-"));
        let verdict = world
            .doctor(&["--details", "--bundle", file.to_str().unwrap()])
            .await;
        assert_clean(pointer, &verdict.stdout);
        assert_clean(pointer, &verdict.stderr);
        assert_clean(pointer, &std::fs::read_to_string(&file).unwrap());
    }
}

#[tokio::test]
async fn a_bundle_has_all_that_was_seen_and_names_nobody_in_full() {
    let world = World::documented().await;
    let sidecar = running(&world).await;
    let (admin, page) = (sidecar.admin.to_string(), sidecar.page.to_string());
    let flags = ["--bundle", "-", "--admin", &admin, "--page", &page];
    let verdict = world.doctor(&flags).await;
    assert_eq!(verdict.code, 0);
    assert!(
        verdict.stderr.contains("All is well."),
        "{}",
        verdict.stderr
    );
    let bundle = verdict.json();
    assert_eq!(bundle["bundle"], 1);
    assert_eq!(bundle["checkup"]["summary"], "All is well.");
    assert_eq!(bundle["summary"]["identities"][0]["accepted"], 1);
    assert_eq!(
        bundle["status"]["identities"][0]["lastMails"][0]["messageId"],
        "m1@shop"
    );
    let metrics = bundle["metrics"].as_array().unwrap();
    let has = |name: &str| {
        metrics
            .iter()
            .any(|line| line.as_str().unwrap().starts_with(name))
    };
    assert!(has("zohorelay_sidecar_mails_total"));
    let document = &bundle["documents"][0];
    assert_eq!(document["addresses"], json!(["b…g@example.com"]));
    assert_eq!(document["login"]["username"], "b…g@example.com");
    assert_eq!(document["login"]["password"], "(hidden)");
    assert_eq!(document["upstream"]["host"], "localhost");
    assert!(!verdict.stdout.contains(ADDRESS));
}

#[tokio::test]
async fn a_bundle_is_a_new_file_that_only_its_owner_reads() {
    let world = World::documented().await;
    let file = world.path().join("bundle.json");
    let name = file.to_str().unwrap();
    let verdict = world.doctor(&["--bundle", name]).await;
    verdict.assert_ends(0, "All is well.");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    let bundle: Value = serde_json::from_str(&text).unwrap();
    assert!(bundle["metrics"]["missing"].is_string(), "no sidecar runs");

    let verdict = world.doctor(&["--bundle", name]).await;
    assert_eq!(verdict.code, 73);
    assert!(
        verdict.stderr.contains("none is overwritten"),
        "{}",
        verdict.stderr
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let nowhere = Path::new("/nowhere/bundle.json");
    let verdict = world.doctor(&["--bundle", nowhere.to_str().unwrap()]).await;
    assert_eq!(verdict.code, 73);
    assert!(verdict.stderr.contains("--bundle -"), "{}", verdict.stderr);
}
