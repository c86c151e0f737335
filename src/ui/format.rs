//! PURE. Numbers as texts of bounded width: columns never jump, and what only flickers is rounded away.

use std::time::Duration;

use crate::cluster::Time;
use crate::quantity;

/// A count in at most five characters.
pub(super) fn number(value: u64) -> String {
    quantity::short(value as f64)
}

/// A count and its noun in few characters: "1 key", "65.5k keys".
pub(super) fn counted_short(count: u64, noun: &str) -> String {
    format!("{} {}", number(count), quantity::plural(count, noun))
}

/// A value that is not negative: what is not known to be more than nothing is nothing, and never `-0`.
fn positive(value: f64) -> f64 {
    if value > 0.0 { value } else { 0.0 }
}

/// Bytes in at most five characters, 1024 to the K: `0B`, `512B`, `1.2K`, `12K`, `3.4M`.
pub(super) fn bytes(value: f64) -> String {
    let value = positive(value);
    if value < 1024.0 {
        return format!("{}B", value.round());
    }
    let mut rest = value;
    for unit in ["K", "M", "G", "T"] {
        rest /= 1024.0;
        if rest < 9.95 {
            return format!("{rest:.1}{unit}");
        }
        if rest < 999.5 {
            return format!("{rest:.0}{unit}");
        }
    }
    format!("{rest:.0}T")
}

/// A percentage in at most four characters: `<1%`, `61%`, `100%`.
pub(super) fn percent(value: f64) -> String {
    let value = positive(value);
    if value > 0.0 && value < 1.0 { "<1%".into() } else { format!("{value:.0}%") }
}

/// A latency in at most five characters. Below a millisecond it is `<1ms`: nobody plays worse for it, and it would flicker.
pub(super) fn latency(value: Duration) -> String {
    let ms = value.as_secs_f64() * 1000.0;
    if ms < 1.0 {
        "<1ms".into()
    } else if ms < 1000.0 {
        format!("{ms:.0}ms")
    } else {
        format!("{:.1}s", ms / 1000.0)
    }
}

/// A latency to the tenth of a millisecond, where there is room to look closely.
pub(super) fn latency_exact(value: Duration) -> String {
    let ms = value.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.1}ms") } else { latency(value) }
}

/// An age or a span in at most three characters up to 99 days: `3s`, `45s`, `2m`, `2h`, `3d`.
pub(super) fn span(value: Duration) -> String {
    let seconds = value.as_secs();
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=3599 => format!("{}m", seconds / 60),
        3600..=86_399 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// From a span to a longer one: `15–24 s`, `50 ms – 1.0 s`.
pub(super) fn between(from: Duration, to: Duration, dash: &str) -> String {
    let (from, to) = (quantity::span(from), quantity::span(to));
    let unit = |text: &str| text.rsplit(' ').next().map(str::to_string);
    match from.split_once(' ') {
        _ if from == to => to,
        Some((number, rest)) if !rest.contains(' ') && unit(&from) == unit(&to) && to.matches(' ').count() == 1 => {
            format!("{number}{dash}{to}")
        }
        _ => format!("{from} {dash} {to}"),
    }
}

/// The time of day, UTC.
pub(super) fn clock(time: Time) -> String {
    time.format("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_bounded() {
        let mut value = 0.4;
        while value < 9e13 {
            assert!(bytes(value).len() <= 5, "{value} is {}", bytes(value));
            value *= 1.01;
        }
        for ms in [0.0, 0.2, 1.0, 9.96, 99.9, 999.4, 1000.0, 99_000.0] {
            let text = latency(Duration::from_secs_f64(ms / 1000.0));
            assert!(text.len() <= 5, "{ms} is {text}");
        }
    }

    #[test]
    fn numbers_read_as_people_say_them() {
        assert_eq!([0.0, 1023.0, 1024.0, 12_288.0, 1_023_900.0].map(bytes), ["0B", "1023B", "1.0K", "12K", "1.0M"]);
        assert_eq!([-0.0, -0.3, [].iter().sum::<f64>()].map(|value| [bytes(value), percent(value)].join(" ")), ["0B 0%"; 3]);
        assert_eq!([counted_short(1, "key"), counted_short(65_500, "key")], ["1 key", "65.5k keys"]);
        assert_eq!([0.0, 0.3, 61.4, 100.0].map(percent), ["0%", "<1%", "61%", "100%"]);
        assert_eq!([3, 59, 60, 7300, 200_000].map(|s| span(Duration::from_secs(s))), ["3s", "59s", "1m", "2h", "2d"]);
        let range = |a, b| between(Duration::from_millis(a), Duration::from_millis(b), "–");
        assert_eq!([range(10, 100), range(50, 1000), range(15_500, 24_600)], ["10–100 ms", "50 ms – 1.0 s", "15–24 s"]);
        assert_eq!(range(5000, 125_000), "5.0 s – 2 min 5 s");
        assert_eq!(
            [0.3, 0.84, 120.0, 1500.0].map(|ms| latency(Duration::from_secs_f64(ms / 1e3))),
            ["<1ms", "<1ms", "120ms", "1.5s"]
        );
    }
}
