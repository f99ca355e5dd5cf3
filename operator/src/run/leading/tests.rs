use std::sync::atomic::AtomicBool;

use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, Config};
use rustls::RootCertStore;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use super::*;
use crate::host::AllowedHosts;
use crate::identity::roster::Roster;
use crate::identity::spacing::Spacing;
use crate::identity::verify::Verifier;
use crate::metrics::Metrics;
use crate::pods::Pods;
use crate::scope::Scope;

fn controller(client: Client) -> Arc<Controller> {
    let metrics = Metrics::new("1").unwrap();
    let spacing = Spacing::new(Duration::ZERO, Duration::ZERO);
    let reporter = Reporter {
        controller: "test".to_owned(),
        instance: None,
    };
    Arc::new(Controller {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        scope: Scope::from_names(Vec::new()),
        allowed: AllowedHosts::parse(&[]).unwrap(),
        pods: Pods::new("1"),
        verifier: Arc::new(Verifier::new(
            spacing,
            RootCertStore::empty(),
            metrics.clone(),
        )),
        metrics,
        listed: AtomicBool::new(false),
        roster: Roster::default(),
    })
}

#[tokio::test(start_paused = true)]
async fn leading_ends_at_once_though_the_api_server_is_silent_and_the_lease_is_still_held() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
    let controller = controller(client);
    for round in 0..16 {
        let (_held, leads) = watch::channel(true);
        let stop = CancellationToken::new();
        let leading = lead(controller.clone(), Leadership::new(leads), stop.clone());
        let leading = tokio::spawn(leading);
        let asked = silent.accept().await.unwrap();
        let began = Instant::now();
        stop.cancel();
        leading.await.unwrap().unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO, "round {round}");
        drop(asked);
    }
}
