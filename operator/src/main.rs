//! Arguments in, exit code out.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use zohorelay_crds::manifest;
use zohorelay_operator::args::{Cli, Command, DoctorArgs, InjectArgs, RunArgs};
use zohorelay_operator::inject::{Settings, inject_stream};
use zohorelay_operator::run::chain;
use zohorelay_operator::{doctor, render, run};
use zohorelay_process::{Refusal, cli, exit, harden, telemetry};

/// So that a long list from the API server does not hold an admission up.
const THREADS: usize = 2;
/// These say again what the operator says itself. `--log` may ask for them by name.
const QUIET: &str = "kube_client::client::builder=off,kube_runtime=error";
/// For names that the system looks up.
const BLOCKING_THREADS: usize = 4;

fn main() -> ExitCode {
    let cli: Cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match cli.command {
        Command::Run(args) => start(*args),
        Command::Crds => match manifest::mail_identity_yaml() {
            Ok(yaml) => print(&yaml),
            Err(error) => fail(exit::SOFTWARE, &chain(&error)),
        },
        Command::Render(args) => match render::run(&args) {
            Ok(summary) => print(&summary),
            Err(error) => fail(error.code(), &chain(&error)),
        },
        Command::Inject(args) => inject(&args),
        Command::Doctor(args) => examine(args),
    }
}

fn start(args: RunArgs) -> ExitCode {
    let filter = format!("{QUIET},{}", args.log);
    if let Err(error) = telemetry::init(&filter, args.log_format) {
        return fail(exit::USAGE, &format!("--log {}: {error}", args.log));
    }
    if let Err(error) = harden::harden() {
        tracing::warn!(%error, "cannot switch core dumps off");
    }
    finish(async { run::run(args).await.map(|()| exit::OK) })
}

/// Logs nothing: what is wrong stands in the report.
fn examine(args: DoctorArgs) -> ExitCode {
    finish(doctor::run(args))
}

/// Runs to the end, whose exit code it gives.
fn finish(task: impl Future<Output = Result<u8, Refusal>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(exit::SOFTWARE, &format!("starting the runtime: {error}")),
    };
    let code = match runtime.block_on(task) {
        Ok(code) => ExitCode::from(code),
        Err(refusal) => fail(refusal.code, &refusal.message),
    };
    // A lookup that hangs in the resolver must not hold the end up.
    runtime.shutdown_background();
    code
}

fn inject(args: &InjectArgs) -> ExitCode {
    let settings = match Settings::from_args(&args.sidecar) {
        Ok(settings) => settings,
        Err(error) => return fail(exit::USAGE, &chain(&error)),
    };
    let mut input = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut input) {
        return fail(1, &format!("reading YAML from stdin: {error}"));
    }
    match inject_stream(&input, &settings) {
        Ok(injected) => {
            for note in &injected.notes {
                eprintln!("zohorelay-operator: {note}");
            }
            print(&injected.yaml)
        }
        Err(error) => fail(1, &chain(&error)),
    }
}

/// Writes to stdout. A reader who has seen enough (`| head`) is no fault.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            fail(exit::CANNOT_CREATE, &format!("writing to stdout: {error}"))
        }
        _ => ExitCode::SUCCESS,
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("zohorelay-operator: {message}");
    ExitCode::from(code)
}
