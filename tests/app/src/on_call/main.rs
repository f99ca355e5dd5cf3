//! Whoever is on call: takes the notifications of an Alertmanager at its webhook, and prints each alert as a
//! person reads it, with an empty line after it.

mod text;

use std::io::Write as _;
use std::process::ExitCode;

use axum::Json;
use axum::Router;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Where the Alertmanager finds it.
const LISTEN: &str = "0.0.0.0:8080";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("listening on {LISTEN}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> std::io::Result<()> {
    // Before anything else: process 1 of a container ignores what it does not listen for.
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(LISTEN).await?;
    let router = Router::new().route("/", post(hear));
    tokio::select! {
        served = axum::serve(listener, router) => served,
        _ = terminate.recv() => Ok(()),
    }
}

async fn hear(Json(notification): Json<Value>) {
    let mut stdout = std::io::stdout();
    for alert in notification["alerts"].as_array().into_iter().flatten() {
        // Nobody is left to tell it to when stdout is closed.
        let _ = writeln!(stdout, "{}\n", text::of(alert)).and_then(|()| stdout.flush());
    }
}
