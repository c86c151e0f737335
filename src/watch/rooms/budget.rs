//! PURE. What a scan may cost a server, and how long to pause so that it does not cost more.

use std::time::Duration;

/// Share of one core for a server's first scan: rooms are wanted on the screen.
const FIRST: f64 = 0.02;
/// Share of one core for all later ones. With the polls it stays below 0.1 %.
const LATER: f64 = 0.0007;

/// Server time of what was asked, in microseconds as INFO commandstats counts them. On the high side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ScanCost(f64);

impl ScanCost {
    pub(super) fn scan(keys: usize) -> Self {
        Self(4.0 + 0.8 * keys as f64)
    }

    /// MEMORY USAGE, which samples five elements of what it measures.
    pub(super) fn measure(count: usize) -> Self {
        Self(1.5 * count as f64)
    }

    /// Reads of a room's state.
    pub(super) fn read(count: usize) -> Self {
        Self(2.0 * count as f64)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0 += other.0;
    }

    /// How long to leave the server alone after this, when it all took `elapsed`: never less time than is estimated,
    /// unless the server was in fact faster.
    pub(super) fn pause(self, elapsed: Duration, first: bool) -> Duration {
        let share = if first { FIRST } else { LATER };
        let spent = Duration::from_secs_f64(self.0 / 1e6).min(elapsed);
        spent.mul_f64(1.0 / share - 1.0)
    }
}

/// Sizes change slowly: in later scans one room in this many is measured again, fewer the more keys there are.
pub(super) fn measure_one_in(keys: u64) -> u64 {
    (keys / 20_000).clamp(4, 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_keep_the_share() {
        let mut cost = ScanCost::scan(200);
        cost.add(ScanCost::measure(200));
        cost.add(ScanCost::read(80));
        let spent = 0.000_624;
        let slow = Duration::from_secs(1);
        assert!((cost.pause(slow, true).as_secs_f64() - spent * 49.0).abs() < 1e-6);
        let later = cost.pause(slow, false).as_secs_f64();
        assert!(spent / (spent + later) <= LATER + 1e-9, "{later}");
        // A slow line is not the server's time; a quick server is believed.
        assert_eq!(cost.pause(Duration::from_micros(100), true), Duration::from_micros(4900));
    }

    #[test]
    fn large_keyspaces_are_measured_less_often() {
        assert_eq!([300, 100_000, 1_000_000, 100_000_000].map(measure_one_in), [4, 5, 50, 64]);
    }
}
