mod hold;
mod properties;
mod release;
mod table;

use std::time::Duration;

use serde_json::json;
use zohorelay_upstream::Class;

use super::fixtures::{REVISION, Scene, now, published, refused};
use super::*;
use crate::identity::attempt::Attempt;
use crate::identity::status::Login;
use crate::identity::validate::fixtures::PASSWORD;

#[test]
fn a_revision_is_above_the_published_one_and_above_what_the_status_tells() {
    let base = Scene::published(&json!({})).patched(&json!({"spec": {"displayName": "New"}}));
    let revision = |scene: &Scene| {
        let publication = decide(&scene.situation()).publish.unwrap();
        publication.document.revision.unwrap()
    };
    let seconds = u64::try_from(now().as_second()).unwrap();
    assert_eq!(revision(&base), seconds, "a clock that went on");
    let told = seconds + 50;
    let ahead = base.clone().status(json!({"revision": told}));
    assert_eq!(revision(&ahead), told + 1, "the rendered Secret went back");
    let mut behind = base;
    if let Rendered::Ours(published) = &mut behind.rendered {
        published.document.revision = Some(seconds + 7);
    }
    assert_eq!(revision(&behind), seconds + 8, "a clock that went back");
}

#[test]
fn a_lost_rendered_secret_is_written_again_above_the_revision_that_pods_have_seen() {
    let mut scene = Scene::published(&json!({})).status(json!({"revision": 9_000_000_000_u64}));
    scene.rendered = Rendered::Absent;
    let accepted = scene.attempt(Attempt::Accepted { at: now() });
    let publication = decide(&accepted.situation()).publish.unwrap();
    assert_eq!(publication.document.revision, Some(9_000_000_001));
}

#[test]
fn a_login_that_is_taken_later_changes_the_annotation_and_not_the_document() {
    let mut scene = Scene::published(&json!({})).attempt(Attempt::Accepted { at: now() });
    scene.rendered = published(&json!({}), PASSWORD, false);
    let publication = decide(&scene.situation()).publish.unwrap();
    assert!(publication.verified);
    assert_eq!(
        Some(&publication.document),
        scene.rendered.published().map(|it| &it.document)
    );
    assert_eq!(publication.document.revision, Some(REVISION));
}

#[test]
fn suspension_keeps_the_published_login_and_server_where_the_drafts_are_others() {
    let scene = Scene::published(&json!({}))
        .rotated("changed")
        .patched(&json!({
            "spec": {"suspend": true, "displayName": "New", "zoho": {"dataCenter": "EU"}}
        }));
    let decision = decide(&scene.situation());
    let document = decision.publish.unwrap().document;
    assert!(document.suspend && !decision.verify);
    assert_eq!(document.login.password.expose(), PASSWORD);
    assert_eq!(document.upstream.host, "smtppro.zoho.com");
    assert_eq!(document.addresses.display_name.as_deref(), Some("New"));
}

#[test]
fn suspension_holds_even_while_the_secret_is_gone() {
    let scene = Scene::published(&json!({}))
        .patched(&json!({"spec": {"suspend": true}}))
        .without_secret();
    let decision = decide(&scene.situation());
    let publication = decision.publish.unwrap();
    assert!(publication.document.suspend && publication.verified);
    assert_eq!(publication.document.login.password.expose(), PASSWORD);
}

#[test]
fn what_another_release_put_into_retry_is_kept_and_a_hold_is_not() {
    let mut scene = Scene::published(&json!({})).patched(&json!({"spec": {"displayName": "New"}}));
    if let Rendered::Ours(published) = &mut scene.rendered {
        published.document.retry = 7;
    }
    let document = decide(&scene.situation()).publish.unwrap().document;
    assert_eq!((document.retry, document.hold), (7, None));
}

#[test]
fn a_refusal_of_an_earlier_process_is_told_in_its_words() {
    let scene = Scene::new(&json!({}))
        .rotated("x")
        .remembers_refusal("LoginRefused", 60);
    let standing = decide(&scene.situation()).standing.unwrap();
    let Login::Refused { fact, .. } = standing.login else {
        panic!("{:?}", standing.login);
    };
    assert_eq!(fact, "as it was said");
    let refused = standing.credential.refused.unwrap();
    assert_eq!(
        (refused.secret_resource_version.as_str(), refused.code),
        ("42", 535)
    );
}

#[test]
fn a_missing_secret_is_waited_for_five_minutes_of_this_spec_and_then_a_person() {
    let told = |kind: &str, reason: &str, generation: i64, ago: i64| {
        Scene::new(&json!({}))
            .without_secret()
            .status(json!({"conditions": [{
                "type": kind, "status": "True", "reason": reason, "message": "",
                "lastTransitionTime": fixtures::seconds_ago(ago).to_string(),
                "observedGeneration": generation
            }]}))
    };
    let cases = [
        (Scene::new(&json!({})).without_secret(), false, Some(300)),
        (
            told("Reconciling", "SecretNotFound", 3, 100),
            false,
            Some(200),
        ),
        (told("Reconciling", "SecretNotFound", 3, 300), true, None),
        (
            told("Reconciling", "SecretNotFound", 2, 900),
            false,
            Some(300),
        ),
        (told("Reconciling", "Verifying", 3, 900), false, Some(300)),
        (told("Stalled", "SecretNotFound", 3, 1), true, None),
        (told("Stalled", "LoginRefused", 3, 900), false, Some(300)),
    ];
    for (index, (scene, is_stalled, left)) in cases.iter().enumerate() {
        let decision = decide(&scene.situation());
        let obstacle = decision.standing.unwrap().obstacle.unwrap();
        assert_eq!(obstacle.is_stalled, *is_stalled, "{index}");
        assert_eq!(decision.requeue, left.map(Duration::from_secs), "{index}");
    }
}

#[test]
fn a_right_that_is_missing_is_looked_for_again_every_minute() {
    let scene = Scene::new(&json!({}));
    let problem = Problem::forbidden("get", "secrets", "shop", "no");
    let decision = decide(&scene.failing(problem));
    assert_eq!(decision.requeue, Some(Duration::from_secs(60)));
}

#[test]
fn nobody_is_told_to_delete_a_secret_that_somebody_keeps() {
    for (has_maker, is_told) in [(true, false), (false, true)] {
        let scene = Scene {
            rendered: Rendered::Foreign { has_maker },
            ..Scene::new(&json!({}))
        };
        let standing = decide(&scene.situation()).standing.unwrap();
        let message = standing.obstacle.unwrap().message;
        assert_eq!(message.contains("delete"), is_told, "{message}");
        assert!(message.contains("another name"), "{message}");
    }
}

#[test]
fn a_write_that_failed_leaves_what_serves_and_tells_why() {
    let scene = Scene::published(&json!({})).patched(&json!({"spec": {"displayName": "New"}}));
    let situation = scene.situation();
    let problem = Problem::api_error("writing the Secret", "etcdserver: timeout");
    let decision = situation.unwritten(decide(&situation), &problem);
    assert_eq!(decision.publish, None);
    let standing = decision.standing.unwrap();
    let serving = standing.serving.unwrap();
    assert_eq!((serving.revision, serving.is_current), (REVISION, false));
    assert_eq!(standing.obstacle.unwrap().reason.as_str(), "ApiError");
    assert_eq!(standing.login, Login::Accepted);
}

#[test]
fn a_suspension_that_could_not_be_written_is_not_said_to_serve_with_a_secret_or_without() {
    let told = json!({"credential": {"secretResourceVersion": "41"}});
    let scene = Scene::published(&json!({})).status(told);
    let suspended = scene.patched(&json!({"spec": {"suspend": true}}));
    for scene in [suspended.clone(), suspended.without_secret()] {
        let situation = scene.situation();
        let decision = decide(&situation);
        assert!(decision.publish.is_some());
        let problem = Problem::forbidden("patch", "secrets", "shop", "no");
        let standing = situation.unwritten(decision, &problem).standing.unwrap();
        let serving = standing.serving.unwrap();
        assert_eq!((serving.revision, serving.is_suspended), (REVISION, false));
        assert_eq!(standing.obstacle.unwrap().reason.as_str(), "Forbidden");
        let read = standing.credential.secret_resource_version;
        assert_eq!(read.as_deref(), Some("41"));
    }
}

#[test]
fn a_remedy_names_the_data_centre_of_the_host_that_was_chosen_and_the_field_that_chose_it() {
    let spec = json!({"spec": {"server": {"host": "smtppro.zoho.eu"}}});
    let remedy = |class| {
        let scene = Scene::new(&spec).attempt(refused(class, now()));
        match decide(&scene.situation()).standing.unwrap().login {
            Login::Refused { remedy, .. } => remedy,
            login => panic!("{login:?}"),
        }
    };
    let refused = remedy(Class::AuthFailed);
    for words in [
        "https://accounts.zoho.eu > Security > App Passwords",
        "the account lives in another data centre than EU",
        "then set spec.server.host, which goes before spec.zoho.dataCenter;",
    ] {
        assert!(refused.contains(words), "{words:?} is not in {refused}");
    }
    let blocked = remedy(Class::AccountBlocked);
    assert!(
        blocked.contains("https://mail.zoho.eu/UnblockMe"),
        "{blocked}"
    );
}

#[test]
fn each_cause_of_a_refusal_comes_in_the_order_of_likelihood_with_what_to_click() {
    let scene = Scene::new(&json!({"spec": {"zoho": {"dataCenter": "IN"}}}));
    let scene = scene
        .rotated(" edge")
        .attempt(refused(Class::AuthFailed, now()));
    let Login::Refused { fact, remedy, .. } = decide(&scene.situation()).standing.unwrap().login
    else {
        panic!("not refused");
    };
    let message = format!("{fact}. {remedy}");
    let order = [
        "Zoho refused the login billing@example.com at smtppro.zoho.in:465: 535 Authentication Failed.",
        "(1) the password in Secret billing-zoho, key password begins with a blank",
        "(2) an app password is needed",
        "https://accounts.zoho.in > Security > App Passwords",
        "(3) the account lives in another data centre than IN",
        "(4) SMTP is switched off",
        "(5) the user name is an alias",
    ];
    let mut rest = message.as_str();
    for part in order {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("{part:?} in order in {message:?}"));
        rest = &rest[at + part.len()..];
    }
    assert!(!message.contains("edge"), "{message}");
}
