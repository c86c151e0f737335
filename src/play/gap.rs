//! PURE. The write gap of one shard: from the first attempt that is not acknowledged to the next acknowledgement.

use std::time::Duration;

/// Above this a shard that does not acknowledge is said to be in a gap, and a late acknowledgement ends one.
pub(super) const NOTABLE: Duration = Duration::from_millis(100);

/// After trouble an acknowledgement this late already ends one.
const BRIEF: Duration = Duration::from_millis(10);

/// Times are since the start of play.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gap {
    /// When the oldest attempt since the last acknowledgement was made.
    since: Option<Duration>,
    /// Something has gone wrong since then: even a short gap is worth telling.
    troubled: bool,
}

impl Gap {
    pub(super) fn attempt(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// A refusal, a lost connection, a change of owner.
    pub(super) fn trouble(&mut self) {
        self.troubled = self.since.is_some();
    }

    /// An acknowledgement; the length of the gap that it ends, if that was one.
    pub(super) fn acknowledged(&mut self, now: Duration) -> Option<Duration> {
        let length = now.saturating_sub(self.since?);
        let ended = length > NOTABLE || (self.troubled && length >= BRIEF);
        *self = Self::default();
        ended.then_some(length)
    }

    /// Attempts fail or wait for notably long.
    pub(super) fn is_open(&self, now: Duration) -> bool {
        (self.troubled && self.since.is_some()) || self.so_far(now).is_some()
    }

    /// How long it has been so far, once that is notable.
    pub(super) fn so_far(&self, now: Duration) -> Option<Duration> {
        Some(now.saturating_sub(self.since?)).filter(|&length| length > NOTABLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_gap_runs_from_the_first_failed_attempt_to_the_next_acknowledgement() {
        let mut gap = Gap::default();
        gap.attempt(ms(10));
        assert_eq!(gap.acknowledged(ms(12)), None);
        // Idle time is no gap.
        gap.attempt(ms(5000));
        gap.trouble();
        gap.attempt(ms(5010));
        assert_eq!((gap.so_far(ms(5090)), gap.so_far(ms(5200))), (None, Some(ms(200))));
        assert_eq!(gap.acknowledged(ms(5300)), Some(ms(300)));
        assert_eq!(gap.so_far(ms(9000)), None);
    }

    #[test]
    fn a_short_gap_counts_when_something_went_wrong_a_slow_answer_when_it_is_notable() {
        let mut gap = Gap::default();
        gap.trouble();
        gap.attempt(ms(0));
        assert_eq!(gap.acknowledged(ms(46)), None);
        gap.attempt(ms(100));
        gap.trouble();
        assert_eq!(gap.acknowledged(ms(146)), Some(ms(46)));
        gap.attempt(ms(200));
        assert_eq!(gap.acknowledged(ms(350)), Some(ms(150)));
    }
}
