//! Arguments in, exit code out.

use std::process::ExitCode;

use zohorelay_process::{Refusal, cli, exit, harden, telemetry};
use zohorelay_sidecar::args::{Cli, Command, DoctorArgs, RunArgs};
use zohorelay_sidecar::{doctor, run, wait};

/// The spool is the only user of blocking threads.
const BLOCKING_THREADS: usize = 4;

fn main() -> ExitCode {
    let cli: Cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(exit::SOFTWARE, &format!("starting the runtime: {error}")),
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => start(*args).await,
            Command::Wait(args) => match wait::wait(&args).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(reason) => fail(1, &reason),
            },
            Command::Doctor(args) => match examine(&args).await {
                Ok(code) => ExitCode::from(code),
                Err(refusal) => fail(refusal.code, &refusal.message),
            },
        }
    });
    // A blocked write to a spool must not hold the end up.
    runtime.shutdown_background();
    code
}

async fn start(args: RunArgs) -> ExitCode {
    if let Err(error) = telemetry::init(&args.log, args.log_format) {
        return fail(exit::USAGE, &format!("--log {}: {error}", args.log));
    }
    if let Err(error) = harden::harden() {
        tracing::warn!(%error, "cannot switch core dumps off");
    }
    match run::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => fail(refusal.code, &refusal.message),
    }
}

async fn examine(args: &DoctorArgs) -> Result<u8, Refusal> {
    // Documents are read: no core dump may hold a password.
    let _ = harden::harden();
    doctor::doctor(args).await
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("zohorelay-sidecar: {message}");
    ExitCode::from(code)
}
