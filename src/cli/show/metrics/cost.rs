//! IO. What this process has cost so far, as the system counts it.

use std::time::Duration;

use crate::metrics::WatchCost;

/// Linux counts a process's time in hundredths of a second, on every architecture that it shows it to programs.
const TICK: Duration = Duration::from_millis(10);

/// Unknown where there is no /proc.
pub(super) fn now(observations: u64) -> WatchCost {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let cpu = read("/proc/self/stat").and_then(|text| cpu(&text));
    let resident_bytes = read("/proc/self/status").and_then(|text| resident(&text));
    WatchCost { cpu, resident_bytes, observations }
}

/// The 14th and 15th fields, user and system; the second is a name in brackets that may have blanks in it.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u32>().ok()?.checked_add(fields.next()?.parse().ok()?)?;
    Some(TICK * ticks)
}

/// `VmRSS:     12345 kB`.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let stat = "12 (rgc tui) x) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 3 0 9 1 2";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1750)));
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!((cpu("nonsense"), resident("")), (None, None));
    }
}
