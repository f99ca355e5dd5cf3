//! What sidecars say of themselves. PURE.

use zohorelay_crds::MailIdentity;
use zohorelay_process::checkup::Finding;

use super::check::SIDECAR;
use super::scene::Scene;
use crate::pods::summary::{Report, State};

/// Those that were asked, in the order of their pods' names.
pub fn judge(scene: &Scene) -> Vec<Finding> {
    let told = scene.told.iter();
    told.flat_map(|(pod, told)| match told {
        Ok(reports) => of_pod(scene, pod, reports),
        Err(why) => vec![Finding::skipped(
            SIDECAR,
            pod,
            format!("{why}; go on inside the pod: {}", go_on(scene, pod)),
        )],
    })
    .collect()
}

/// The sidecar's own doctor, who sees the way to the server.
fn go_on(scene: &Scene, pod: &str) -> String {
    let here = &scene.subject.namespace;
    format!("kubectl -n {here} exec {pod} -c zohorelay -- /zohorelay-sidecar doctor")
}

fn of_pod(scene: &Scene, pod: &str, reports: &[Report]) -> Vec<Finding> {
    let asked = scene.subject.identity.as_deref();
    let matter = { reports.iter() }.filter(|it| asked.is_none_or(|asked| asked == &*it.identity));
    let findings: Vec<Finding> = matter.map(|report| one(scene, pod, report)).collect();
    if findings.is_empty() {
        return vec![Finding::warning(
            SIDECAR,
            pod,
            "it answers, and says nothing of the identity",
            go_on(scene, pod),
        )];
    }
    findings
}

fn one(scene: &Scene, pod: &str, report: &Report) -> Finding {
    let subject = format!("{pod}, {}", report.identity);
    if let Some(finding) = without_document(scene, &subject, pod, report) {
        return finding;
    }
    let newest = report.account.open().max_by_key(|failure| failure.at);
    if let Some(failure) = newest {
        let at = failure.at.strftime("%Y-%m-%d %H:%M UTC");
        let found = format!("mail failed at {at}: {failure}");
        let remedy = failure.class.remedy();
        return Finding::failed(SIDECAR, subject, found, remedy).detail("goOn", go_on(scene, pod));
    }
    if let Some((has, published)) = behind(scene, report) {
        return Finding::warning(
            SIDECAR,
            subject,
            format!("it has revision {has}, and {published} is published"),
            "a change takes about two minutes to reach a pod: wait, then run this again",
        );
    }
    let counts = &report.account;
    let found = format!(
        "{} mails taken, {} failed",
        counts.accepted,
        counts.failed()
    );
    Finding::ok(SIDECAR, subject, found).detail("goOn", go_on(scene, pod))
}

fn without_document(scene: &Scene, subject: &str, pod: &str, report: &Report) -> Option<Finding> {
    match report.state? {
        State::Awaited => Some(Finding::failed(
            SIDECAR,
            subject,
            "it has no document of the identity yet, and answers 451",
            "see identity and secret above; a new document takes about two minutes to reach a pod",
        )),
        State::Removed => Some(Finding::failed(
            SIDECAR,
            subject,
            "the document of the identity was taken away",
            format!(
                "declare the identity again, or take its name out of the annotation; {}",
                go_on(scene, pod)
            ),
        )),
        State::Suspended => Some(Finding::warning(
            SIDECAR,
            subject,
            "it is suspended by its document, and answers 451",
            "set spec.suspend to false when mail shall flow again",
        )),
        State::Active => None,
    }
}

/// Its revision and the published one, where they differ.
fn behind(scene: &Scene, report: &Report) -> Option<(u64, u64)> {
    let of = |it: &&MailIdentity| it.metadata.name.as_deref() == Some(&*report.identity);
    let identity = scene.identities.iter().flatten().find(of)?;
    let published = u64::try_from(identity.status.as_ref()?.revision?).ok()?;
    let has = report.revision?;
    (has != published).then_some((has, published))
}

#[cfg(test)]
mod tests;
