//! PURE. How findings write what is long: slots, lists, and what lasts.

use std::time::Duration;

use crate::cluster::{RoomTally, SlotSet};
use crate::quantity::{age, count};

/// `refused`, `refused for 3 s`.
pub(super) fn lasting(what: impl std::fmt::Display, duration: Duration) -> String {
    if duration.as_secs() == 0 { what.to_string() } else { format!("{what} for {}", age(duration)) }
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

/// `61 rooms, 204 players`, or nothing when no room is known there.
pub(super) fn people(tally: &RoomTally) -> Option<String> {
    (tally.rooms > 0).then(|| format!("{}, {}", count(tally.rooms, "room"), count(tally.players, "player")))
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
    fn what_is_long_is_cut_short() {
        assert_eq!(slots(&[1u16, 3, 5, 7, 9].into_iter().collect()), "1 3 5 and 2 more ranges");
        assert_eq!(list(&["a", "b", "c", "d"].map(String::from)), "a, b and 2 more");
    }
}
