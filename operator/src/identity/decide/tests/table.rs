//! Every row of the state machine.

use serde_json::json;
use zohorelay_upstream::Class;

use super::super::fixtures::{Scene, now, published, refused, seconds_ago, unheard, unheard_for};
use super::super::{Rendered, decide};
use crate::identity::attempt::Attempt;
use crate::identity::status::Login;
use crate::identity::validate::fixtures::PASSWORD;

/// What is done: nothing, a document of a login that was taken, or of one that was not.
#[derive(Debug, PartialEq)]
enum Written {
    Nothing,
    Verified,
    Untried,
}
use Written::{Nothing, Untried, Verified};

struct Row {
    name: &'static str,
    scene: Scene,
    written: Written,
    verify: bool,
    login: &'static str,
    /// Seconds.
    requeue: Option<u64>,
}

fn row(name: &'static str, scene: Scene, written: Written, login: &'static str) -> Row {
    Row {
        name,
        scene,
        written,
        verify: false,
        login,
        requeue: None,
    }
}

impl Row {
    fn verify(self) -> Self {
        Self {
            verify: true,
            ..self
        }
    }

    fn again_in(self, seconds: u64) -> Self {
        Self {
            requeue: Some(seconds),
            ..self
        }
    }
}

fn login(login: &Login) -> &'static str {
    match login {
        Login::Accepted => "Accepted",
        Login::Refused { reason, .. }
        | Login::Pending { reason, .. }
        | Login::NotTried { reason, .. } => reason.as_str(),
    }
}

fn fresh() -> Scene {
    Scene::new(&json!({}))
}

fn required() -> Scene {
    Scene::new(&json!({"spec": {"credentials": {"verification": "Required"}}}))
}

fn serving() -> Scene {
    Scene::published(&json!({}))
}

fn unverified() -> Scene {
    Scene {
        rendered: published(&json!({}), PASSWORD, false),
        ..fresh()
    }
}

fn accepted() -> Attempt {
    Attempt::Accepted { at: now() }
}

fn auth_failed() -> Attempt {
    refused(Class::AuthFailed, seconds_ago(9000))
}

fn renamed(scene: Scene) -> Scene {
    scene.patched(&json!({"spec": {"displayName": "New"}}))
}

fn suspended(scene: Scene) -> Scene {
    scene.patched(&json!({"spec": {"suspend": true}}))
}

fn of(rendered: Rendered) -> Scene {
    Scene {
        rendered,
        ..fresh()
    }
}

fn left() -> Rendered {
    Rendered::Left {
        resource_version: "9".to_owned(),
    }
}

fn forbidden() -> Rendered {
    Rendered::Forbidden {
        message: "no".to_owned(),
    }
}

fn unreadable() -> Rendered {
    Rendered::OursUnreadable {
        resource_version: "9".to_owned(),
    }
}

fn stale() -> Scene {
    let newer = json!({"metadata": {"generation": 4}});
    renamed(of(published(&newer, PASSWORD, true))).attempt(accepted())
}

fn first_publication() -> Vec<Row> {
    vec![
        row("a first login is asked for", fresh(), Nothing, "Verifying").verify(),
        row(
            "it waits for its turn, however long",
            fresh().attempt(Attempt::Waiting).due(),
            Nothing,
            "Verifying",
        )
        .verify(),
        row(
            "it is taken",
            fresh().attempt(accepted()),
            Verified,
            "Accepted",
        ),
        row(
            "it is refused",
            fresh().attempt(auth_failed()),
            Nothing,
            "LoginRefused",
        ),
        row(
            "nobody answers",
            fresh().attempt(unheard()),
            Nothing,
            "UpstreamUnreachable",
        )
        .verify()
        .again_in(60),
        row(
            "nobody answered for two minutes",
            fresh().attempt(unheard_for(120)),
            Untried,
            "UpstreamUnreachable",
        )
        .verify(),
        row(
            "nobody answered for a while, and the next try is put off",
            fresh().attempt(unheard_for(119)).due(),
            Nothing,
            "UpstreamUnreachable",
        )
        .verify()
        .again_in(1),
        row(
            "nobody answered, and since then the next try waits for its turn",
            fresh().attempt(unheard_for(9999)).due(),
            Nothing,
            "UpstreamUnreachable",
        )
        .verify(),
        row(
            "Required waits for ever",
            required().attempt(unheard_for(99_999)),
            Nothing,
            "UpstreamUnreachable",
        )
        .verify(),
        row(
            "Required is taken",
            required().attempt(accepted()),
            Verified,
            "Accepted",
        ),
        row(
            "left by an earlier identity",
            of(left()).attempt(accepted()),
            Verified,
            "Accepted",
        ),
        row("left, not tried yet", of(left()), Nothing, "Verifying").verify(),
        row(
            "unreadable",
            of(unreadable()).attempt(accepted()),
            Verified,
            "Accepted",
        ),
        row(
            "unreadable, not tried yet",
            of(unreadable()),
            Nothing,
            "Verifying",
        )
        .verify(),
        row(
            "somebody else's Secret",
            of(Rendered::Foreign { has_maker: false }).attempt(accepted()),
            Nothing,
            "NameTaken",
        ),
        row(
            "a Secret that may not be read",
            of(forbidden()).attempt(accepted()),
            Nothing,
            "Forbidden",
        )
        .again_in(60),
    ]
}

fn while_one_serves() -> Vec<Row> {
    vec![
        row("nothing differs", serving(), Nothing, "Accepted"),
        row("nothing differs, known by this process", serving().attempt(accepted()), Nothing, "Accepted"),
        row("other fields differ", renamed(serving()), Verified, "Accepted"),
        row("a new password is tried first", serving().rotated("new"), Nothing, "Verifying")
            .verify(),
        row("it is taken", serving().rotated("new").attempt(accepted()), Verified, "Accepted"),
        row("it is refused", serving().rotated("new").attempt(auth_failed()), Nothing, "LoginRefused"),
        row("nobody answers for 14 minutes", serving().rotated("new").attempt(unheard_for(840)), Nothing, "UpstreamUnreachable")
            .verify()
            .again_in(60),
        row("nobody answers for 15 minutes", serving().rotated("new").attempt(unheard_for(900)), Untried, "UpstreamUnreachable")
            .verify(),
        row("published untried, goes on trying", unverified().attempt(unheard()), Nothing, "UpstreamUnreachable").verify(),
        row("published untried, other fields differ", renamed(unverified()).attempt(unheard()), Untried, "UpstreamUnreachable")
            .verify(),
        row("published untried, now taken", unverified().attempt(accepted()), Verified, "Accepted"),
        row("published untried, now refused", renamed(unverified()).attempt(auth_failed()), Nothing, "LoginRefused"),
        row("published untried, now Required", unverified().patched(&json!({"spec": {"displayName": "New", "credentials": {"verification": "Required"}}})), Nothing, "Verifying")
            .verify(),
        row("the old password again", serving().remembers_refusal("LoginRefused", 60), Nothing, "Accepted"),
    ]
}

fn refusals() -> Vec<Row> {
    let blocked = |ago| refused(Class::AccountBlocked, seconds_ago(ago));
    let rotated = || fresh().rotated("new");
    vec![
        row(
            "remembered",
            rotated().remembers_refusal("LoginRefused", 99_999),
            Nothing,
            "LoginRefused",
        ),
        row(
            "remembered, of another Secret",
            fresh().remembers_refusal("LoginRefused", 60),
            Nothing,
            "Verifying",
        )
        .verify(),
        row(
            "remembered, of another spec",
            rotated()
                .remembers_refusal("LoginRefused", 60)
                .of_generation(4),
            Nothing,
            "Verifying",
        )
        .verify(),
        row(
            "remembered, but taken since",
            rotated()
                .remembers_refusal("LoginRefused", 60)
                .attempt(accepted()),
            Verified,
            "Accepted",
        ),
        row(
            "blocked",
            fresh().attempt(blocked(600)),
            Nothing,
            "AccountBlocked",
        )
        .again_in(3000),
        row(
            "blocked an hour ago",
            fresh().attempt(blocked(3600)),
            Nothing,
            "AccountBlocked",
        )
        .verify()
        .again_in(0),
        row(
            "blocked, remembered",
            rotated().remembers_refusal("AccountBlocked", 600),
            Nothing,
            "AccountBlocked",
        )
        .again_in(3000),
        row(
            "blocked, remembered, tried again",
            rotated()
                .remembers_refusal("AccountBlocked", 3601)
                .attempt(Attempt::Waiting),
            Nothing,
            "AccountBlocked",
        )
        .verify()
        .again_in(0),
    ]
}

fn suspensions_and_problems() -> Vec<Row> {
    vec![
        row(
            "suspended before anything is published",
            suspended(fresh()),
            Nothing,
            "Suspended",
        ),
        row("suspended", suspended(serving()), Verified, "Accepted"),
        row(
            "suspended with a new password",
            suspended(serving().rotated("new")),
            Verified,
            "Suspended",
        ),
        row(
            "suspended already",
            Scene::published(&json!({"spec": {"suspend": true}})),
            Nothing,
            "Accepted",
        ),
        row(
            "no longer suspended",
            Scene::published(&json!({"spec": {"suspend": true}})).patched(&json!({})),
            Verified,
            "Accepted",
        ),
        row(
            "published untried, suspended",
            suspended(unverified()).attempt(auth_failed()),
            Untried,
            "LoginRefused",
        ),
        row(
            "the Secret is missing",
            fresh().without_secret(),
            Nothing,
            "SecretNotFound",
        )
        .again_in(300),
        row(
            "the Secret is gone",
            serving().without_secret(),
            Nothing,
            "SecretNotFound",
        )
        .again_in(300),
        row(
            "the spec is wrong",
            serving().patched(&json!({"spec": {"address": "x"}})),
            Nothing,
            "InvalidSpec",
        ),
    ]
}

#[test]
fn each_row_of_the_state_machine() {
    let rows = [
        first_publication(),
        while_one_serves(),
        refusals(),
        suspensions_and_problems(),
    ];
    for row in rows.into_iter().flatten() {
        let decision = decide(&row.scene.situation());
        let written = match &decision.publish {
            None => Nothing,
            Some(publication) if publication.verified => Verified,
            Some(_) => Untried,
        };
        let standing = decision.standing.unwrap();
        let found = (written, decision.verify, login(&standing.login));
        assert_eq!(found, (row.written, row.verify, row.login), "{}", row.name);
        let requeue = decision.requeue.map(|time| time.as_secs());
        assert_eq!(requeue, row.requeue, "{}", row.name);
    }
}

#[test]
fn a_spec_that_is_older_than_what_is_published_changes_nothing_and_says_nothing() {
    let decision = decide(&stale().situation());
    assert_eq!(
        (decision.publish, decision.verify, decision.standing),
        (None, false, None)
    );
    assert!(decision.requeue.is_some());
}

impl Scene {
    fn of_generation(mut self, generation: i64) -> Self {
        self.identity.metadata.generation = Some(generation);
        self
    }
}
