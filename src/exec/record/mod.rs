//! IO. What is written down: the journal before a command is sent, the ledger after it, and who did it.

pub(crate) mod journal;
pub(crate) mod ledger;
pub(crate) mod who;

/// Files block, at worst for as long as a server of theirs is away: never on the threads that links live on.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going, and whoever waits here with it.
            Err(_) => std::future::pending().await,
        },
    }
}
