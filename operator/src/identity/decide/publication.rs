//! What to write, if anything differs.

use zohorelay_config::Document;

use super::{Publication, Situation, Trial};

impl Situation<'_> {
    /// The document as it would be published, or nothing where nothing differs.
    pub(super) fn publication(&self, wanted: &Document, verified: bool) -> Option<Publication> {
        let published = self.rendered.published();
        let mut document = wanted.clone();
        let trial = self.bind(&mut document);
        document.revision = published.and_then(|published| published.document.revision);
        let is_same = published.is_some_and(|published| published.document == document);
        if is_same && document.revision.is_some() {
            let verified_now = published.is_some_and(|published| published.verified != verified);
            return verified_now.then_some(Publication {
                document,
                verified,
                trial,
            });
        }
        let revision = Some(self.next_revision());
        document.revision = revision;
        let since = trial.since.or(revision);
        Some(Publication {
            document,
            verified,
            trial: Trial { since, ..trial },
        })
    }

    /// The document that serves, where only `hold` or `retry` are to change.
    pub(super) fn renewal(&self) -> Option<Publication> {
        let published = self.rendered.published()?;
        self.publication(&published.document, published.verified)
    }

    /// Above every revision that pods may have seen, also where the rendered Secret is gone.
    fn next_revision(&self) -> u64 {
        let published = self.rendered.published();
        let published = published.and_then(|published| published.document.revision);
        let status = self.identity.status.as_ref();
        let told = status.and_then(|status| status.revision);
        let told = told.and_then(|revision| u64::try_from(revision).ok());
        let after = published.max(told).map_or(0, |last| last.saturating_add(1));
        after.max(u64::try_from(self.now.as_second()).unwrap_or_default())
    }
}
