//! What the webhook does with a review: answers, counts and logs it.

use std::sync::Arc;

use super::server::Admit;
use crate::inject::{self, Admission, Answer, Settings};
use crate::metrics::Metrics;

/// Answers reviews with these settings. Each result is counted from the start, with 0.
pub(super) fn admit(settings: Settings, metrics: &Metrics) -> Admit {
    let all = [
        Admission::Injected,
        Admission::Untouched,
        Admission::Refused,
        Admission::Malformed,
    ];
    let admissions = metrics.admissions.clone();
    for result in all {
        admissions.with_label_values(&[label(result)]).inc_by(0);
    }
    Arc::new(move |body| {
        let answer = inject::admit(body, &settings);
        admissions.with_label_values(&[label(answer.result)]).inc();
        log(&answer);
        answer
    })
}

fn label(result: Admission) -> &'static str {
    match result {
        Admission::Injected => "injected",
        Admission::Untouched => "untouched",
        Admission::Refused => "refused",
        Admission::Malformed => "malformed",
    }
}

fn log(answer: &Answer) {
    let Answer { pod, reason, .. } = answer;
    let reason = reason.as_deref();
    match answer.result {
        Admission::Injected => tracing::info!(pod, "sidecar injected"),
        Admission::Untouched => tracing::debug!(pod, "pod let through as it is"),
        Admission::Refused => tracing::warn!(pod, reason, "pod refused"),
        Admission::Malformed => tracing::warn!(reason, "a call that is no review of a pod"),
    }
}
