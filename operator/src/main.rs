//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use zohorelay_crds::manifest;
use zohorelay_operator::args::{Cli, Command, RunArgs};
use zohorelay_operator::run;
use zohorelay_process::{exit, harden, telemetry};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(exit::USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match cli.command {
        Command::Run(args) => start(*args),
        Command::Crds => match manifest::mail_identity_yaml() {
            Ok(yaml) => print(&yaml),
            Err(error) => fail(exit::SOFTWARE, &run::chain(&error)),
        },
        Command::Render(_) | Command::Inject(_) => fail(exit::SOFTWARE, "not built in"),
    }
}

fn start(args: RunArgs) -> ExitCode {
    if let Err(error) = telemetry::init(&args.log, args.log_format.into()) {
        return fail(exit::USAGE, &format!("--log {}: {error}", args.log));
    }
    if let Err(error) = harden::harden() {
        tracing::warn!(%error, "cannot switch core dumps off");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(exit::SOFTWARE, &format!("starting the runtime: {error}")),
    };
    let code = match runtime.block_on(run::run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => fail(refusal.code, &refusal.message),
    };
    // A lookup that hangs in the resolver must not hold the end up.
    runtime.shutdown_background();
    code
}

/// Writes to stdout. A reader who has seen enough (`| head`) is no fault.
fn print(text: &str) -> ExitCode {
    use std::io::Write as _;
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
