//! The one place that knows what is to be done for an identity.

#[cfg(test)]
pub(crate) mod fixtures;
mod hold;
mod login;
mod publication;
mod remedy;
mod standing;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use zohorelay_config::Document;
use zohorelay_crds::MailIdentity;

use crate::identity::logins::Known;
use crate::identity::status::Standing;
use crate::identity::validate::{Draft, Problem};
use crate::pods::refusal::Refusal;

use login::Verdict;

/// How long the server may give no verdict, from the first try on, before `BestEffort` publishes a
/// login while no document serves.
const PATIENCE_WITHOUT_DOCUMENT: Duration = Duration::from_secs(120);
/// The same while a good document serves.
const PATIENCE_WITH_DOCUMENT: Duration = Duration::from_secs(15 * 60);
/// When a login is tried again after Zoho called the account blocked: no faster than a sidecar's
/// breaker (`docs/zoho.md` R9 to R11).
const BLOCKED_RETRY: Duration = Duration::from_secs(3600);
/// When a right that is missing is looked for again: granting one wakes nobody.
const FORBIDDEN_RETRY: Duration = Duration::from_secs(60);
/// When an identity is looked at again that was read older than it is.
const STALE_RETRY: Duration = Duration::from_secs(5);

/// The document that is published, read back from the rendered Secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The document.
    pub document: Document,
    /// Whether its login was tried and taken.
    pub verified: bool,
    /// The Secret's resourceVersion.
    pub resource_version: String,
    /// The generation of the spec that it was made from.
    pub generation: i64,
    /// What its login has behind it.
    pub trial: Trial,
}

/// Since when pods try the published login, so that what they report of an earlier one holds nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// The first revision with this login and this `retry`. None: the next one, or that of the document
    /// which was written without it.
    pub since: Option<u64>,
    /// The request to end a hold for which `retry` was raised last.
    pub released: Option<String>,
}

/// What the Secret of the rendered name is.
#[derive(Clone, Debug, PartialEq)]
pub enum Rendered {
    /// There is none.
    Absent,
    /// This identity's.
    Ours(Box<Published>),
    /// This identity's, but without a document that can be read: it is written anew.
    OursUnreadable {
        /// The Secret's resourceVersion.
        resource_version: String,
    },
    /// That of an earlier identity of this name, which the garbage collector has not taken yet: it is
    /// written over.
    Left {
        /// The Secret's resourceVersion.
        resource_version: String,
    },
    /// Somebody else's: it is never written.
    Foreign {
        /// Whether it has a maker by its owners or labels, who misses it when it is deleted.
        has_maker: bool,
    },
    /// The operator may not read it.
    Forbidden {
        /// What the API server said; it names verb, resource and namespace.
        message: String,
    },
}

impl Rendered {
    /// The resourceVersion to write over, if there is something to write over.
    pub fn resource_version(&self) -> Option<&str> {
        match self {
            Self::Ours(published) => Some(&published.resource_version),
            Self::OursUnreadable { resource_version } | Self::Left { resource_version } => {
                Some(resource_version)
            }
            Self::Absent | Self::Foreign { .. } | Self::Forbidden { .. } => None,
        }
    }

    /// The document that serves.
    pub fn published(&self) -> Option<&Published> {
        match self {
            Self::Ours(published) => Some(published),
            _ => None,
        }
    }
}

/// All that a decision rests on.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The identity, with its last status.
    pub identity: &'a MailIdentity,
    /// What its spec and Secret come to.
    pub draft: Result<Draft, Problem>,
    /// What is published.
    pub rendered: Rendered,
    /// What is known of the draft's login; nothing where there is no draft.
    pub known: Known,
    /// What pods report that the account refuses.
    pub refusals: Vec<Refusal>,
    /// Now.
    pub now: Timestamp,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Write this.
    pub publish: Option<Publication>,
    /// Ask for a login of the draft; the one who logs in keeps the distance between tries.
    pub verify: bool,
    /// What to say in the status once the publication is written. None: say nothing, since what was
    /// read is older than what is published.
    pub standing: Option<Standing>,
    /// Look again after that time, even if nothing changes.
    pub requeue: Option<Duration>,
}

/// A document to publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// The document, with a revision above every earlier one, or the published document where only
    /// `verified` differs.
    pub document: Document,
    /// Whether its login was tried and taken.
    pub verified: bool,
    /// What its login has behind it.
    pub trial: Trial,
}

/// What is to be done. Pure: the same situation always has the same decision.
pub fn decide(situation: &Situation) -> Decision {
    if situation.is_stale() {
        return Decision {
            publish: None,
            verify: false,
            standing: None,
            requeue: Some(STALE_RETRY),
        };
    }
    let decision = match &situation.draft {
        Err(problem) => situation.decide_without_draft(problem),
        Ok(draft) => match situation.problem_of_rendered() {
            Some(problem) => situation.decide_without_draft(&problem),
            None => situation.decide_with(draft),
        },
    };
    let serving = situation.serving(decision.publish.as_ref());
    let end = serving.and_then(|(document, _)| situation.until_hold_ends(document));
    Decision {
        requeue: decision.requeue.into_iter().chain(end).min(),
        ..decision
    }
}

impl Situation<'_> {
    /// What a decision comes to where its publication could not be written.
    #[must_use]
    pub fn unwritten(&self, decision: Decision, problem: &Problem) -> Decision {
        let standing = decision.standing;
        Decision {
            publish: None,
            standing: standing.map(|standing| self.standing_unwritten(standing, problem)),
            ..decision
        }
    }

    /// A watch may lag behind what was published from a newer spec.
    fn is_stale(&self) -> bool {
        let published = self.rendered.published();
        published.is_some_and(|published| published.generation > self.generation())
    }

    fn generation(&self) -> i64 {
        self.identity.metadata.generation.unwrap_or_default()
    }

    /// Why the rendered Secret cannot be written, whatever the draft is.
    fn problem_of_rendered(&self) -> Option<Problem> {
        let meta = &self.identity.metadata;
        let name = meta.name.as_deref().unwrap_or_default();
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        match &self.rendered {
            Rendered::Foreign { has_maker } => {
                Some(Problem::name_taken(name, namespace, *has_maker))
            }
            Rendered::Forbidden { message } => {
                Some(Problem::forbidden("get", "secrets", namespace, message))
            }
            _ => None,
        }
    }

    fn decide_with(&self, draft: &Draft) -> Decision {
        if draft.document.suspend {
            return self.decide_suspended(draft);
        }
        match self.verdict(draft) {
            verdict @ Verdict::Accepted { .. } => {
                let publish = self.publication(&draft.document, true);
                self.conclude(draft, &verdict, publish, None)
            }
            verdict @ Verdict::Refused { .. } => {
                let requeue = self.until_blocked_retry(&verdict);
                self.conclude(draft, &verdict, None, requeue)
            }
            verdict @ Verdict::None => self.decide_untried(draft, &verdict),
        }
    }

    /// The last good document stays, but that a suspension holds for it too.
    fn decide_without_draft(&self, problem: &Problem) -> Decision {
        let publish = self.rendered.published().and_then(|published| {
            let mut document = published.document.clone();
            document.suspend |= self.identity.spec.suspend;
            self.publication(&document, published.verified)
        });
        let obstacle = self.obstacle(problem);
        let requeue = self.until_obstacle_changes(problem, &obstacle);
        Decision {
            standing: Some(self.standing_without_draft(problem, obstacle, publish.as_ref())),
            publish,
            verify: false,
            requeue,
        }
    }

    /// No login; what is published stops at once, with the login that it has.
    fn decide_suspended(&self, draft: &Draft) -> Decision {
        let publish = self.rendered.published().and_then(|published| {
            let mut document = draft.document.clone();
            if !self.has_published_login(draft) {
                document.upstream = published.document.upstream.clone();
                document.login = published.document.login.clone();
            }
            self.publication(&document, published.verified)
        });
        let verdict = self.verdict(draft);
        Decision {
            verify: false,
            ..self.conclude(draft, &verdict, publish, None)
        }
    }

    /// The login has no verdict yet.
    fn decide_untried(&self, draft: &Draft, verdict: &Verdict) -> Decision {
        if self.must_be_tried() {
            return self.conclude(draft, verdict, None, None);
        }
        let patience = self.patience_left();
        if self.has_published_login(draft) || patience == Some(Duration::ZERO) {
            let publish = self.publication(&draft.document, false);
            return self.conclude(draft, verdict, publish, None);
        }
        self.conclude(draft, verdict, None, patience)
    }

    fn conclude(
        &self,
        draft: &Draft,
        verdict: &Verdict,
        publish: Option<Publication>,
        requeue: Option<Duration>,
    ) -> Decision {
        let publish = publish.or_else(|| self.renewal());
        Decision {
            verify: self.wants_login(verdict),
            standing: Some(self.standing(draft, verdict, publish.as_ref())),
            publish,
            requeue,
        }
    }
}
