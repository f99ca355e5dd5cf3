//! One login and no mail.

use tokio::time::Instant;

use crate::failure::Failure;
use crate::open::greet;
use crate::submission::Progress;
use crate::target::Target;

/// Connects, logs in once, and says QUIT. Success means that the server takes this login; it says
/// nothing of what the login may send: a foreign From is refused only after a whole mail
/// (`docs/zoho.md` R1).
pub async fn verify(target: &Target, deadline: Instant) -> Result<(), Failure> {
    let progress = Progress::new();
    let greeted = greet(target, deadline, &progress).await?;
    let connection = greeted.log_in(target, deadline, &progress).await?;
    connection.quit().await;
    Ok(())
}
