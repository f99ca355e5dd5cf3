//! `wait`: returns as soon as `/ready` answers. A postStart hook runs it, so that the next
//! container starts when the port listens.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use zohorelay_process::client;

use crate::args::WaitArgs;

/// Between two tries.
const STEP: Duration = Duration::from_millis(20);

/// Waits, or says why it gave up.
pub async fn wait(args: &WaitArgs) -> Result<(), String> {
    let address = args.admin;
    let end = Instant::now() + args.timeout;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let problem = match client::get(address, "/ready", left).await {
            Ok((200, _)) => return Ok(()),
            Ok((status, _)) => format!("{address} answered {status}"),
            Err(error) => error.to_string(),
        };
        let next = Instant::now() + STEP;
        if next >= end {
            let seconds = args.timeout.as_secs_f64();
            return Err(format!(
                "the sidecar is not ready after {seconds} s: {problem}"
            ));
        }
        sleep_until(next).await;
    }
}
