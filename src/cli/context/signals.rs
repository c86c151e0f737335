//! IO. Being told to stop: Ctrl-C, SIGTERM, or the terminal going away.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the program shall end.
pub(crate) async fn stop() {
    let wait = async |kind: SignalKind| match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Without a handler the signal ends the program by itself.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}
