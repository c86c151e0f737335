//! PURE. How findings write quantities: durations, bytes, slots, lists, always with a unit and never too long.

use std::time::Duration;

use crate::cluster::{RoomTally, SlotSet};

/// `3 s`, `2 min 5 s`, `3 h 10 min`.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `refused`, `refused for 3 s`.
pub(super) fn lasting(what: impl std::fmt::Display, duration: Duration) -> String {
    if duration.as_secs() == 0 { what.to_string() } else { format!("{what} for {}", span(duration)) }
}

/// `0 B`, `12 KB`, `1.4 GB`: powers of 1024, as the servers count.
pub(super) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" || value >= 10.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TB")
}

/// The first ranges of a set: `0-99 200 300-399 and 4 more ranges`.
pub(super) fn slots(set: &SlotSet) -> String {
    const SHOWN: usize = 3;
    let ranges = set.ranges();
    let mut text = ranges.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(" ");
    if ranges.len() > SHOWN {
        text += &format!(" and {}", count(ranges.len() - SHOWN, "more range"));
    }
    text
}

/// `1 slot`, `2 slots`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `61 rooms, 204 players`, or nothing when no room is known there.
pub(super) fn people(tally: &RoomTally) -> Option<String> {
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    (tally.rooms > 0).then(|| format!("{}, {}", count(number(tally.rooms), "room"), count(number(tally.players), "player")))
}

/// `a`, `a and b`, `a, b and 3 more`.
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_units_and_stay_short() {
        let spans = [300, 3_000, 125_000, 120_000, 11_400_000].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(spans, ["300 ms", "3 s", "2 min 5 s", "2 min", "3 h 10 min"]);
        assert_eq!([0, 999, 12_288, 1_500_000, 3 << 30].map(bytes), ["0 B", "999 B", "12 KB", "1.4 MB", "3.0 GB"]);
        assert_eq!(slots(&[1u16, 3, 5, 7, 9].into_iter().collect()), "1 3 5 and 2 more ranges");
        assert_eq!(list(&["a", "b", "c", "d"].map(String::from)), "a, b and 2 more");
    }
}
