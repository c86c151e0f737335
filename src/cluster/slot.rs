//! PURE. Slots: the key-to-slot function, ranges, and sets of slots.

use std::fmt;
use std::str::FromStr;

/// A cluster has exactly this many slots.
pub const SLOTS: u16 = 16384;

/// The part of a key that decides its slot: the bytes between the first `{` and the next `}`, or the whole key.
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&b| b == b'{') else {
        return key;
    };
    let after = key.get(open + 1..).unwrap_or_default();
    match after.iter().position(|&b| b == b'}') {
        Some(0) | None => key,
        Some(close) => after.get(..close).unwrap_or(key),
    }
}

/// The slot of a key: CRC16/XMODEM of its hash tag, modulo 16384.
pub fn key_slot(key: &[u8]) -> u16 {
    let crc = hash_tag(key).iter().fold(0u16, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    });
    crc % SLOTS
}

/// Slots `start..=end`, both included, as the servers write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotRange {
    pub start: u16,
    pub end: u16,
}

impl SlotRange {
    pub fn new(start: u16, end: u16) -> Self {
        Self { start, end }
    }

    pub fn len(self) -> u16 {
        self.end.saturating_sub(self.start) + 1
    }

    pub fn is_empty(self) -> bool {
        self.end < self.start
    }

    pub fn contains(self, slot: u16) -> bool {
        (self.start..=self.end).contains(&slot)
    }

    pub fn iter(self) -> impl Iterator<Item = u16> {
        self.start..=self.end
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.start == self.end { write!(f, "{}", self.start) } else { write!(f, "{}-{}", self.start, self.end) }
    }
}

impl FromStr for SlotRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let slot = part.trim().parse::<u16>().ok().filter(|&slot| slot < SLOTS);
            slot.ok_or_else(|| format!("`{text}` is not a slot range: expected N or N-M with slots from 0 to 16383"))
        };
        let (start, end) = match text.split_once(['-', '–']) {
            Some((start, end)) => (number(start)?, number(end)?),
            None => (number(text)?, number(text)?),
        };
        if end < start {
            return Err(format!("`{text}` is not a slot range: it ends before it starts, did you mean {end}-{start}?"));
        }
        Ok(Self { start, end })
    }
}

/// A set of slots; iterates in order and prints as ranges (`0-99 200`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SlotSet(Box<[u64; 256]>);

impl Default for SlotSet {
    fn default() -> Self {
        Self(Box::new([0; 256]))
    }
}

impl SlotSet {
    pub fn all() -> Self {
        Self(Box::new([u64::MAX; 256]))
    }

    /// Adds a slot; false when it was there already or is no slot at all.
    pub fn insert(&mut self, slot: u16) -> bool {
        let (word, bit) = (usize::from(slot / 64), 1u64 << (slot % 64));
        let Some(word) = self.0.get_mut(word) else { return false };
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    pub fn remove(&mut self, slot: u16) {
        if let Some(word) = self.0.get_mut(usize::from(slot / 64)) {
            *word &= !(1u64 << (slot % 64));
        }
    }

    pub fn contains(&self, slot: u16) -> bool {
        self.0.get(usize::from(slot / 64)).is_some_and(|word| word & (1u64 << (slot % 64)) != 0)
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// In order. Empty stretches cost a word each, not a slot each.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().zip(0u16..).flat_map(|(&word, at)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = u16::try_from(rest.trailing_zeros()).ok().filter(|_| rest != 0)?;
                rest &= rest - 1;
                Some(at * 64 + bit)
            })
        })
    }

    pub fn extend_range(&mut self, range: SlotRange) {
        let (start, end) = (range.start, range.end.min(SLOTS - 1));
        if start > end {
            return;
        }
        let (first, last) = (usize::from(start / 64), usize::from(end / 64));
        for (at, word) in self.0.iter_mut().enumerate().take(last + 1).skip(first) {
            let from = if at == first { u64::MAX << (start % 64) } else { u64::MAX };
            let to = if at == last { u64::MAX >> (63 - end % 64) } else { u64::MAX };
            *word |= from & to;
        }
    }

    /// Every slot that is in either of them.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, |ours, theirs| ours | theirs)
    }

    /// Every slot of this set that is not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.with(other, |ours, theirs| ours & !theirs)
    }

    /// Every slot that is in both.
    #[must_use]
    pub fn both(&self, other: &Self) -> Self {
        self.with(other, |ours, theirs| ours & theirs)
    }

    pub fn contains_all(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).all(|(ours, theirs)| theirs & !ours == 0)
    }

    fn with(&self, other: &Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        let mut result = self.clone();
        for (ours, theirs) in result.0.iter_mut().zip(other.0.iter()) {
            *ours = combine(*ours, *theirs);
        }
        result
    }

    /// The set as the fewest ranges that cover it, in order.
    pub fn ranges(&self) -> Vec<SlotRange> {
        let mut ranges: Vec<SlotRange> = Vec::new();
        for slot in self.iter() {
            match ranges.last_mut() {
                Some(last) if last.end + 1 == slot => last.end = slot,
                _ => ranges.push(SlotRange::new(slot, slot)),
            }
        }
        ranges
    }
}

impl Extend<u16> for SlotSet {
    fn extend<I: IntoIterator<Item = u16>>(&mut self, slots: I) {
        for slot in slots {
            self.insert(slot);
        }
    }
}

impl FromIterator<u16> for SlotSet {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> Self {
        let mut set = Self::default();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

impl<'a> FromIterator<&'a SlotRange> for SlotSet {
    fn from_iter<I: IntoIterator<Item = &'a SlotRange>>(ranges: I) -> Self {
        let mut set = Self::default();
        for range in ranges {
            set.extend_range(*range);
        }
        set
    }
}

impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.ranges().iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{range}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_as_the_servers_hash_them() {
        // CRC16/XMODEM check value, and slots read from CLUSTER KEYSLOT on redis 7.0.15.
        assert_eq!(key_slot(b"123456789"), 0x31c3);
        assert_eq!(key_slot(b"foo"), 12182);
        assert_eq!(key_slot(b"room:{KX9Q2}:state"), key_slot(b"KX9Q2"));
        assert_eq!(hash_tag(b"a{}b{c}"), b"a{}b{c}");
        assert_eq!(hash_tag(b"a{b{c}d"), b"b{c");
    }

    #[test]
    fn ranges_read_back_what_they_print() {
        for text in ["0", "0-16383", "5461-10922"] {
            assert_eq!(text.parse::<SlotRange>().unwrap().to_string(), text);
        }
        for bad in ["", "x", "16384", "9-3", "1-2-3", "-1"] {
            let error = bad.parse::<SlotRange>().unwrap_err();
            assert!(error.contains("slot range"), "{error}");
        }
    }

    #[test]
    fn a_set_prints_the_fewest_ranges() {
        let set: SlotSet = [3u16, 1, 2, 9, 16383].into_iter().collect();
        assert_eq!(set.to_string(), "1-3 9 16383");
        assert_eq!(set.len(), 5);
        assert_eq!(SlotSet::all().to_string(), "0-16383");
    }

    #[test]
    fn sets_combine_word_by_word_as_they_would_slot_by_slot() {
        for (start, end) in [(0, 0), (0, 63), (63, 64), (1, 16383), (5461, 10922), (16383, 16383), (64, 127), (9, 3)] {
            let mut fast = SlotSet::default();
            fast.extend_range(SlotRange::new(start, end));
            let slow: SlotSet = (start..=end).collect();
            assert_eq!(fast, slow, "{start}-{end}");
            assert_eq!(fast.iter().collect::<Vec<_>>(), (start..=end).collect::<Vec<_>>());
        }
        let (low, high): (SlotSet, SlotSet) = ((0..100).collect(), (50..200).collect());
        assert_eq!(low.plus(&high).to_string(), "0-199");
        assert_eq!(low.minus(&high).to_string(), "0-49");
        assert_eq!(low.both(&high).to_string(), "50-99");
        assert!(SlotSet::all().contains_all(&low) && !low.contains_all(&high));
    }
}
