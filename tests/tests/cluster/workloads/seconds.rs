//! How long it takes.

use std::time::Instant;

use zohorelay_tests::ground::shop::Shop;

const RUNS: usize = 5;

#[tokio::test]
async fn deployments_one_after_another_are_delivered_while_nothing_else_runs() {
    let shop = Shop::open_alone("first-mail").await.unwrap();
    let mut seconds = Vec::new();
    for run in 1..=RUNS {
        let app = shop.deployment(&format!("run-{run}")).flags(&["--linger"]);
        let begin = Instant::now();
        shop.start(&app).await.unwrap();
        shop.until_mails(run).await.unwrap();
        seconds.push(begin.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let (min, median, max) = (seconds[0], seconds[RUNS / 2], seconds[RUNS - 1]);
    println!(
        "cluster: seconds from applying a Deployment to its first mail at Zoho, {RUNS} runs, \
         looked at each 0.1 s: min {min:.1}, median {median:.1}, max {max:.1}"
    );

    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.ledger.accepted(), RUNS);
    assert!(end.entries.iter().all(|entry| entry.code == Some(250)));
}
