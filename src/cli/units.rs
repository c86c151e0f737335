//! PURE. Numbers as people read them: with a unit, short, never a naked dash for zero.

use std::time::Duration;

/// `12.4k`, `3.1M`.
pub(super) fn count(number: f64) -> String {
    scaled(number, 1000.0, &["", "k", "M", "G", "T"])
}

/// `512 B`, `1.2 KB`: powers of 1024.
pub(super) fn bytes(number: u64) -> String {
    scaled(number as f64, 1024.0, &[" B", " KB", " MB", " GB", " TB"])
}

fn scaled(number: f64, step: f64, units: &[&str]) -> String {
    let mut value = number;
    let mut unit = units.first().copied().unwrap_or_default();
    for next in units.iter().skip(1) {
        if value.abs() < step {
            break;
        }
        value /= step;
        unit = next;
    }
    let whole = (value - value.round()).abs() < 0.05 || value.abs() >= 100.0;
    if whole { format!("{value:.0}{unit}") } else { format!("{value:.1}{unit}") }
}

/// The two biggest parts that matter: `350ms`, `3s`, `2m 5s`, `1h 3m`, `4d 2h`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let two = |big: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit} {small}{part}"),
    };
    match seconds {
        0 => format!("{}ms", span.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => two(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// `1 room`, `2 rooms`.
pub(super) fn plural(number: u64, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// Rounded for JSON: three digits after the point say more than any of these measurements knows.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_units() {
        let counts = [0.0, 7.0, 999.0, 12_400.0, 1_000_000.0].map(count);
        assert_eq!(counts, ["0", "7", "999", "12.4k", "1M"]);
        assert_eq!([0, 512, 1229, 5 << 30].map(bytes), ["0 B", "512 B", "1.2 KB", "5 GB"]);
        let spans = [0.35, 3.9, 125.0, 3780.0, 360_000.0].map(|s| span(Duration::from_secs_f64(s)));
        assert_eq!(spans, ["350ms", "3s", "2m 5s", "1h 3m", "4d 4h"]);
        assert_eq!([plural(1, "room"), plural(0, "room")], ["1 room", "0 rooms"]);
    }
}
