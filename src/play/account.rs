//! PURE. What players feel, counted: the figures of the verdict line, and those a drill reports.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::cluster::PlayStats;

/// Writes a second are told over this much of the past.
const WINDOW: Duration = Duration::from_secs(1);

/// The account so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlayAccount {
    pub stats: PlayStats,
    /// Refused writes by the server's error code; `NOTSENT` for those that found no connection.
    pub refusals: BTreeMap<String, u64>,
    /// Every room is on the servers, no gap is open, and what was acknowledged before the last disturbance has been
    /// read back.
    pub settled: bool,
}

/// Keeps [`PlayAccount`] up to date.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) account: PlayAccount,
    rate: VecDeque<(Duration, u64)>,
    overlaps: bool,
}

impl Tally {
    pub(super) fn acknowledge(&mut self) {
        self.account.stats.acknowledged += 1;
    }

    pub(super) fn refuse(&mut self, code: &str) {
        self.account.stats.refused += 1;
        match self.account.refusals.get_mut(code) {
            Some(count) => *count += 1,
            None => drop(self.account.refusals.insert(code.to_owned(), 1)),
        }
    }

    pub(super) fn forget(&mut self) {
        self.account.stats.unknown += 1;
    }

    pub(super) fn lose(&mut self, writes: u64) {
        self.account.stats.lost += writes;
    }

    /// Gaps that overlap are one event to players, the longest of them: `others` says whether one is still open.
    pub(super) fn end_gap(&mut self, length: Duration, others: bool) {
        let stats = &mut self.account.stats;
        let overlaps = std::mem::replace(&mut self.overlaps, others);
        stats.last_gap = if overlaps { stats.last_gap.max(Some(length)) } else { Some(length) };
        stats.worst_gap = stats.worst_gap.max(Some(length));
    }

    /// The account at this moment, with the longest gap that is open.
    pub(super) fn close(&mut self, now: Duration, gap: Option<Duration>, settled: bool) -> &PlayAccount {
        while self.rate.len() > 1 && self.rate.get(1).is_some_and(|&(at, _)| now.saturating_sub(at) >= WINDOW) {
            self.rate.pop_front();
        }
        let acknowledged = self.account.stats.acknowledged;
        self.rate.push_back((now, acknowledged));
        if let Some(&(at, count)) = self.rate.front()
            && now > at
        {
            let writes = u32::try_from(acknowledged.saturating_sub(count)).unwrap_or(u32::MAX);
            self.account.stats.writes_per_sec = f64::from(writes) / now.saturating_sub(at).as_secs_f64();
        }
        self.account.stats.gap = gap;
        self.account.settled = settled;
        &self.account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_second_and_gaps_are_remembered() {
        let mut tally = Tally::default();
        for quarter in 0..20_u32 {
            let writes = if quarter < 12 { 100 } else { 25 };
            (0..writes).for_each(|_| tally.acknowledge());
            tally.close(Duration::from_millis(250) * quarter, None, true);
        }
        assert!((tally.account.stats.writes_per_sec - 100.0).abs() < 1.0, "{:?}", tally.account.stats);
        tally.end_gap(Duration::from_millis(300), true);
        tally.end_gap(Duration::from_millis(60), false);
        assert_eq!(tally.account.stats.last_gap, Some(Duration::from_millis(300)));
        tally.end_gap(Duration::from_millis(40), false);
        let stats = tally.close(Duration::from_secs(6), Some(Duration::from_millis(120)), false).stats;
        assert_eq!((stats.gap, stats.last_gap, stats.worst_gap).map_millis(), (Some(120), Some(40), Some(300)));
    }

    trait MapMillis {
        fn map_millis(self) -> (Option<u128>, Option<u128>, Option<u128>);
    }

    impl MapMillis for (Option<Duration>, Option<Duration>, Option<Duration>) {
        fn map_millis(self) -> (Option<u128>, Option<u128>, Option<u128>) {
            let ms = |gap: Option<Duration>| gap.map(|gap| gap.as_millis());
            (ms(self.0), ms(self.1), ms(self.2))
        }
    }
}
