//! What never happens, whatever happens: a small world in which specs, Secrets and verdicts change.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;
use zohorelay_crds::keys::RELEASE_HOLD;
use zohorelay_upstream::Class;

use super::super::fixtures::{Scene, now, refused, unheard_for};
use super::super::{Decision, Published, Rendered, decide};
use crate::identity::attempt::{Attempt, AttemptKey};
use crate::identity::status::status;
use crate::identity::validate::fixtures::{check, identity, with_keys};
use crate::pods::PodTally;

#[derive(Clone, Debug)]
enum Event {
    Password(u8),
    Name(u8),
    Suspend(bool),
    Required(bool),
    SecretGone,
    Taken,
    Refused,
    Blocked,
    Unheard,
    Due(bool),
    Release,
    Wait(u16),
    ClockBack(u16),
    Restart,
    SecretLost,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..3_u8).prop_map(Event::Password),
        (0..3_u8).prop_map(Event::Name),
        any::<bool>().prop_map(Event::Suspend),
        any::<bool>().prop_map(Event::Required),
        Just(Event::SecretGone),
        Just(Event::Taken),
        Just(Event::Refused),
        Just(Event::Blocked),
        Just(Event::Unheard),
        any::<bool>().prop_map(Event::Due),
        Just(Event::Release),
        (0..2000_u16).prop_map(Event::Wait),
        (0..4000_u16).prop_map(Event::ClockBack),
        Just(Event::Restart),
        Just(Event::SecretLost),
    ]
}

/// What there is, and what one operator knows.
struct World {
    scene: Scene,
    password: Option<u8>,
    name: u8,
    suspend: bool,
    required: bool,
    generation: i64,
    secret_version: u32,
    now: Timestamp,
    table: BTreeMap<u8, Attempt>,
    /// The value of the annotation, and whether this process heard a verdict since it saw it.
    release: (u32, bool),
    /// Values that had a refused login tried once more.
    spent: BTreeSet<u32>,
    /// Passwords that the server took or refused when it was asked last.
    taken: BTreeSet<u8>,
    refused: BTreeSet<u8>,
    highest: u64,
}

impl World {
    fn new() -> Self {
        Self {
            scene: Scene::new(&json!({})),
            password: Some(0),
            name: 0,
            suspend: false,
            required: false,
            generation: 1,
            secret_version: 1,
            now: now(),
            table: BTreeMap::new(),
            release: (0, false),
            spent: BTreeSet::new(),
            taken: BTreeSet::new(),
            refused: BTreeSet::new(),
            highest: 0,
        }
    }

    fn verdict(&mut self, attempt: Attempt) {
        let Some(password) = self.password else {
            return;
        };
        if let Some(Attempt::Refused { class, .. }) = self.table.get(&password)
            && *class == Class::AuthFailed
            && !matches!(attempt, Attempt::Unheard { .. })
        {
            assert!(
                self.spent.insert(self.release.0),
                "a second try for one request"
            );
        }
        self.release.1 |= !matches!(attempt, Attempt::Unheard { .. });
        match attempt {
            Attempt::Accepted { .. } => {
                self.taken.insert(password);
                self.refused.remove(&password);
            }
            Attempt::Refused { .. } => {
                self.refused.insert(password);
                self.taken.remove(&password);
            }
            _ if matches!(self.table.get(&password), Some(Attempt::Refused { .. })) => return,
            _ => {}
        }
        self.table.insert(password, attempt);
    }

    fn happens(&mut self, event: &Event) {
        match event {
            Event::Password(password) => {
                self.password = Some(*password);
                self.secret_version += 1;
                self.release.1 = false;
            }
            Event::SecretGone => self.password = None,
            Event::Name(name) => (self.name, self.generation) = (*name, self.generation + 1),
            Event::Suspend(it) => (self.suspend, self.generation) = (*it, self.generation + 1),
            Event::Required(it) => (self.required, self.generation) = (*it, self.generation + 1),
            // A login is made only when it was asked for.
            Event::Taken if self.decide().verify => {
                self.verdict(Attempt::Accepted { at: self.now });
            }
            Event::Refused if self.decide().verify => {
                self.verdict(refused(Class::AuthFailed, self.now));
            }
            Event::Blocked if self.decide().verify => {
                self.verdict(refused(Class::AccountBlocked, self.now));
            }
            Event::Unheard if self.decide().verify => {
                let earlier = self.password.and_then(|it| self.table.get(&it));
                let since = match earlier {
                    Some(Attempt::Unheard { since, .. }) => *since,
                    _ => self.now,
                };
                let seconds = now().duration_since(since).as_secs();
                self.verdict(unheard_for(seconds));
            }
            Event::Taken | Event::Refused | Event::Blocked | Event::Unheard => {}
            Event::Due(is_due) => self.scene.known.is_due = *is_due,
            Event::Release => self.release = (self.release.0 + 1, false),
            Event::Wait(seconds) => self.now += SignedDuration::from_secs((*seconds).into()),
            Event::ClockBack(seconds) => self.now -= SignedDuration::from_secs((*seconds).into()),
            // What is remembered then is what the status tells of.
            Event::Restart => {
                self.table.clear();
                self.release.1 = false;
                self.refused.clear();
            }
            Event::SecretLost => self.scene.rendered = Rendered::Absent,
        }
    }

    /// Brings the scene up to date and decides.
    fn decide(&mut self) -> Decision {
        let verification = if self.required {
            "Required"
        } else {
            "BestEffort"
        };
        let annotations = json!({RELEASE_HOLD: self.release.0.to_string()});
        let status = self.scene.identity.status.clone();
        self.scene.identity = identity(&json!({
            "metadata": {"generation": self.generation, "annotations": annotations},
            "spec": {
                "displayName": format!("name {}", self.name), "suspend": self.suspend,
                "credentials": {"verification": verification}
            }
        }));
        self.scene.identity.status = status;
        if let Some(password) = self.password {
            let text = format!("password {password}");
            self.scene.secret = with_keys(
                &self.secret_version.to_string(),
                &[("password", text.as_bytes())],
            );
            self.scene.known.attempt = self.table.get(&password).cloned().unwrap_or_default();
            self.scene.known.is_release_tried = self.release.1;
        } else {
            self.scene = self
                .scene
                .clone()
                .without_secret()
                .attempt(Attempt::Untried);
        }
        decide(&self.scene.at(self.now))
    }

    /// Whether the status tells that this Secret was refused under this spec.
    fn is_remembered(&self) -> bool {
        let status = self.scene.identity.status.as_ref();
        let refused = status.and_then(|it| it.credential.as_ref()?.refused.as_ref());
        refused.is_some_and(|it| {
            it.generation == self.generation
                && it.secret_resource_version == self.secret_version.to_string()
        })
    }

    /// Does what was decided, and checks what must never be.
    fn reconcile(&mut self) -> Result<bool, TestCaseError> {
        let decision = self.decide();
        let standing = decision.standing.expect("nothing here is stale");
        let wrote = decision.publish.is_some();
        if let Some(publication) = decision.publish {
            let document = publication.document;
            let used: u8 = document.login.password.expose()["password ".len()..]
                .parse()
                .unwrap();
            let before = self.scene.rendered.published().cloned();
            let same_login = before
                .as_ref()
                .is_some_and(|it| AttemptKey::of(&it.document) == AttemptKey::of(&document));
            let is_refused = self.refused.contains(&used)
                || (self.is_remembered() && !self.taken.contains(&used));
            let serves_already = document.suspend || same_login;
            prop_assert!(serves_already || !is_refused, "a refused login");
            if self.required && !serves_already {
                prop_assert!(
                    self.taken.contains(&used),
                    "an untried login under Required"
                );
            }
            if publication.verified {
                prop_assert!(
                    self.taken.contains(&used) || document.suspend,
                    "verified without a verdict"
                );
            }
            let revision = document.revision.unwrap();
            let only_verified = before.as_ref().is_some_and(|it| it.document == document);
            prop_assert!(
                revision > self.highest || (only_verified && revision == self.highest),
                "revision {revision} after {}",
                self.highest
            );
            prop_assert!(
                !document.suspend || same_login,
                "a new login while suspended"
            );
            self.highest = revision;
            self.scene.rendered = Rendered::Ours(Box::new(Published {
                document,
                verified: publication.verified,
                resource_version: revision.to_string(),
                generation: self.generation,
                trial: publication.trial,
            }));
        }
        let told = self.scene.identity.status.take();
        let told = status(
            told.as_ref(),
            self.generation,
            &standing,
            &PodTally::default(),
            self.now,
        );
        self.scene.identity.status = Some(told);
        Ok(wrote)
    }
}

proptest! {
    #[test]
    fn no_refused_or_untried_login_is_published_no_revision_falls_and_sameness_writes_nothing(
        events in prop::collection::vec(event(), 1..40),
    ) {
        let mut world = World::new();
        for event in &events {
            world.happens(event);
            world.reconcile()?;
            let told = world.scene.identity.status.clone();
            prop_assert!(!world.reconcile()?, "a second publication for the same inputs");
            prop_assert_eq!(told, world.scene.identity.status.clone(), "a second status");
        }
    }

    #[test]
    fn a_decision_is_always_the_same(events in prop::collection::vec(event(), 1..20)) {
        let mut world = World::new();
        for event in &events {
            world.happens(event);
            prop_assert_eq!(world.decide(), world.decide());
            world.reconcile()?;
        }
    }
}

#[test]
fn a_draft_of_the_world_is_a_draft() {
    let mut world = World::new();
    world.decide();
    assert!(check(&world.scene.identity, &world.scene.secret).is_ok());
}
