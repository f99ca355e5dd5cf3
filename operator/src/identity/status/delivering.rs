//! The condition `Delivering`, and the numbers beside it.
//!
//! A failure that weighs holds it at False until a later mail of the same pod shows that it is mended,
//! or until it is [`SETTLED`] and any mail went out after it. Numbers alone are written no more often
//! than each [`REFRESH`].

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use zohorelay_crds::MailIdentityStatus;
use zohorelay_crds::v1alpha1::{ConditionType, DeliveryStatus, FailedMail, Reason};
use zohorelay_upstream::{Class, Stage};

use super::condition::{Said, Truth};
use super::table::people;
use super::{Held, time};
use crate::pods::PodTally;
use crate::pods::account::Failure;
use crate::pods::delivery::Failed;
use crate::pods::kind::{self, RANKED, sentence};

/// A failure is over that long after it, if any mail went out since.
const SETTLED: SignedDuration = SignedDuration::from_mins(15);
/// Between two writes of mere numbers.
const REFRESH: SignedDuration = SignedDuration::from_mins(5);
/// While it is False it is looked at again after that time at the earliest: what settles tells nobody.
const LOOK: Duration = Duration::from_secs(60);

/// What is said of the mails.
#[derive(Debug)]
pub(super) struct Assessment {
    pub(super) said: Said,
    pub(super) delivery: Option<DeliveryStatus>,
    pub(super) ended_through: Option<Timestamp>,
}

/// A failure that weighs.
#[derive(Clone, Debug)]
struct Open {
    failed: Failed,
    pods: u32,
}

/// Judges. `previous` is the status that stands.
pub(super) fn assess(
    previous: Option<&MailIdentityStatus>,
    generation: i64,
    pods: &PodTally,
    hold: Option<&Held>,
    now: Timestamp,
) -> Assessment {
    let told = previous.and_then(Told::of);
    let ended_through = previous.and_then(|it| Some(it.ended_through.as_ref()?.0));
    if !pods.listed {
        let pending = || {
            let message = "the pods are being counted";
            Said::new(Truth::Unknown, Reason::Pending, message)
        };
        return Assessment {
            said: told.as_ref().map_or_else(pending, Told::said),
            delivery: previous.and_then(|it| it.delivery.clone()),
            ended_through,
        };
    }
    let mut fresh = Fresh::new(told.as_ref(), previous, pods, now);
    fresh.said.message.extend(hold.map(held));
    let was_held_until = previous.and_then(|it| Some(it.hold.as_ref()?.until.as_ref()?.0));
    let through = ended_through.max(pods.delivery.ended_through.map(|at| time(at).0));
    if let Some(told) = told
        && fresh.is_told_by(&told, generation)
        && was_held_until == hold.map(|hold| hold.until)
        && pods.delivery.failed_through.map(|at| time(at).0) <= ended_through
    {
        let is_same = fresh.delivery == told.delivery.cloned() && through == ended_through;
        let as_of = told.delivery.map(|it| it.as_of.0);
        if is_same || as_of.is_some_and(|as_of| now.duration_since(as_of) < REFRESH) {
            return Assessment {
                said: told.said(),
                delivery: told.delivery.cloned(),
                ended_through,
            };
        }
    }
    Assessment {
        said: fresh.said,
        delivery: fresh.delivery.map(|it| DeliveryStatus {
            as_of: time(now),
            ..it
        }),
        ended_through: through,
    }
}

/// When to look at an identity again for the sake of its mails, even if nothing is told of them.
pub(super) fn look_again(after: &MailIdentityStatus, now: Timestamp) -> Option<Duration> {
    let failing = after.delivery.as_ref()?.failing.iter();
    let left = failing.map(|failed| SETTLED - now.duration_since(failed.at.0));
    let left = Duration::try_from(left.min()?).unwrap_or_default();
    Some(left.max(LOOK))
}

fn find(status: &MailIdentityStatus) -> Option<&Condition> {
    let kind = ConditionType::Delivering.as_str();
    status.conditions.iter().find(|it| it.type_ == kind)
}

/// What the status that stands says.
struct Told<'a> {
    condition: &'a Condition,
    truth: Truth,
    reason: Reason,
    delivery: Option<&'a DeliveryStatus>,
}

impl<'a> Told<'a> {
    /// Nothing that another version said in words unknown here.
    fn of(previous: &'a MailIdentityStatus) -> Option<Self> {
        let condition = find(previous)?;
        let reasons = Reason::ALL.into_iter();
        Some(Self {
            condition,
            truth: Truth::parse(&condition.status)?,
            reason: (reasons.clone()).find(|it| it.as_str() == condition.reason)?,
            delivery: previous.delivery.as_ref(),
        })
    }

    fn said(&self) -> Said {
        Said::new(self.truth, self.reason, self.condition.message.clone())
    }

    /// The failures that weighed: pods that are gone leave nothing else behind.
    fn open(&self) -> impl Iterator<Item = Failed> + use<'_> {
        let failing = self.delivery.map_or(&[][..], |it| &it.failing);
        failing.iter().filter_map(read)
    }
}

/// What would be said now.
struct Fresh {
    said: Said,
    /// With the time of the numbers that stand.
    delivery: Option<DeliveryStatus>,
}

impl Fresh {
    fn new(
        told: Option<&Told>,
        previous: Option<&MailIdentityStatus>,
        pods: &PodTally,
        now: Timestamp,
    ) -> Self {
        let before = previous.and_then(|it| it.delivery.as_ref());
        let seen = &pods.delivery;
        let last_success = before
            .and_then(|it| Some(it.last_success.as_ref()?.0))
            .max(seen.last_accepted.map(|at| time(at).0));
        let open = open(told, pods, last_success, now);
        let earlier = before.and_then(|it| it.last_failure.as_ref());
        let last_failure = (seen.newest().map(write).into_iter())
            .chain(earlier.cloned())
            .max_by_key(|failed| failed.at.0);
        let delivery = DeliveryStatus {
            as_of: before.map_or_else(|| time(now), |it| it.as_of.clone()),
            accepted: number(seen.accepted),
            failed: number(seen.failed),
            last_success: last_success.map(time),
            last_failure,
            failing: open.iter().map(|open| write(&open.failed)).collect(),
        };
        let is_known = delivery.last_success.is_some() || delivery.last_failure.is_some();
        Self {
            said: say(&open, pods, &delivery),
            delivery: is_known.then_some(delivery),
        }
    }

    /// Whether only numbers differ.
    fn is_told_by(&self, told: &Told, generation: i64) -> bool {
        let failing = |delivery: Option<&DeliveryStatus>| {
            let failing = delivery.map_or(&[][..], |it| &it.failing).iter();
            failing.map(|it| it.class.clone()).collect::<Vec<_>>()
        };
        told.truth == self.said.status
            && told.reason == self.said.reason
            && told.condition.observed_generation == Some(generation)
            && failing(told.delivery) == failing(self.delivery.as_ref())
    }
}

/// What weighs now, the gravest first.
fn open(
    told: Option<&Told>,
    pods: &PodTally,
    last_success: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Open> {
    let kinds = &pods.delivery.kinds;
    let seen = kinds.iter().filter_map(|kind| {
        let failed = kind.open.clone()?;
        let pods = kind.pods;
        Some(Open { failed, pods })
    });
    // Who reports the same failure, or a newer one of its kind, knows better what came of it.
    let carried = told.into_iter().flat_map(Told::open).filter(|failed| {
        !kinds.iter().any(|kind| {
            kind.newest.failure.class == failed.failure.class
                && time(kind.newest.failure.at).0 >= failed.failure.at
        })
    });
    let carried = carried.map(|failed| Open { failed, pods: 1 });
    let is_over = |open: &Open| {
        let at = open.failed.failure.at;
        now.duration_since(at) >= SETTLED && last_success.is_some_and(|success| success > at)
    };
    let mut open: Vec<Open> = seen.chain(carried).filter(|it| !is_over(it)).collect();
    let rank = |open: &Open| {
        let class = open.failed.failure.class;
        RANKED.iter().position(|it| *it == class)
    };
    open.sort_by_key(rank);
    open.dedup_by_key(|it| it.failed.failure.class);
    open
}

fn say(open: &[Open], pods: &PodTally, delivery: &DeliveryStatus) -> Said {
    let numbers = numbers(delivery);
    if let Some((first, others)) = open.split_first()
        && let Some(reason) = kind::reason(first.failed.failure.class)
    {
        return Said::new(Truth::False, reason, failing(first, others) + &numbers);
    }
    if pods.silent > 0 {
        let message = format!(
            "{} of {} do not answer, so that nobody knows what becomes of their mails: see RolledOut. \
             {numbers}",
            pods.silent,
            people(pods.attached)
        );
        return Said::new(Truth::Unknown, Reason::SidecarsUnreachable, message);
    }
    if delivery.last_success.is_none() {
        let message = format!("no mail was taken yet. {numbers}");
        return Said::new(Truth::Unknown, Reason::NoMail, message.trim_end());
    }
    let newest = delivery.last_failure.as_ref().map(|failed| {
        let stage = failed.stage.as_ref();
        let stage = stage.map_or_else(String::new, |stage| format!(" at {stage}"));
        let FailedMail { class, at, pod, .. } = failed;
        format!(
            ". The newest failure, {class}{stage} in pod {pod} at {}, keeps no other mail back",
            at.0
        )
    });
    Said::new(
        Truth::True,
        Reason::Delivering,
        format!("mails are taken. {numbers}{}", newest.unwrap_or_default()),
    )
}

fn held(hold: &Held) -> String {
    format!(
        ". Every pod holds its mails until {}, so that no more of them try in vain. Once the cause is \
         mended, have them go on at once: {}",
        hold.until, hold.release
    )
}

fn failing(first: &Open, others: &[Open]) -> String {
    let Failed { failure, pod } = &first.failed;
    let pods = match first.pods {
        0 | 1 => String::new(),
        count => format!(" (and in {} more)", count - 1),
    };
    let others = match others {
        [] => String::new(),
        others => {
            let classes = others.iter().map(|it| it.failed.failure.class.as_str());
            let classes: Vec<_> = classes.collect();
            format!("Also: {}. ", classes.join(", "))
        }
    };
    format!(
        "mails fail: {failure}, last in pod {pod}{pods} at {}. {} {others}",
        time(failure.at).0,
        failure.class.remedy()
    )
}

fn numbers(delivery: &DeliveryStatus) -> String {
    let DeliveryStatus {
        accepted, failed, ..
    } = delivery;
    let last = (delivery.last_success.as_ref())
        .map(|at| format!("the last mail was taken at {}; ", at.0))
        .unwrap_or_default();
    sentence(&format!(
        "{last}the pods that run now sent {accepted}, and {failed} failed"
    ))
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn write(failed: &Failed) -> FailedMail {
    let Failure {
        class,
        stage,
        code,
        at,
    } = &failed.failure;
    FailedMail {
        class: class.as_str().to_owned(),
        stage: stage.map(|stage| stage.as_str().to_owned()),
        code: code.map(i32::from),
        at: time(*at),
        pod: failed.pod.to_string(),
    }
}

fn read(failed: &FailedMail) -> Option<Failed> {
    let stage = failed.stage.as_deref();
    Some(Failed {
        failure: Failure {
            class: Class::parse(&failed.class)?,
            stage: (Stage::ALL.into_iter()).find(|it| Some(it.as_str()) == stage),
            code: failed.code.and_then(|code| u16::try_from(code).ok()),
            at: failed.at.0,
        },
        pod: failed.pod.as_str().into(),
    })
}

#[cfg(test)]
mod tests;
