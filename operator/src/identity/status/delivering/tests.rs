use jiff::SignedDuration;
use proptest::prelude::*;
use zohorelay_config::HoldReason;
use zohorelay_crds::v1alpha1::HoldStatus;
use zohorelay_upstream::Class;

use super::*;
use crate::identity::status::condition::condition;
use crate::pods::account::Account;

fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}Z").parse().unwrap()
}

fn failure(class: Class, time: &str) -> Failure {
    Failure {
        class,
        stage: None,
        code: None,
        at: at(time),
    }
}

/// What a sidecar says that had these failures, and a success.
fn account(failures: &[(Class, &str)], accepted: Option<&str>) -> Account {
    let failures = failures.iter();
    Account {
        accepted: u64::from(accepted.is_some()),
        failed: failures.clone().map(|(class, _)| (*class, 1)).collect(),
        last_accepted: accepted.map(at),
        failures: failures
            .map(|(class, time)| failure(*class, time))
            .collect(),
        since: None,
    }
}

fn tally(pods: &[(&str, Account)]) -> PodTally {
    let mut tally = PodTally {
        listed: true,
        attached: u32::try_from(pods.len()).unwrap(),
        ..PodTally::default()
    };
    for (pod, account) in pods {
        tally.delivery.add(pod, account);
    }
    tally
}

/// A status that is looked at again and again.
#[derive(Default)]
struct World(Option<MailIdentityStatus>, Option<Held>);

impl World {
    /// Status and reason after a look.
    fn look(&mut self, pods: &PodTally, now: &str) -> String {
        self.look_at(pods, at(now));
        let condition = self.condition();
        format!("{}/{}", condition.status, condition.reason)
    }

    /// Whether something was written.
    fn look_at(&mut self, pods: &PodTally, now: Timestamp) -> bool {
        let assessment = assess(self.0.as_ref(), 1, pods, self.1.as_ref(), now);
        let earlier = self.0.as_ref().map_or(&[][..], |it| &it.conditions);
        let kind = ConditionType::Delivering;
        let after = MailIdentityStatus {
            delivery: assessment.delivery,
            ended_through: assessment.ended_through.map(time),
            hold: self.1.as_ref().map(|held| HoldStatus {
                until: Some(time(held.until)),
                ..HoldStatus::default()
            }),
            conditions: vec![condition(kind, &assessment.said, 1, earlier, now)],
            ..MailIdentityStatus::default()
        };
        let is_news = self.0.as_ref() != Some(&after);
        self.0 = Some(after);
        is_news
    }

    fn condition(&self) -> &Condition {
        &self.0.as_ref().unwrap().conditions[0]
    }

    fn failing(&self) -> Vec<&str> {
        let failing = self.delivery().failing.iter();
        failing.map(|failed| failed.class.as_str()).collect()
    }

    fn delivery(&self) -> &DeliveryStatus {
        self.0.as_ref().unwrap().delivery.as_ref().unwrap()
    }
}

const DENIED: Class = Class::RelayDenied;
const BLOCKED: Class = Class::AccountBlocked;

#[test]
fn before_any_mail_nobody_knows() {
    let mut world = World::default();
    assert_eq!(
        world.look(&PodTally::default(), "10:00:00"),
        "Unknown/Pending"
    );
    assert_eq!(world.look(&tally(&[]), "10:00:01"), "Unknown/NoMail");
    let one_recipient = account(&[(Class::RecipientRefused, "10:00:02")], None);
    let pods = tally(&[("web", one_recipient)]);
    assert_eq!(world.look(&pods, "10:00:03"), "Unknown/NoMail");
    let taken = tally(&[("web", account(&[], Some("10:00:04")))]);
    assert_eq!(world.look(&taken, "10:00:05"), "True/Delivering");
}

#[test]
fn one_refused_recipient_is_no_failure_of_delivering() {
    let mut world = World::default();
    let failures = [
        (Class::RecipientRefused, "10:00:02"),
        (Class::AppGone, "10:00:03"),
    ];
    let pods = tally(&[("web", account(&failures, Some("10:00:01")))]);
    assert_eq!(world.look(&pods, "10:00:04"), "True/Delivering");
    assert_eq!(
        world.delivery().last_failure.as_ref().unwrap().class,
        "app_gone"
    );
    assert!(world.delivery().failing.is_empty());
}

#[test]
fn a_wrong_sender_counts_though_other_mails_go_out_until_it_is_settled() {
    let mut world = World::default();
    let pods = |accepted| {
        let web = account(&[(DENIED, "10:00:00")], Some("10:00:01"));
        tally(&[("web", web), ("api", account(&[], Some(accepted)))])
    };
    assert_eq!(
        world.look(&pods("10:00:01"), "10:00:02"),
        "False/RelayDenied"
    );
    assert_eq!(
        world.look(&pods("10:14:00"), "10:14:59"),
        "False/RelayDenied"
    );
    assert_eq!(world.look(&pods("10:14:00"), "10:15:00"), "True/Delivering");
    let failed = world.delivery().last_failure.as_ref().unwrap();
    assert_eq!((&*failed.class, &*failed.pod), ("relay_denied", "web"));
    let alone = tally(&[("web", account(&[(DENIED, "10:20:00")], Some("10:14:00")))]);
    assert_eq!(world.look(&alone, "10:20:01"), "False/RelayDenied");
    assert_eq!(
        world.look(&alone, "23:00:00"),
        "False/RelayDenied",
        "none went out since"
    );
}

#[test]
fn the_same_failures_have_the_same_reason_whichever_came_last() {
    let mut world = World::default();
    for (first, second) in [("10:00:00", "10:00:01"), ("10:00:01", "10:00:00")] {
        let failures = [(DENIED, first), (BLOCKED, second)];
        let pods = tally(&[("web", account(&failures, None))]);
        assert_eq!(world.look(&pods, "10:00:02"), "False/AccountBlocked");
        assert_eq!(world.failing(), ["account_blocked", "relay_denied"]);
        let message = &world.condition().message;
        assert!(message.contains("Also: relay_denied"), "{message}");
    }
}

#[test]
fn pods_that_do_not_answer_make_it_unknown_and_never_false() {
    let mut world = World::default();
    let silent = |pods: &[(&str, Account)]| PodTally {
        silent: 1,
        ..tally(pods)
    };
    assert_eq!(
        world.look(&silent(&[]), "10:00:00"),
        "Unknown/SidecarsUnreachable"
    );
    let taken = silent(&[("web", account(&[], Some("10:00:00")))]);
    assert_eq!(
        world.look(&taken, "10:00:01"),
        "Unknown/SidecarsUnreachable"
    );
    // What one said before it fell silent stays said.
    let denied = silent(&[("web", account(&[(DENIED, "10:00:02")], None))]);
    assert_eq!(world.look(&denied, "10:00:03"), "False/RelayDenied");
}

#[test]
fn what_a_pod_said_that_is_gone_stays_until_mails_go_out_again() {
    let mut world = World::default();
    let denied = tally(&[("job", account(&[(BLOCKED, "10:00:00")], None))]);
    world.look(&denied, "10:00:01");
    assert_eq!(world.look(&tally(&[]), "10:30:00"), "False/AccountBlocked");
    assert_eq!(
        world.look(&PodTally::default(), "10:30:00"),
        "False/AccountBlocked"
    );
    let mended = tally(&[("job-2", account(&[], Some("10:31:00")))]);
    assert_eq!(world.look(&mended, "10:31:01"), "True/Delivering");
    assert_eq!(world.look(&tally(&[]), "10:32:00"), "True/Delivering");
}

#[test]
fn a_pod_whose_next_mail_went_out_mends_at_once_what_it_reported() {
    let mut world = World::default();
    let pods = |accepted| tally(&[("web", account(&[(BLOCKED, "10:00:00")], accepted))]);
    assert_eq!(world.look(&pods(None), "10:00:01"), "False/AccountBlocked");
    assert_eq!(
        world.look(&pods(Some("10:00:30")), "10:00:31"),
        "True/Delivering"
    );
}

#[test]
fn the_message_says_what_happened_where_and_what_to_do() {
    let mut world = World::default();
    let web = |time| account(&[(DENIED, time)], Some("09:00:00"));
    let pods = tally(&[("web-0", web("10:00:00")), ("web-1", web("10:00:01"))]);
    world.look(&pods, "10:00:02");
    let message = &world.condition().message;
    for part in [
        "mails fail: relay_denied, last in pod web-1 (and in 1 more) at 2026-11-23T10:00:01Z. Zoho does \
         not let this mailbox send as the address in From",
        "Send Mail As",
        "The last mail was taken at 2026-11-23T09:00:00Z; the pods that run now sent 2, and 2 failed",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn numbers_are_written_each_five_minutes_and_what_changes_at_once() {
    let mut world = World::default();
    let start = at("10:00:00");
    let mut writes = 0;
    for second in 0..3600 {
        let now = start + SignedDuration::from_secs(second);
        let mut sent = account(&[], Some("10:00:00"));
        sent.accepted = u64::try_from(second).unwrap() + 1;
        sent.last_accepted = Some(now);
        let pods = tally(&[("web", sent)]);
        writes += u32::from(world.look_at(&pods, now));
        assert!(!world.look_at(&pods, now), "sameness is not written");
    }
    assert_eq!(writes, 12);
    let denied = account(&[(DENIED, "11:00:00")], Some("10:59:59"));
    assert!(world.look_at(&tally(&[("web", denied)]), at("11:00:01")));
    assert_eq!(world.delivery().accepted, 1);
}

#[test]
fn the_end_that_was_counted_is_written_at_once_where_mails_failed_and_else_with_the_numbers() {
    let mut world = World::default();
    let ended = |through, failed: Option<&str>| {
        let mut pods = tally(&[("web", account(&[], Some("09:00:00")))]);
        pods.delivery.ended_through = Some(at(through));
        pods.delivery.failed_through = failed.map(at);
        pods
    };
    let through = |world: &World| world.0.as_ref().unwrap().ended_through.as_ref().unwrap().0;
    world.look(&ended("10:00:00", None), "10:00:01");
    world.look(&ended("10:01:00", None), "10:01:01");
    assert_eq!(through(&world), at("10:00:00"));
    world.look(&ended("10:02:00", Some("10:02:00")), "10:02:01");
    assert_eq!(through(&world), at("10:02:00"));
    world.look(&ended("10:03:00", Some("10:02:00")), "10:03:01");
    assert_eq!(through(&world), at("10:02:00"));
    world.look(&ended("10:03:00", Some("10:02:00")), "10:08:00");
    assert_eq!(through(&world), at("10:03:00"));
}

#[test]
fn it_is_looked_at_again_when_a_failure_settles() {
    let mut world = World::default();
    let web = account(&[(DENIED, "10:00:00")], Some("10:00:01"));
    let pods = tally(&[("web", web)]);
    let mut left = |now| {
        world.look(&pods, now);
        look_again(world.0.as_ref().unwrap(), at(now)).map(|it| it.as_secs())
    };
    assert_eq!(left("10:05:00"), Some(600));
    assert_eq!(left("10:14:30"), Some(60));
    assert_eq!(left("10:15:00"), None);
}

fn class() -> impl Strategy<Value = Class> {
    prop::sample::select(&Class::ALL[..])
}

proptest! {
    #[test]
    fn it_is_false_only_for_a_failure_that_weighs_and_the_same_look_writes_nothing(
        looks in prop::collection::vec(
            (prop::collection::vec((class(), 0..600_i64), 0..3), prop::option::of(0..600_i64), 0..2_u32),
            1..20,
        ),
    ) {
        let mut world = World::default();
        let mut now = at("10:00:00");
        let mut heard = false;
        for (failures, accepted, silent) in looks {
            now += SignedDuration::from_secs(97);
            let ago = |seconds| now - SignedDuration::from_secs(seconds);
            heard |= failures.iter().any(|(class, _)| kind::reason(*class).is_some());
            let account = Account {
                last_accepted: accepted.map(ago),
                failures: (failures.into_iter())
                    .map(|(class, seconds)| Failure { class, stage: None, code: None, at: ago(seconds) })
                    .collect(),
                since: Some(at("00:00:00")),
                ..Account::default()
            };
            let pods = PodTally { silent, ..tally(&[("web", account)]) };
            world.look_at(&pods, now);
            prop_assert!(!world.look_at(&pods, now));
            prop_assert!(heard || world.condition().status != "False");
            let fails = world.0.as_ref().unwrap().delivery.as_ref();
            let fails = fails.is_some_and(|it| !it.failing.is_empty());
            prop_assert_eq!(fails, world.condition().status == "False");
        }
    }
}

#[test]
fn a_hold_is_told_with_its_end_and_the_command_that_ends_it_as_soon_as_it_begins_and_ends() {
    let pods = tally(&[("web", account(&[(Class::AuthFailed, "10:00:00")], None))]);
    let mut world = World::default();
    world.look(&pods, "10:00:10");
    let before = world.condition().message.clone();
    world.1 = Some(Held {
        until: at("11:00:00"),
        reason: HoldReason::AuthFailed,
        release: "kubectl annotate this".to_owned(),
    });
    assert!(world.look_at(&pods, at("10:00:20")));
    let message = &world.condition().message;
    assert!(message.starts_with(&before), "{message}");
    assert!(
        message.contains("holds its mails until 2026-11-23T11:00:00Z")
            && message.ends_with(": kubectl annotate this"),
        "{message}"
    );
    assert!(!world.look_at(&pods, at("10:00:30")));
    world.1 = None;
    assert!(world.look_at(&pods, at("10:00:40")));
    assert_eq!(world.condition().message, before);
}
