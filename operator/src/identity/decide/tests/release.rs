//! A refused login that a person wants to have tried once more.

use serde_json::json;
use zohorelay_upstream::Class;

use super::super::decide;
use super::super::fixtures::{Scene, now, refused, seconds_ago, unheard_for};
use crate::identity::attempt::Attempt;
use crate::identity::status::Login;

/// A row of requests for one more try: its name, the scene, whether a login is wanted, and the request
/// that is done.
type Request = (&'static str, Scene, bool, Option<&'static str>);

fn releases() -> Vec<Request> {
    let fresh = || Scene::new(&json!({}));
    let suspended = |scene: Scene| scene.patched(&json!({"spec": {"suspend": true}}));
    let serving = || Scene::published(&json!({}));
    let accepted = || Attempt::Accepted { at: now() };
    let auth_failed = || refused(Class::AuthFailed, seconds_ago(9000));
    let failed = || fresh().attempt(auth_failed());
    let remembered = || fresh().rotated("new").remembers_refusal("LoginRefused", 60);
    let blocked = refused(Class::AccountBlocked, now());
    let asked = || failed().released("1");
    vec![
        ("nobody asks", failed(), false, None),
        ("asked", asked(), true, None),
        (
            "asked of an earlier process",
            remembered().released("1"),
            true,
            None,
        ),
        (
            "queued",
            remembered().released("1").attempt(Attempt::Waiting),
            true,
            None,
        ),
        (
            "no verdict",
            remembered().released("1").attempt(unheard_for(9999)),
            true,
            None,
        ),
        ("refused again", asked().release_tried(), false, Some("1")),
        (
            "refused again, written",
            asked().release_tried().handled("1"),
            false,
            None,
        ),
        (
            "after a restart",
            remembered().released("1").handled("1"),
            false,
            None,
        ),
        (
            "asked once more",
            failed().released("2").handled("1"),
            true,
            None,
        ),
        ("asked in vain", failed().released(""), false, None),
        (
            "taken",
            failed().released("1").attempt(accepted()).release_tried(),
            false,
            Some("1"),
        ),
        (
            "nothing was refused",
            serving().released("1"),
            false,
            Some("1"),
        ),
        (
            "a first login that waits",
            fresh().released("1").attempt(Attempt::Waiting),
            true,
            None,
        ),
        (
            "while suspended",
            suspended(failed()).released("1"),
            false,
            None,
        ),
        (
            "without a Secret",
            fresh().released("1").without_secret(),
            false,
            None,
        ),
        (
            "a blocked account",
            fresh().attempt(blocked).released("1"),
            true,
            None,
        ),
    ]
}

#[test]
fn a_request_has_a_refused_login_tried_once_more_and_is_done_with_the_verdict() {
    for (name, scene, verify, handled) in releases() {
        let decision = decide(&scene.situation());
        let standing = decision.standing.unwrap();
        let found = (decision.verify, standing.handled_release.as_deref());
        assert_eq!(found, (verify, handled), "{name}");
        if let Login::Refused { is_tried_again, .. } = standing.login {
            assert_eq!(is_tried_again, verify, "{name}");
            assert_eq!(
                decision.publish, None,
                "{name}: not published before it is taken"
            );
            assert!(standing.credential.refused.is_some(), "{name}");
        }
    }
}
