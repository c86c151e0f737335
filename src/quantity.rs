//! PURE. Quantities in sentences, the same wherever a sentence is said: never a naked number, never too exact.

use std::fmt::Display;
use std::time::Duration;

/// `1 slot`, `2 slots`, `3 entries`, `4 keys`.
pub fn count<N: Copy + Display + PartialEq + From<bool>>(number: N, noun: &str) -> String {
    format!("{number} {}", plural(number, noun))
}

/// The noun as it follows this number.
pub fn plural<N: PartialEq + From<bool>>(number: N, noun: &str) -> String {
    match noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        _ if number == N::from(true) => noun.into(),
        Some(stem) => format!("{stem}ies"),
        None => format!("{noun}s"),
    }
}

/// A count in at most five characters: `0`, `999`, `1.2k`, `12.4k`, `124k`, `1.2M`. What is not more than nothing, or not
/// known to be, is nothing.
pub fn short(number: f64) -> String {
    let mut rest = if number > 0.0 { number } else { 0.0 };
    if rest < 999.5 {
        return format!("{rest:.0}");
    }
    let mut name = "";
    for unit in ["k", "M", "G", "T"] {
        name = unit;
        rest /= 1000.0;
        if rest < 99.95 {
            return format!("{rest:.1}{unit}");
        }
        if rest < 999.5 {
            break;
        }
    }
    format!("{rest:.0}{name}")
}

/// `0 B`, `999 B`, `1.5 KB`, `12 KB`, `1.4 GB`: 1024 to the next, as the servers count.
pub fn bytes(number: u64) -> String {
    let mut rest = number as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if rest < 999.5 {
            return if unit == "B" || rest >= 9.95 { format!("{rest:.0} {unit}") } else { format!("{rest:.1} {unit}") };
        }
        rest /= 1024.0;
    }
    format!("{rest:.1} TB")
}

/// A span to read closely: `0.8 ms`, `840 ms`, `3.1 s`, `18 s`, `2 min 5 s`, `3 h 20 min`.
pub fn span(span: Duration) -> String {
    match span.as_secs_f64() {
        0.0 => "0 ms".into(),
        seconds if seconds < 0.00995 => format!("{:.1} ms", seconds * 1000.0),
        seconds if seconds < 0.9995 => format!("{:.0} ms", seconds * 1000.0),
        seconds if seconds < 9.95 => format!("{seconds:.1} s"),
        _ => age(span),
    }
}

/// `50 ms to 1.0 s`.
pub fn range((from, to): (Duration, Duration)) -> String {
    format!("{} to {}", span(from), span(to))
}

/// A span of which only the seconds count, so that a sentence that lasts does not flicker: `300 ms`, `3 s`, `2 min 5 s`.
pub fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    let two = |big: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{big} {unit}"),
        small => format!("{big} {unit} {small} {part}"),
    };
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(items: &[String]) -> String {
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
    fn counts_have_their_noun() {
        assert_eq!([count(1_u64, "room"), count(0_u64, "key"), count(2_u64, "entry")], ["1 room", "0 keys", "2 entries"]);
        assert_eq!([count(1_u16, "day"), count(5461_u16, "day")], ["1 day", "5461 days"]);
    }

    #[test]
    fn short_counts_never_outgrow_their_column() {
        let counts = [-0.0, -0.3, f64::NAN, 0.4, 999.0, 1000.0, 12_400.0, 124_000.0, 1_234_567.0].map(short);
        assert_eq!(counts, ["0", "0", "0", "0", "999", "1.0k", "12.4k", "124k", "1.2M"]);
        let mut value = 0.4;
        while value < 9e13 {
            assert!(short(value).len() <= 5, "{value} is {}", short(value));
            value *= 1.01;
        }
    }

    #[test]
    fn bytes_and_spans_read_as_said() {
        let sizes = [0, 999, 1023, 1536, 12_288, 1_500_000, 300 << 20, 3 << 30].map(bytes);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 KB", "1.5 KB", "12 KB", "1.4 MB", "300 MB", "3.0 GB"]);
        let long = |micros| span(Duration::from_micros(micros));
        assert_eq!([0, 840, 9_900, 41_000, 840_000].map(long), ["0 ms", "0.8 ms", "9.9 ms", "41 ms", "840 ms"]);
        assert_eq!([3_100_000, 18_900_000, 125_000_000].map(long), ["3.1 s", "18 s", "2 min 5 s"]);
        let ages = [300, 3_100, 120_000, 12_000_000, 360_000_000].map(|ms| age(Duration::from_millis(ms)));
        assert_eq!(ages, ["300 ms", "3 s", "2 min", "3 h 20 min", "4 d 4 h"]);
    }

    #[test]
    fn lists_end_with_and() {
        let items = ["a", "b", "c"].map(String::from);
        assert_eq!([&items[..0], &items[..1], &items[..2], &items].map(list), ["", "a", "a and b", "a, b and c"]);
    }
}
