//! IO. The program's one clock: wall time at the start, carried on by tokio's clock so that tests can pause it.

use tokio::time::Instant;

use crate::cluster::Time;

/// Tells the time. Copies agree with each other.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Time,
    at: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the edge at which wall time enters")]
    pub fn start() -> Self {
        Self { began: chrono::Utc::now(), at: Instant::now() }
    }

    /// A clock that starts at a chosen time, for tests that compare what they print.
    pub fn starting_at(began: Time) -> Self {
        Self { began, at: Instant::now() }
    }

    pub fn now(&self) -> Time {
        self.began + self.at.elapsed()
    }
}
