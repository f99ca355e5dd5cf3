use tokio::io::AsyncReadExt;

use super::*;

async fn body_of(spool: &Arc<Spool>, bytes: &[u8]) -> Result<Body, SpoolError> {
    let mut body = Body::new(spool.clone());
    for chunk in bytes.chunks(50_000) {
        body.append(&mut chunk.to_vec()).await?;
    }
    body.seal().await?;
    Ok(body)
}

#[tokio::test]
async fn what_went_in_comes_out_whatever_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path().to_owned(), 10 << 20).unwrap();
    for size in [
        0,
        1,
        MEMORY_BYTES - 1,
        MEMORY_BYTES,
        MEMORY_BYTES + 1,
        3 << 20,
    ] {
        let bytes: Vec<u8> = (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let mut body = body_of(&spool, &bytes).await.unwrap();
        assert_eq!(body.len(), size as u64);
        assert_eq!(body.is_in_memory(), size <= MEMORY_BYTES);
        let mut out = Vec::new();
        body.between(b"<", 0, b">")
            .read_to_end(&mut out)
            .await
            .unwrap();
        assert!(out == [b"<", bytes.as_slice(), b">"].concat(), "{size}");
    }
}

#[tokio::test]
async fn a_full_spool_refuses_and_room_comes_back_when_a_mail_ends() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path().to_owned(), 1 << 20).unwrap();
    let bytes = vec![b'x'; 1 << 20];
    let first = body_of(&spool, &bytes).await.unwrap();
    assert!(matches!(
        body_of(&spool, &bytes).await,
        Err(SpoolError::Full { .. })
    ));
    drop(first);
    assert!(body_of(&spool, &bytes).await.is_ok());
}

#[tokio::test]
async fn a_body_that_is_given_up_keeps_its_beginning_and_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path().to_owned(), 1 << 20).unwrap();
    let bytes = vec![b'x'; 1 << 20];
    let mut first = body_of(&spool, &bytes).await.unwrap();
    first.shed();
    assert_eq!(first.len(), OWN_BYTES as u64);
    assert_eq!(first.prefix(), &bytes[..OWN_BYTES]);
    assert_eq!(spool.memory.used_bytes(), 0);
    assert!(body_of(&spool, &bytes).await.is_ok());
    drop(first);
    assert_eq!(spool.disk.used_bytes(), 0);
}

#[tokio::test]
async fn the_spool_leaves_no_name_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path().to_owned(), 1 << 20).unwrap();
    let _body = body_of(&spool, &vec![b'x'; MEMORY_BYTES * 2])
        .await
        .unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let error = Spool::open(PathBuf::from("/proc/none"), 1).unwrap_err();
    assert!(error.to_string().contains("/proc/none"), "{error}");
}

#[tokio::test]
async fn a_full_budget_of_memory_refuses_long_bodies_until_one_ends_and_never_short_ones() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path().to_owned(), 1 << 30).unwrap();
    let long = vec![b'x'; MEMORY_BYTES + 1];
    let mut bodies = Vec::new();
    let refusal = loop {
        match body_of(&spool, &long).await {
            Ok(body) => bodies.push(body),
            Err(refusal) => break refusal,
        }
    };
    assert!(matches!(refusal, SpoolError::Memory { .. }), "{refusal}");
    let held: usize = bodies.iter().map(|body| body.prefix.capacity()).sum();
    let own = bodies.len() * OWN_BYTES;
    assert!(
        held as u64 <= BUDGET_BYTES + own as u64,
        "all is accounted for"
    );
    assert!(
        bodies.len() >= 64,
        "the budget is used: {} bodies",
        bodies.len()
    );
    let short = body_of(&spool, &long[..OWN_BYTES]).await.unwrap();
    assert_eq!(short.len(), OWN_BYTES as u64);

    bodies.pop();
    bodies.push(body_of(&spool, &long).await.unwrap());
    assert!(body_of(&spool, &long).await.is_err());
    bodies.clear();
    assert_eq!(spool.memory.used_bytes(), 0);
}

/// A disk that hangs: the only thread that may touch it is taken, until the sender is dropped.
fn hanging_disk() -> (tokio::runtime::Runtime, std::sync::mpsc::Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || receiver.recv());
    (runtime, sender)
}

#[test]
fn a_disk_that_hangs_is_not_written_for_ever() {
    let (runtime, _hang) = hanging_disk();
    runtime.block_on(async {
        let spool = Spool::open(std::env::temp_dir(), 1 << 30).unwrap();
        let body = tokio::spawn(async move { body_of(&spool, &vec![0; MEMORY_BYTES + 1]).await });
        tokio::task::yield_now().await;
        tokio::time::advance(DISK_TIMEOUT / 2).await;
        assert!(!body.is_finished());
        tokio::time::advance(DISK_TIMEOUT).await;
        let refusal = body.await.unwrap().unwrap_err();
        assert!(matches!(refusal, SpoolError::Slow { .. }), "{refusal}");
    });
}

#[test]
fn a_disk_that_hangs_is_not_read_for_ever() {
    let (runtime, hang) = hanging_disk();
    runtime.block_on(async {
        let spool = Spool::open(std::env::temp_dir(), 1 << 30).unwrap();
        drop(hang);
        let mut body = body_of(&spool, &vec![0; MEMORY_BYTES + 1]).await.unwrap();
        let (_hang, receiver) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv());
        let read = tokio::spawn(async move {
            let mut out = Vec::new();
            body.between(b"", 0, b"").read_to_end(&mut out).await
        });
        tokio::task::yield_now().await;
        tokio::time::advance(DISK_TIMEOUT + Duration::from_millis(1)).await;
        let refusal = read.await.unwrap().unwrap_err();
        assert_eq!(refusal.kind(), io::ErrorKind::TimedOut);
    });
}
