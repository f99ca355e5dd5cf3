//! What to do about the Lease, from what was seen of it. PURE.
//!
//! The clocks of replicas may differ by hours, so no time in the Lease is believed: another holder's
//! lease has run out when it did not change for its whole duration by our own clock.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// How long others leave the lease of a silent holder alone.
pub const DURATION: Duration = Duration::from_secs(15);
/// How long a holder that cannot renew goes on leading. The rest of [`DURATION`] is left for what is
/// under way to end before anybody else begins.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at the Lease.
pub const RETRY: Duration = Duration::from_secs(2);

/// What a replica has seen of the Lease.
#[derive(Debug, Default)]
pub struct Observation {
    resource_version: Option<String>,
    changed_at: Option<Instant>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write our name and the time into it: it is free, has run out, or is ours.
    Hold,
    /// Somebody else leads.
    Wait,
}

impl Observation {
    /// Takes note of `lease`, as it was read at `now`, and says what `replica` does about it.
    pub fn step(&mut self, lease: &Lease, replica: &str, now: Instant) -> Step {
        let version = &lease.metadata.resource_version;
        let since = match self.changed_at {
            Some(since) if self.resource_version == *version => since,
            _ => now,
        };
        self.resource_version.clone_from(version);
        self.changed_at = Some(since);
        match holder(lease) {
            Some(name) if name != replica && now - since < duration(lease) => Step::Wait,
            _ => Step::Hold,
        }
    }
}

fn duration(lease: &Lease) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|s| s.lease_duration_seconds);
    seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(DURATION, Duration::from_secs)
}

/// Who holds it; nobody where the name is empty.
pub fn holder(lease: &Lease) -> Option<&str> {
    let name = lease.spec.as_ref()?.holder_identity.as_deref()?;
    (!name.is_empty()).then_some(name)
}

/// The spec that makes `replica` the holder from `now` on, or lets it stay so.
pub fn held(previous: Option<&LeaseSpec>, replica: &str, now: Timestamp) -> LeaseSpec {
    let mut spec = previous.cloned().unwrap_or_default();
    if spec.holder_identity.as_deref() != Some(replica) {
        spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |n| n.saturating_add(1)));
        spec.acquire_time = Some(MicroTime(now));
        spec.holder_identity = Some(replica.to_owned());
    }
    spec.renew_time = Some(MicroTime(now));
    spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
    spec
}

/// The spec that leaves the lease to whoever comes first.
pub fn released(previous: &LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        renew_time: Some(MicroTime(now)),
        lease_duration_seconds: Some(1),
        ..previous.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: u64) -> Lease {
        let mut lease = Lease::default();
        lease.metadata.resource_version = Some(version.to_string());
        lease.spec = Some(held(None, holder, Timestamp::UNIX_EPOCH));
        lease
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_holder_that_goes_on_renewing_is_left_alone_whatever_time_it_writes() {
        let (mut seen, start) = (Observation::default(), Instant::now());
        for round in 0..20 {
            let step = seen.step(&lease("other", round), "me", after(start, round * 14));
            assert_eq!(step, Step::Wait);
        }
    }

    #[test]
    fn a_silent_holder_is_followed_when_its_duration_passed_by_our_own_clock_and_not_before() {
        let (mut seen, start) = (Observation::default(), Instant::now());
        let theirs = lease("other", 7);
        assert_eq!(seen.step(&theirs, "me", start), Step::Wait);
        assert_eq!(seen.step(&theirs, "me", after(start, 14)), Step::Wait);
        assert_eq!(seen.step(&theirs, "me", after(start, 15)), Step::Hold);
    }

    #[test]
    fn a_lease_that_is_free_or_ours_is_held_at_once() {
        let now = Instant::now();
        let mut free = lease("other", 1);
        let spec = free.spec.take().unwrap();
        free.spec = Some(released(&spec, Timestamp::UNIX_EPOCH));
        for lease in [free, Lease::default(), lease("me", 1)] {
            assert_eq!(Observation::default().step(&lease, "me", now), Step::Hold);
        }
    }

    #[test]
    fn a_renewal_keeps_when_it_was_acquired_and_a_new_holder_is_counted() {
        let later = Timestamp::from_second(100).unwrap();
        let first = held(None, "me", Timestamp::UNIX_EPOCH);
        let renewed = held(Some(&first), "me", later);
        assert_eq!(renewed.acquire_time, first.acquire_time);
        assert_eq!(renewed.renew_time, Some(MicroTime(later)));
        assert_eq!(renewed.lease_transitions, Some(0));
        let taken = held(Some(&renewed), "other", later);
        assert_eq!(taken.lease_transitions, Some(1));
        assert_eq!(taken.acquire_time, Some(MicroTime(later)));
    }
}
