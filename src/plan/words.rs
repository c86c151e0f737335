//! PURE. Figures in sentences: bytes, seconds and counts as an operator says them.

use std::time::Duration;

pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("B");
    if unit == 0 || value >= 100.0 { format!("{value:.0} {name}") } else { format!("{value:.1} {name}") }
}

/// Milliseconds below a second, tenths of seconds below a minute, else minutes.
pub(super) fn span(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{:.1} s", time.as_secs_f64()),
        millis => format!("{} min {} s", millis / 60_000, millis / 1000 % 60),
    }
}

pub(super) fn range((from, to): (Duration, Duration)) -> String {
    format!("{} to {}", span(from), span(to))
}

/// "1 slot", "2 slots".
pub(super) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// "a", "a and b", "a, b and c".
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_said() {
        assert_eq!([bytes(0), bytes(1023), bytes(1536), bytes(300 << 20)], ["0 B", "1023 B", "1.5 KB", "300 MB"]);
        let span_of = |millis| span(Duration::from_millis(millis));
        assert_eq!([span_of(46), span_of(4900), span_of(61_000)], ["46 ms", "4.9 s", "1 min 1 s"]);
        assert_eq!((count(1, "slot"), count(5461, "slot")), ("1 slot".into(), "5461 slots".into()));
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}
