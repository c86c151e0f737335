//! PURE. Chance for the players: a small generator whose seed is an argument.

/// xorshift64*: plenty for card games.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        u32::try_from((self.roll() >> 32) % u64::from(bound.max(1))).unwrap_or_default()
    }

    /// A room code: five characters that nobody confuses on the phone.
    pub(super) fn code(&mut self) -> String {
        const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let letter = |n: u32| LETTERS.get(usize::try_from(n).unwrap_or_default()).map_or('A', |&byte| char::from(byte));
        (0..5).map(|_| letter(self.below(32))).collect()
    }
}
