//! One condition, in the form of the API.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use zohorelay_crds::v1alpha1::{ConditionType, Reason};

use super::time;

/// How long a message may be, in characters: the API takes 32 KiB (`metav1.Condition`).
const MESSAGE_CHARS_MAX: usize = 8 * 1024;

/// What is said of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: Truth,
    pub(super) reason: Reason,
    pub(super) message: String,
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    /// As it stands in an object.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::True, Self::False, Self::Unknown]
            .into_iter()
            .find(|it| it.as_str() == text)
    }
}

impl Said {
    pub(super) fn new(status: Truth, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
        }
    }
}

/// The condition; the time of its transition is kept where there was none.
pub(super) fn condition(
    kind: ConditionType,
    said: &Said,
    generation: i64,
    earlier: &[Condition],
    now: Timestamp,
) -> Condition {
    let mut condition = Condition {
        type_: kind.as_str().to_owned(),
        status: said.status.as_str().to_owned(),
        reason: said.reason.as_str().to_owned(),
        message: said.message.chars().take(MESSAGE_CHARS_MAX).collect(),
        observed_generation: Some(generation),
        last_transition_time: time(now),
    };
    let before = earlier.iter().find(|it| it.type_ == condition.type_);
    if let Some(before) = before.filter(|before| is_same_state(kind, before, &condition)) {
        condition.last_transition_time = before.last_transition_time.clone();
    }
    condition
}

/// `Reconciling` and `Stalled` come and go, so that there another reason or another spec is another
/// state: the patience with a missing Secret is counted from its beginning.
fn is_same_state(kind: ConditionType, before: &Condition, after: &Condition) -> bool {
    let is_abnormal = matches!(kind, ConditionType::Reconciling | ConditionType::Stalled);
    before.status == after.status
        && (!is_abnormal
            || (before.reason == after.reason
                && before.observed_generation == after.observed_generation))
}
