//! The identities of the pod, and which of them a mail belongs to.

use std::sync::Arc;

use zohorelay_config::ForeignFrom;
use zohorelay_smtp::address::Address;

use crate::identity::{Active, Identity, State};

/// The identities of the pod, the default first.
#[derive(Debug)]
pub struct Roster(Vec<Arc<Identity>>);

impl<'a> IntoIterator for &'a Roster {
    type Item = &'a Arc<Identity>;
    type IntoIter = std::slice::Iter<'a, Arc<Identity>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Roster {
    /// At least one identity.
    pub fn new(identities: Vec<Arc<Identity>>) -> Self {
        Self(identities)
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Identity>> {
        self.0.iter()
    }

    /// The only identity of the pod, if there is just one.
    pub fn only(&self) -> Option<&Arc<Identity>> {
        match self.0.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// By name, for an app that logs in.
    pub fn named(&self, name: &str) -> Option<&Arc<Identity>> {
        self.iter().find(|identity| identity.name() == name)
    }

    /// The first one.
    pub fn default_identity(&self) -> &Arc<Identity> {
        &self.0[0]
    }

    /// Whose mail this is: the header From decides if an identity owns it, else the envelope
    /// sender, else it is the default's.
    ///
    /// A From that nobody owns may be that of an identity whose document is still awaited. Where
    /// the default would refuse it for good, the mail is the awaited one's, which asks for patience.
    pub fn choose(&self, from: &[Address], envelope: Option<&Address>) -> &Arc<Identity> {
        let owner = |address| self.iter().find(|identity| identity.owns(address));
        if let Some(owner) = from.iter().chain(envelope).find_map(owner) {
            return owner;
        }
        let default = self.default_identity();
        if from.is_empty() || !refuses_foreign_from(default) {
            return default;
        }
        let awaited = self.iter().find(|i| matches!(i.state(), State::Awaited));
        awaited.unwrap_or(default)
    }

    /// The largest `messageBytes` of the pod: EHLO comes before the identity is known.
    pub fn size_limit_bytes(&self) -> u64 {
        const DEFAULT: u64 = 40 << 20;
        let limits = self
            .iter()
            .filter_map(|i| Some(i.active()?.document.limits.message_bytes));
        limits.max().unwrap_or(DEFAULT)
    }

    /// The largest `recipientsPerMessage` of the pod.
    pub fn recipients_limit(&self) -> u32 {
        const DEFAULT: u32 = 100;
        let limits = self
            .iter()
            .filter_map(|i| Some(i.active()?.document.limits.recipients_per_message));
        limits.max().unwrap_or(DEFAULT)
    }
}

fn refuses_foreign_from(identity: &Identity) -> bool {
    let policy = |active: Arc<Active>| active.document.sender_policy.foreign_from;
    identity.active().map(policy) == Some(ForeignFrom::Reject)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::{applied, identity};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn roster() -> Roster {
        Roster::new(vec![
            applied(
                "billing",
                &json!({"limits": {"messageBytes": 2048, "recipientsPerMessage": 3}}),
            ),
            applied(
                "alerts",
                &json!({"limits": {"messageBytes": 4096, "recipientsPerMessage": 2}}),
            ),
            identity("late"),
        ])
    }

    #[test]
    fn the_header_picks_before_the_envelope_and_the_first_identity_takes_the_rest() {
        let roster = roster();
        let [ours, other, nobody] =
            ["billing@example.com", "Alerts@EXAMPLE.com", "x@example.net"].map(address);
        let table = [
            (vec![ours.clone()], Some(&other), "billing"),
            (vec![other.clone()], Some(&ours), "alerts"),
            (vec![nobody.clone()], Some(&other), "alerts"),
            (vec![], Some(&other), "alerts"),
            (vec![], Some(&nobody), "billing"),
            (vec![], None, "billing"),
        ];
        for (from, envelope, expected) in table {
            assert_eq!(roster.choose(&from, envelope).name(), expected, "{from:?}");
        }
    }

    #[test]
    fn a_plus_tag_is_foreign() {
        let roster = Roster::new(vec![
            applied("billing", &json!({})),
            applied("alerts", &json!({})),
        ]);
        let tagged = address("alerts+tag@example.com");
        assert_eq!(roster.choose(&[tagged], None).name(), "billing");
    }

    #[test]
    fn a_from_that_may_be_an_awaited_identitys_is_not_refused_for_good() {
        let nobody = [address("late@example.com")];
        let chosen = |policy: &str| {
            let document = json!({"senderPolicy": {"foreignFrom": policy}});
            let roster = Roster::new(vec![applied("billing", &document), identity("late")]);
            roster.choose(&nobody, None).name().to_owned()
        };
        assert_eq!(chosen("Reject"), "late");
        assert_eq!(chosen("Rewrite"), "billing");
    }

    #[test]
    fn a_removed_identity_answers_for_its_addresses_still() {
        let roster = roster();
        roster.named("alerts").unwrap().remove();
        let its = [address("alerts@example.com")];
        assert_eq!(roster.choose(&its, None).name(), "alerts");
    }

    #[test]
    fn the_largest_limit_of_the_pod_is_offered() {
        let roster = roster();
        assert_eq!(roster.size_limit_bytes(), 4096);
        assert_eq!(roster.recipients_limit(), 3);
        let none = Roster::new(vec![identity("late")]);
        assert_eq!(
            (none.size_limit_bytes(), none.recipients_limit()),
            (40 << 20, 100)
        );
    }

    #[test]
    fn a_login_picks_by_the_name_of_the_identity_only() {
        let roster = roster();
        assert_eq!(roster.named("alerts").unwrap().name(), "alerts");
        assert!(roster.named("alerts@example.com").is_none());
        assert!(roster.only().is_none());
    }
}
