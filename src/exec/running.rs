//! IO. The handle of an operation under way: what it says, and how it is paused or stopped.

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::plan::{Code, Control, Outcome, Progress, Report};

/// Steers an operation; clones steer the same one.
#[derive(Clone, Debug)]
pub struct Controls(watch::Sender<Control>);

impl Controls {
    pub(super) fn new() -> (Self, watch::Receiver<Control>) {
        let (sender, receiver) = watch::channel(Control::Run);
        (Self(sender), receiver)
    }

    pub fn pause(&self) {
        self.0.send_if_modified(|now| {
            std::mem::replace(now, if *now == Control::Abort { *now } else { Control::Pause }) == Control::Run
        });
    }

    pub fn resume(&self) {
        self.0.send_if_modified(|now| *now == Control::Pause && std::mem::replace(now, Control::Run) == Control::Pause);
    }

    /// Stop at the next safe point; there is no way back from it.
    pub fn abort(&self) {
        self.0.send_replace(Control::Abort);
    }
}

/// An operation being carried out. Dropping it does not stop the operation; `Progress::Ended` is its last word.
#[derive(Debug)]
pub struct Running {
    pub progress: mpsc::Receiver<Progress>,
    pub control: Controls,
    pub(super) task: JoinHandle<()>,
}

impl Running {
    /// For tests: ends the operation at once, in the middle of whatever it does, as if the console had been killed.
    #[doc(hidden)]
    pub fn abort_handle(&self) -> tokio::task::AbortHandle {
        self.task.abort_handle()
    }

    /// Waits for the end, passing over what is said on the way.
    pub async fn report(mut self) -> Report {
        while let Some(progress) = self.progress.recv().await {
            if let Progress::Ended(report) = progress {
                return report;
            }
        }
        let why = match self.task.await {
            Err(error) => format!("the operation broke off: {error}; run `fix --dry-run` to see what it left"),
            Ok(()) => "the operation ended without a word".into(),
        };
        Report {
            outcome: Outcome::Failed(vec![Code::BrokenOff.because(why)]),
            elapsed: std::time::Duration::ZERO,
            figures: Vec::new(),
        }
    }
}
