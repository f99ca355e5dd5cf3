//! Whether the API server can call this replica.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

use super::certificate::Validity;

/// Tells whether the API server can call this replica's webhook. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<RwLock<Option<Validity>>>);

impl Readiness {
    /// Whether a certificate is served that the API server trusts and that is valid now.
    pub fn is_ready(&self) -> bool {
        self.is_ready_at(Timestamp::now())
    }

    fn is_ready_at(&self, now: Timestamp) -> bool {
        let trusted = self.0.read().unwrap_or_else(PoisonError::into_inner);
        trusted.is_some_and(|validity| validity.contains(now))
    }

    /// Says how long what is served and trusted is valid; None while nothing is.
    pub(super) fn set(&self, trusted: Option<Validity>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = trusted;
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Readiness, Validity};

    #[test]
    fn a_replica_is_ready_as_long_as_what_it_serves_is_trusted_and_valid() {
        let second = |second| Timestamp::from_second(second).unwrap();
        let readiness = Readiness::default();
        assert!(!readiness.is_ready_at(second(150)));
        readiness.set(Some(Validity {
            not_before: second(100),
            not_after: second(200),
        }));
        let at = |time| readiness.clone().is_ready_at(second(time));
        assert_eq!([99, 100, 200, 201].map(at), [false, true, true, false]);
        readiness.set(None);
        assert!(!readiness.is_ready_at(second(150)));
    }
}
