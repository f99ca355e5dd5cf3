//! The scenes of the demo: a table of what is sent and of what must be seen.

use std::net::SocketAddr;

use anyhow::Result;
use zoho_simulator::{Action, Fault, Running, Stage as At, Then};
use zohorelay_tests::metrics::Metrics;
use zohorelay_tests::sidecar::{self, Sidecar};

use crate::client::{Client, Letter};
use crate::{Stage, identity};

/// One mail and what must come of it.
struct Scene {
    name: &'static str,
    envelope: &'static str,
    from: &'static str,
    /// Code that the app must hear.
    told: u16,
    /// Mails that Zoho must have more than before.
    mails: usize,
    /// Logins that Zoho must have seen more than before.
    logins: u64,
    /// The series that must rise by one, by family and label values.
    counter: (&'static str, &'static [(&'static str, &'static str)]),
}

const VISITOR: &str = "Visitor <visitor@example.net>";

const SCENES: [Scene; 8] = [
    Scene {
        name: "a good mail",
        envelope: "billing@example.com",
        from: "billing@example.com",
        told: 250,
        mails: 1,
        logins: 1,
        counter: (
            "mails_total",
            &[("identity", "billing"), ("outcome", "accepted")],
        ),
    },
    Scene {
        name: "a foreign From, Reject",
        envelope: "billing@example.com",
        from: VISITOR,
        told: 553,
        mails: 0,
        logins: 0,
        counter: (
            "failures_total",
            &[("identity", "billing"), ("class", "sender_refused")],
        ),
    },
    Scene {
        name: "a foreign From, Rewrite",
        envelope: "support@example.com",
        from: VISITOR,
        told: 250,
        mails: 1,
        logins: 1,
        counter: (
            "mails_total",
            &[("identity", "support"), ("outcome", "accepted")],
        ),
    },
    Scene {
        name: "a foreign From, Attach",
        envelope: "helpdesk@example.com",
        from: VISITOR,
        told: 250,
        mails: 1,
        logins: 1,
        counter: (
            "mails_total",
            &[("identity", "helpdesk"), ("outcome", "accepted")],
        ),
    },
    Scene {
        name: "a wrong password",
        envelope: "reports@example.com",
        from: "reports@example.com",
        told: 451,
        mails: 0,
        logins: 1,
        counter: (
            "failures_total",
            &[("identity", "reports"), ("class", "auth_failed")],
        ),
    },
    Scene {
        name: "… and again: the breaker",
        envelope: "reports@example.com",
        from: "reports@example.com",
        told: 451,
        mails: 0,
        logins: 0,
        counter: (
            "failures_total",
            &[("identity", "reports"), ("class", "held")],
        ),
    },
    Scene {
        name: "a blocked account",
        envelope: "alerts@example.com",
        from: "alerts@example.com",
        told: 451,
        mails: 0,
        logins: 1,
        counter: (
            "failures_total",
            &[("identity", "alerts"), ("class", "account_blocked")],
        ),
    },
    Scene {
        name: "the last reply lost",
        envelope: "orders@example.com",
        from: "orders@example.com",
        told: 451,
        mails: 1,
        logins: 1,
        counter: (
            "mails_total",
            &[("identity", "orders"), ("outcome", "unknown")],
        ),
    },
];

/// Plays all of them; true if each went as expected.
pub(crate) async fn play_all(stage: &Stage) -> Result<bool> {
    let lost = Fault::new(At::EndOfData, Action::AcceptThen(Then::Reset));
    stage.zoho.fault(lost.account("orders@example.com"))?;
    let mut good = true;
    for scene in &SCENES {
        good &= play(scene, &stage.zoho, &stage.sidecar, &stage.client).await?;
    }
    Ok(play_late(stage).await? && good)
}

/// A sidecar that starts before its identity exists.
async fn play_late(stage: &Stage) -> Result<bool> {
    let mut options = sidecar::Options::with(Vec::new());
    options.identities.push("late".to_owned());
    let sidecar = Sidecar::start(options).await?;
    let mut scene = Scene {
        name: "an identity not yet there",
        envelope: "late@example.com",
        from: "late@example.com",
        told: 451,
        mails: 0,
        logins: 0,
        counter: (
            "failures_total",
            &[("identity", "late"), ("class", "not_configured")],
        ),
    };
    let before = play(&scene, &stage.zoho, &sidecar, &stage.client).await?;
    sidecar.write(&identity::document("late", &stage.zoho).await?)?;
    let applied = [("identity", "late"), ("result", "applied")];
    let reloads = "zohorelay_sidecar_config_reloads_total";
    sidecar
        .metrics_when(|metrics| metrics.value(reloads, &applied) > 0.0)
        .await?;
    scene.name = "… and when it is there";
    (scene.told, scene.mails, scene.logins) = (250, 1, 1);
    scene.counter = (
        "mails_total",
        &[("identity", "late"), ("outcome", "accepted")],
    );
    Ok(play(&scene, &stage.zoho, &sidecar, &stage.client).await? && before)
}

async fn play(scene: &Scene, zoho: &Running, sidecar: &Sidecar, client: &Client) -> Result<bool> {
    let logins = |zoho: &Running| {
        zoho.all_logins()
            .values()
            .map(|counts| counts.total)
            .sum::<u64>()
    };
    let (mails_before, logins_before) = (zoho.mails().len(), logins(zoho));
    let before = sidecar.metrics().await?;
    let told = send(scene, sidecar.smtp, client).await?;
    let after = sidecar.metrics().await?;
    let (mails, logins) = (
        zoho.mails().len() - mails_before,
        logins(zoho) - logins_before,
    );
    let (family, labels) = scene.counter;
    let rose = rise(&before, &after, family, labels);
    let good = told.starts_with(&scene.told.to_string())
        && (mails, logins) == (scene.mails, scene.logins)
        && (rose - 1.0).abs() < f64::EPSILON;
    let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
    println!(
        "{} {:<26} app: {told} | zoho: {} | {family}{{{}}} +{rose}",
        if good { "ok " } else { "BAD" },
        scene.name,
        counted(mails, logins),
        labels.join(","),
    );
    Ok(good)
}

async fn send(scene: &Scene, smtp: SocketAddr, client: &Client) -> Result<String> {
    let letter = Letter {
        envelope: scene.envelope,
        from: scene.from,
        subject: "a scene of the demo",
    };
    let told = client.send(smtp, &letter).await?;
    Ok(told.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn rise(before: &Metrics, after: &Metrics, family: &str, labels: &[(&str, &str)]) -> f64 {
    let name = format!("zohorelay_sidecar_{family}");
    after.value(&name, labels) - before.value(&name, labels)
}

fn counted(mails: usize, logins: u64) -> String {
    let plural = |count: u64, noun: &str| match count {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    format!(
        "{}, {}",
        plural(mails as u64, "mail"),
        plural(logins, "login")
    )
}
