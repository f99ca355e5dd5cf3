//! The API server, the definition, the namespace, and who leads. PURE.

use zohorelay_process::checkup::Finding;

use super::check::{API_SERVER, DEFINITION, NAMESPACE, OPERATOR};
use super::rights::Unread;
use super::scene::{DeploymentSeen, LeaseSeen, Scene};
use super::skipped;

/// The version of the API that this program speaks.
const VERSION: &str = "v1alpha1";

/// Whether anything else can be looked at.
pub fn judge(scene: &Scene, program: &str) -> Vec<Finding> {
    let mut findings = vec![server(scene)];
    if scene.server.is_ok() {
        findings.push(definition(scene));
        findings.extend(namespace(scene));
        findings.push(operator(scene, program));
    }
    findings
}

fn server(scene: &Scene) -> Finding {
    match &scene.server {
        Ok(version) => Finding::ok(API_SERVER, "", format!("Kubernetes {version} answers")),
        Err(unread) => Finding::failed(
            API_SERVER,
            "",
            unread.why(),
            "see that kubectl works here (KUBECONFIG, VPN, the cluster itself), then run this again",
        ),
    }
}

fn definition(scene: &Scene) -> Finding {
    let served = match &scene.served {
        Ok(served) => served,
        Err(unread) => return skipped(DEFINITION, "", unread),
    };
    if served.is_empty() {
        return Finding::failed(
            DEFINITION,
            "",
            "this cluster does not know MailIdentity",
            "install the chart, or the definition by itself: \
             zohorelay-operator crds | kubectl apply --server-side -f -",
        );
    }
    if served.iter().any(|version| version == VERSION) {
        return Finding::ok(
            DEFINITION,
            "",
            format!("MailIdentity is served as {VERSION}"),
        );
    }
    Finding::failed(
        DEFINITION,
        "",
        format!(
            "MailIdentity is served as {}, and this program speaks {VERSION}",
            served.join(", ")
        ),
        "use the program of the operator's own version",
    )
}

fn namespace(scene: &Scene) -> Option<Finding> {
    let name = &scene.subject.namespace;
    let missing = matches!(scene.labels, Ok(None));
    missing.then(|| {
        Finding::failed(
            NAMESPACE,
            name,
            "there is no such namespace",
            "give another with -n",
        )
    })
}

fn operator(scene: &Scene, program: &str) -> Finding {
    let place = &scene.operator_namespace;
    let lease = match &scene.lease {
        Ok(Some(lease)) => lease,
        Ok(None) => {
            return Finding::failed(
                OPERATOR,
                "",
                format!("namespace {place} has no Lease of an operator: none ever ran there"),
                "install the chart (docs/install.md); if the operator is elsewhere, say where by \
                 --operator-namespace and --lease",
            );
        }
        Err(unread) => return skipped(OPERATOR, "", unread),
    };
    let look = format!("kubectl -n {place} get pods, and the log of those of the operator");
    match (&lease.holder, lease.is_fresh) {
        (Some(holder), true) => runs(scene, lease, holder, program),
        (Some(holder), false) => {
            let at = lease.renewed.map_or_else(String::new, |at| {
                format!(" since {}", at.strftime("%Y-%m-%d %H:%M UTC"))
            });
            let found =
                format!("{holder} leads and does not renew its Lease{at}: no operator runs");
            Finding::failed(OPERATOR, "", found, format!("look at {look}"))
        }
        (None, _) => Finding::failed(
            OPERATOR,
            "",
            "nobody leads: no operator runs",
            format!("look at {look}"),
        ),
    }
}

/// Somebody leads; the Deployment says more to those who may read it.
fn runs(scene: &Scene, lease: &LeaseSeen, holder: &str, program: &str) -> Finding {
    let found = format!("{holder} leads");
    let place = &scene.operator_namespace;
    let finding = match &scene.deployment {
        Ok(Some(it)) if it.ready < it.wanted => Finding::warning(
            OPERATOR,
            "",
            format!(
                "{found}, and {} of {} replicas are ready",
                it.ready, it.wanted
            ),
            format!("kubectl -n {place} describe deployment {}", it.name),
        ),
        Ok(Some(DeploymentSeen {
            version: Some(version),
            ..
        })) if version != program => Finding::warning(
            OPERATOR,
            "",
            format!("{found}; it is of version {version}, and this program of {program}"),
            "where the two differ believe the operator's own: run its doctor",
        ),
        Err(Unread::Failed(why)) => Finding::ok(OPERATOR, "", found).detail("deployment", why),
        _ => Finding::ok(OPERATOR, "", found),
    };
    finding.detail("lease", format!("{place}/{}", lease.name))
}

#[cfg(test)]
mod tests {
    use zohorelay_process::checkup::Verdict;

    use super::super::fixtures::scene;
    use super::super::rights::Right;
    use super::*;

    fn verdicts(scene: &Scene) -> Vec<(&'static str, Verdict)> {
        let findings = judge(scene, "1.0.0");
        let verdicts = findings.iter().map(|it| (it.check.name, it.verdict));
        verdicts.collect()
    }

    fn last(scene: &Scene) -> Finding {
        judge(scene, "1.0.0").pop().unwrap()
    }

    #[test]
    fn a_cluster_with_definition_and_leader_is_well() {
        let all = verdicts(&scene());
        assert_eq!(
            all,
            ["api-server", "definition", "operator"].map(|name| (name, Verdict::Ok))
        );
    }

    #[test]
    fn without_an_api_server_nothing_else_is_said() {
        let mut scene = scene();
        scene.server = Err(Unread::Failed("no route".to_owned()));
        assert_eq!(verdicts(&scene), [("api-server", Verdict::Failed)]);
    }

    #[test]
    fn a_definition_that_is_missing_or_of_another_version_fails_with_the_command() {
        let mut scene = scene();
        scene.served = Ok(Vec::new());
        let missing = judge(&scene, "1.0.0").remove(1);
        assert!(missing.remedy.unwrap().contains("kubectl apply"));
        scene.served = Ok(vec!["v1".to_owned()]);
        let other = judge(&scene, "1.0.0").remove(1);
        assert_eq!(
            (other.verdict, other.check),
            (Verdict::Failed, super::DEFINITION)
        );
    }

    #[test]
    fn a_namespace_that_is_not_there_is_named() {
        let mut scene = scene();
        scene.labels = Ok(None);
        let found = judge(&scene, "1.0.0").remove(2);
        assert_eq!((found.check, &*found.subject), (NAMESPACE, "shop"));
    }

    #[test]
    fn an_operator_that_does_not_lead_fails_and_a_right_that_is_missing_is_named() {
        let mut scene = scene();
        let lease = scene.lease.clone().unwrap().unwrap();
        let with = |holder: Option<&str>, is_fresh| {
            let holder = holder.map(str::to_owned);
            Ok(Some(LeaseSeen {
                holder,
                is_fresh,
                ..lease.clone()
            }))
        };
        for silent in [Ok(None), with(None, false), with(Some("a"), false)] {
            scene.lease = silent;
            assert_eq!(last(&scene).verdict, Verdict::Failed);
        }
        scene.lease = Err(Unread::Forbidden(Right::get("leases", "mail")));
        let skipped = last(&scene);
        assert_eq!(skipped.verdict, Verdict::Skipped);
        assert!(skipped.found.contains("get leases in namespace mail"));
    }

    #[test]
    fn a_replica_that_is_not_ready_and_another_version_are_worth_a_warning() {
        let mut scene = scene();
        for (ready, version) in [(1, "1.0.0"), (2, "0.9.0")] {
            scene.deployment = Ok(Some(DeploymentSeen {
                name: "zohorelay-operator".to_owned(),
                wanted: 2,
                ready,
                version: Some(version.to_owned()),
            }));
            assert_eq!(last(&scene).verdict, Verdict::Warning, "{ready} {version}");
        }
    }
}
