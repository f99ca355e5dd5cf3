//! What ends by itself: Jobs and `CronJobs`.

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use zoho_simulator::{Action, Fault, Stage};
use zohorelay_crds::keys;
use zohorelay_tests::ground::shop::Shop;

use super::status::{container, end_of};

/// The name, and what the Job does with an app that failed.
const JOBS: [(&str, &str); 6] = [
    ("never-1", "Never"),
    ("never-2", "Never"),
    ("never-3", "Never"),
    ("failure-1", "OnFailure"),
    ("failure-2", "OnFailure"),
    ("failure-3", "OnFailure"),
];

#[tokio::test]
async fn jobs_complete_and_their_sidecars_end_with_zero_after_their_apps() {
    let shop = Shop::open("jobs").await.unwrap();
    for (name, restart) in JOBS {
        let job = shop.job(name).restart(restart).flags(&["--count=2"]);
        shop.start(&job).await.unwrap();
    }
    let mut seconds = Vec::new();
    for (name, _) in JOBS {
        shop.until_complete(name).await.unwrap();
        let pods = shop.pods_of(name).await.unwrap();
        assert_eq!(pods.len(), 1, "{name}");
        let (app, ours) = (end_of(&pods[0], "app"), end_of(&pods[0], keys::CONTAINER));
        assert_eq!((app.exit_code, ours.exit_code), (0, 0), "{name}: {ours:?}");
        let when = [app, ours].map(|end| end.finished_at.as_ref().expect("a time").0);
        seconds.push(when[1].as_second() - when[0].as_second());
    }
    println!(
        "cluster: seconds from the end of a Job's app to its sidecar's, by finishedAt, which has \
         whole seconds only: {seconds:?}"
    );
    assert!(seconds.iter().all(|&seconds| seconds >= 0), "{seconds:?}");

    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.ledger.accepted(), 12);
    assert!(end.entries.iter().all(|entry| entry.code == Some(250)));
}

#[tokio::test]
async fn an_app_that_failed_is_started_again_beside_the_same_sidecar_and_its_job_completes() {
    let shop = Shop::open("on-failure").await.unwrap();
    let later = Action::Reply("451 4.3.0 later\r\n".into());
    let once = Fault::new(Stage::EndOfData, later).times(1);
    shop.zoho.fault(&shop.address(), once).await.unwrap();
    let job = shop.job("shop").restart("OnFailure");
    shop.start(&job).await.unwrap();
    shop.until_complete("shop").await.unwrap();

    let pods = shop.pods_of("shop").await.unwrap();
    assert_eq!(pods.len(), 1);
    let restarts = ["app", keys::CONTAINER].map(|name| container(&pods[0], name).restart_count);
    assert_eq!(restarts, [1, 0]);
    assert_eq!(end_of(&pods[0], keys::CONTAINER).exit_code, 0);
    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    let mut codes: Vec<_> = end.entries.iter().map(|entry| entry.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [Some(250), Some(451)]);
}

#[tokio::test]
async fn a_job_whose_mail_is_refused_fails_and_its_app_was_told_why() {
    let shop = Shop::open("refused-job").await.unwrap();
    let job = shop.job("shop").set("/spec/backoffLimit", json!(1));
    let job = job.flags(&["--from=root@localhost.example"]);
    shop.start(&job).await.unwrap();
    let failed = |job: &Job| {
        let conditions = job.status.iter().flat_map(|status| &status.conditions);
        let mut conditions = conditions.flatten();
        conditions.any(|condition| {
            condition.type_ == "Failed"
                && condition.reason.as_deref() == Some("BackoffLimitExceeded")
        })
    };
    shop.until("shop", "it failed as often as it may", failed)
        .await
        .unwrap();

    let pods = shop.pods_of("shop").await.unwrap();
    assert_eq!(pods.len(), 2);
    for pod in &pods {
        let codes = ["app", keys::CONTAINER].map(|name| end_of(pod, name).exit_code);
        assert_eq!(codes, [1, 0]);
    }
    let address = shop.address();
    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert!(end.mails.is_empty());
    assert_eq!(end.entries.len(), 2);
    for entry in &end.entries {
        assert_eq!(entry.code, Some(553));
        for word in ["root@localhost.example", "billing", &address] {
            assert!(entry.text.contains(word), "{word}: {}", entry.text);
        }
    }
}

#[tokio::test]
async fn a_cron_job_fires_and_is_delivered() {
    let shop = Shop::open("cron").await.unwrap();
    let report = shop.cron_job("report", "0 0 1 1 *");
    shop.start(&report).await.unwrap();
    // One who was away at New Year: what was missed is due now, and no more comes by itself.
    let away = json!({"status": {"lastScheduleTime": Timestamp::UNIX_EPOCH.to_string()}});
    shop.api::<CronJob>()
        .patch_status("report", &PatchParams::default(), &Patch::Merge(away))
        .await
        .unwrap();
    shop.kubectl("create job by-hand --from=cronjob/report")
        .await
        .unwrap();
    shop.until_mails(2).await.unwrap();

    let jobs = shop.api::<Job>().list(&ListParams::default()).await;
    let mut jobs: Vec<_> = jobs.unwrap().iter().map(Job::name_any).collect();
    jobs.sort_unstable();
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert_eq!(jobs[0], "by-hand");
    assert!(jobs[1].starts_with("report-"), "{jobs:?}");
    for job in &jobs {
        shop.until_complete(job).await.unwrap();
    }
    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.ledger.accepted(), 2);
}
