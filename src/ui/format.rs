//! PURE. Numbers as texts of bounded width: columns never jump, and what only flickers is rounded away.

use std::time::Duration;

use crate::cluster::Time;

/// A count in at most five characters: `0`, `999`, `1.2k`, `12.4k`, `124k`, `1.2M`.
pub(super) fn count(value: f64) -> String {
    scaled(value, 1000.0, ["k", "M", "G", "T"], "")
}

pub(super) fn number(value: u64) -> String {
    count(value as f64)
}

/// "1 slot", "2 slots", "3 entries", "4 keys".
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {}", plural(count, noun))
}

/// The same in few characters: "1 key", "65.5k keys".
pub(super) fn counted_short(count: u64, noun: &str) -> String {
    format!("{} {}", number(count), plural(count, noun))
}

/// The noun as it follows this count.
pub(super) fn plural(count: u64, noun: &str) -> String {
    match noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        _ if count == 1 => noun.into(),
        Some(stem) => format!("{stem}ies"),
        None => format!("{noun}s"),
    }
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

/// The same with its unit spelled: `12 KB`, for sentences.
pub(super) fn bytes_long(value: u64) -> String {
    let short = bytes(value as f64);
    match short.strip_suffix('B') {
        Some(plain) => format!("{plain} B"),
        None => {
            let digits = short.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let unit = short.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
            format!("{digits} {unit}B")
        }
    }
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

/// A span to read closely: `840 ms`, `3.1 s`, `18 s`, `2 min 05 s`, `3 h 20 min`.
pub(super) fn span_long(value: Duration) -> String {
    let seconds = value.as_secs_f64();
    let whole = value.as_secs();
    if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if whole < 60 {
        format!("{whole} s")
    } else if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", whole / 3600, whole / 60 % 60)
    }
}

/// From a span to a longer one: `15–24 s`, `50 ms – 1.0 s`.
pub(super) fn between(from: Duration, to: Duration, dash: &str) -> String {
    let (from, to) = (span_long(from), span_long(to));
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

fn scaled(value: f64, base: f64, units: [&str; 4], plain: &str) -> String {
    let value = positive(value);
    if value < base - 0.5 {
        return format!("{}{plain}", value.round());
    }
    let mut rest = value;
    for unit in units {
        rest /= base;
        if rest < 99.95 {
            return format!("{rest:.1}{unit}");
        }
        if rest < base - 0.5 {
            return format!("{rest:.0}{unit}");
        }
    }
    format!("{rest:.0}{}", units.last().unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_bounded() {
        let mut value = 0.4;
        while value < 9e13 {
            for text in [count(value), bytes(value)] {
                assert!(text.len() <= 5, "{value} is {text}");
            }
            value *= 1.01;
        }
        for ms in [0.0, 0.2, 1.0, 9.96, 99.9, 999.4, 1000.0, 99_000.0] {
            let text = latency(Duration::from_secs_f64(ms / 1000.0));
            assert!(text.len() <= 5, "{ms} is {text}");
        }
    }

    #[test]
    fn numbers_read_as_people_say_them() {
        assert_eq!(
            [0.0, 999.0, 1000.0, 12_400.0, 124_000.0, 1_234_567.0].map(count),
            ["0", "999", "1.0k", "12.4k", "124k", "1.2M"]
        );
        assert_eq!([0.0, 1023.0, 1024.0, 12_288.0, 1_023_900.0].map(bytes), ["0B", "1023B", "1.0K", "12K", "1.0M"]);
        assert_eq!(
            [-0.0, -0.3, [].iter().sum::<f64>()].map(|value| [count(value), bytes(value), percent(value)].join(" ")),
            ["0 0B 0%"; 3]
        );
        assert_eq!([counted(1, "room"), counted(0, "key"), counted(2, "entry")], ["1 room", "0 keys", "2 entries"]);
        assert_eq!([counted_short(1, "key"), counted_short(65_500, "key")], ["1 key", "65.5k keys"]);
        assert_eq!([0, 12_288].map(bytes_long), ["0 B", "12 KB"]);
        assert_eq!([0.0, 0.3, 61.4, 100.0].map(percent), ["0%", "<1%", "61%", "100%"]);
        assert_eq!([3, 59, 60, 7300, 200_000].map(|s| span(Duration::from_secs(s))), ["3s", "59s", "1m", "2h", "2d"]);
        let long = |ms| span_long(Duration::from_millis(ms));
        assert_eq!([41, 840, 3100, 18_900, 125_000].map(long), ["41 ms", "840 ms", "3.1 s", "18 s", "2 min 05 s"]);
        let range = |a, b| between(Duration::from_millis(a), Duration::from_millis(b), "–");
        assert_eq!([range(10, 100), range(50, 1000), range(15_500, 24_600)], ["10–100 ms", "50 ms – 1.0 s", "15–24 s"]);
        assert_eq!(range(5000, 125_000), "5.0 s – 2 min 05 s");
        assert_eq!(
            [0.3, 0.84, 120.0, 1500.0].map(|ms| latency(Duration::from_secs_f64(ms / 1e3))),
            ["<1ms", "<1ms", "120ms", "1.5s"]
        );
    }
}
