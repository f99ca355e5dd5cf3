//! `make demo`: mails go through real sidecars to a Zoho that behaves as Zoho does, sent by a client
//! that nobody here wrote. One line a scene; exit status 0 only if each is as expected.

mod client;
mod identity;
mod scene;

use std::process::ExitCode;

use anyhow::{Context, Result};
use zoho_simulator::{Account, AccountUpdate, Block, BlockChange, Options, Running, Simulator};
use zohorelay_tests::sidecar::{self, Sidecar};

use client::Client;

/// The identities of `examples/` that are there from the start.
const IDENTITIES: [&str; 6] = [
    "billing", "support", "helpdesk", "reports", "alerts", "orders",
];

/// What the scenes share.
struct Stage {
    zoho: Running,
    sidecar: Sidecar,
    client: Client,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let keep = std::env::args().any(|argument| argument == "--keep");
    match run(keep).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(keep: bool) -> Result<bool> {
    let client = Client::find()?;
    let zoho = start_zoho().await?;
    let mut documents = Vec::new();
    for name in IDENTITIES {
        documents.push(identity::document(name, &zoho).await?);
    }
    let sidecar = Sidecar::start(sidecar::Options::with(documents)).await?;
    println!(
        "simulated Zoho   {} (implicit TLS)",
        zoho.implicit_tls().context("its port")?
    );
    println!(
        "sidecar          {} (SMTP, no TLS, no password)",
        sidecar.smtp
    );
    println!("client           {client}\n");
    let stage = Stage {
        zoho,
        sidecar,
        client,
    };
    let good = scene::play_all(&stage).await?;
    if keep {
        stay(&stage).await?;
    }
    Ok(good)
}

async fn start_zoho() -> Result<Running> {
    let account = |name: &str| {
        Account::new(
            format!("{name}@example.com"),
            format!("app-password-of-{name}"),
        )
    };
    let mut accounts: Vec<_> = IDENTITIES.iter().map(|name| account(name)).collect();
    accounts[0] = account("billing").alias("invoices@example.com");
    accounts.push(account("late"));
    let zoho = Simulator::start(Options {
        accounts,
        ..Options::default()
    })
    .await?;
    let changed = AccountUpdate {
        app_password: Some("changed-last-week".to_owned()),
        ..AccountUpdate::default()
    };
    zoho.put_account("reports@example.com", changed);
    let blocked = AccountUpdate {
        blocked: BlockChange::Set(Block::UnusualActivity),
        ..AccountUpdate::default()
    };
    zoho.put_account("alerts@example.com", blocked);
    Ok(zoho)
}

async fn stay(stage: &Stage) -> Result<()> {
    let Stage { zoho, sidecar, .. } = stage;
    let api = zoho.api().context("the simulator's API")?;
    let smtp = sidecar.smtp;
    println!(
        "\nStill running; Ctrl-C ends it. Try:\n\
         \n  send     printf 'From: billing@example.com\\nSubject: hi\\n\\nhello\\n' | curl smtp://{smtp} --crlf \
         --mail-from billing@example.com --mail-rcpt ann@example.org -T -\
         \n  mails    curl http://{api}/mails\
         \n  metrics  curl http://{}/metrics\
         \n  status   curl http://{}/status",
        sidecar.admin, sidecar.page
    );
    tokio::signal::ctrl_c().await?;
    Ok(())
}
