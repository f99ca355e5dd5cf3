//! What to write, if anything differs.

use zohorelay_config::Document;

use super::{Publication, Situation};

impl Situation<'_> {
    /// The document as it would be published, or nothing where nothing differs.
    pub(super) fn publication(&self, wanted: &Document, verified: bool) -> Option<Publication> {
        let published = self.rendered.published();
        let mut document = wanted.clone();
        document.retry = published.map_or(0, |published| published.document.retry);
        document.revision = published.and_then(|published| published.document.revision);
        let is_same = published.is_some_and(|published| published.document == document);
        if is_same && document.revision.is_some() {
            let verified_now = published.is_some_and(|published| published.verified != verified);
            return verified_now.then_some(Publication { document, verified });
        }
        document.revision = Some(self.next_revision());
        Some(Publication { document, verified })
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
