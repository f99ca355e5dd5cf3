//! A cold start: the whole node full of pods that send at once, while the operator comes up.

use std::fs;
use std::path::Path;
use std::time::Instant;

use zohorelay_tests::ground::absence::and_then_always;
use zohorelay_tests::ground::shop::Shop;
use zohorelay_tests::program::PATIENCE;

/// Of the 110 that a node takes.
const PODS: u32 = 100;

#[tokio::test]
#[ignore = "release-check: two minutes, and the whole node"]
async fn a_crowd_of_100_pods_starts_cold_and_all_is_delivered() {
    let shop = Shop::open_alone("crowd").await.unwrap();
    let ground = shop.ground;
    // No mail is given up: apps come before the operator has told their sidecars of the identity.
    let crowd = shop
        .deployment("crowd")
        .replicas(PODS)
        .flags(&["--count=3", "--every-ms=1", "--retries=600", "--linger"])
        .annotation("zohorelay.dev/cpu-request", "1m")
        .annotation("zohorelay.dev/memory-request", "4Mi");
    let logins = shop.zoho.logins_of(&shop.address()).await.unwrap();

    ground.scale_operator(0).await.unwrap();
    let clock = Instant::now();
    and_then_always(
        async { shop.start(&crowd).await.unwrap() },
        ground.scale_operator(2),
    )
    .await
    .unwrap();
    println!(
        "cluster: operator is there after {:.1} s",
        clock.elapsed().as_secs_f32()
    );
    let all = 3 * PODS as usize;
    while clock.elapsed() < 10 * PATIENCE && shop.until_mails(all).await.is_err() {}
    println!(
        "cluster: {all} mails of {PODS} pods are there after {:.1} s",
        clock.elapsed().as_secs_f32()
    );
    shop.until_available("crowd").await.unwrap();

    let after = shop.zoho.logins_of(&shop.address()).await.unwrap();
    let count = after.ok - logins.ok;
    println!("cluster: {count} logins, {} refused", after.refused);
    assert_eq!(after.refused, logins.refused);
    if let Some(running) = ground.cluster.running() {
        print_memory(&running.folder().file_name().unwrap().to_string_lossy());
    }
    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.mails.len(), all);
}

/// What the sidecars of the node have of memory, as the kernel counts it.
fn print_memory(folder: &str) {
    let mut sizes: Vec<u64> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|process| memory_of_sidecar(&process.ok()?.path(), folder))
        .collect();
    sizes.sort_unstable();
    println!(
        "cluster: {} sidecars, KiB of memory each: {:?} at least, {:?} at most",
        sizes.len(),
        sizes.first(),
        sizes.last()
    );
}

/// KiB of a process, if it is a sidecar below the cgroup of the node.
fn memory_of_sidecar(process: &Path, folder: &str) -> Option<u64> {
    let read = |file: &str| fs::read_to_string(process.join(file)).ok();
    let is_ours = read("cgroup")?.contains(folder) && read("comm")?.starts_with("zohorelay-side");
    let status = is_ours.then(|| read("status")).flatten()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
