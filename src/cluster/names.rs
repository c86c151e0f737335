//! PURE. Names of shards: A, B, … in slot order at first sight, then kept for as long as one of their nodes lives.

use std::fmt;

/// The letter (or letters) of a shard; the number is its rank at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardName(pub u16);

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = Vec::new();
        let mut rest = u32::from(self.0) + 1;
        while rest > 0 {
            rest -= 1;
            letters.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or_default()));
            rest /= 26;
        }
        f.pad(&letters.iter().rev().collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_count_as_spreadsheets_do() {
        let name = |n: u16| ShardName(n).to_string();
        assert_eq!([name(0), name(25), name(26), name(27), name(701), name(702)], ["A", "Z", "AA", "AB", "ZZ", "AAA"]);
    }
}
