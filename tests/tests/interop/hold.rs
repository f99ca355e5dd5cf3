//! One pod learns that the account is refused, and all hold: how many logins fifty sidecars make of it, by
//! the ledger of the simulated Zoho.
//!
//! The sidecars are processes whose clock is played forward (`clock`); what the operator makes of their
//! summaries is decided by its own functions (`operator`); the test is the kubelet, who brings each
//! document 60 to 90 s late. All times are of the played clock.

mod clock;
mod operator;
mod pods;

use std::time::Duration;

use crate::available::{program, say};
use pods::Pods;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn mails_that_come_one_by_one_meet_a_refused_login_five_times_at_most() {
    let Some(faketime) = program("libfaketime", "fifty sidecars on hold") else {
        return;
    };
    let mut pods = Pods::start(&faketime).await;
    let each = Duration::from_secs(30);
    pods.play(HOUR, each).await;
    let first = pods.refused();
    assert!(pods.all_have_held(), "the hold did not reach every pod");
    pods.play(MINUTE * 35, each).await;
    let again = pods.refused() - first;
    say(&format!(
        "fifty sidecars, a mail each 30 s: {first} refused logins in the first hour, {again} after it; {} \
         mails held",
        pods.held
    ));
    assert!((1..=5).contains(&first), "{first} refused logins");
    assert!(
        (1..=5).contains(&again),
        "{again} refused logins when the hold was over"
    );
    assert_eq!(pods.refused_on_hold, 0);
}

#[tokio::test]
async fn mails_that_come_all_at_once_meet_one_refused_login_a_pod_and_five_when_the_hold_is_over() {
    let Some(faketime) = program("libfaketime", "fifty sidecars at once") else {
        return;
    };
    let mut pods = Pods::start(&faketime).await;
    pods.all_at_once().await;
    pods.play(HOUR, Duration::from_secs(30)).await;
    let first = pods.refused();
    assert!(pods.all_have_held(), "the hold did not reach every pod");
    pods.all_at_once().await;
    pods.play(MINUTE * 35, Duration::from_secs(10)).await;
    let again = pods.refused() - first;
    say(&format!(
        "fifty sidecars, all at once: {first} refused logins in the first hour, {again} after it; {} mails held",
        pods.held
    ));
    assert!((1..=50).contains(&first), "{first} refused logins");
    assert!(
        (1..=5).contains(&again),
        "{again} refused logins when the hold was over"
    );
    assert_eq!(pods.refused_on_hold, 0);
}
