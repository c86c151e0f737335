//! PURE. What was acknowledged of one game: a bit a move, held against the bits that the servers hold.

/// Moves of one game; then the room starts its next one under a new key.
pub(super) const MOVES: u16 = 4096;

/// The account of one game. Bits are in the order of SETBIT: the first move is the highest bit of the first byte.
#[derive(Clone, Debug)]
pub(super) struct WriteLog {
    /// Tells this game from every other one: replies to moves of earlier games do not count for it.
    pub(super) id: u64,
    next: u16,
    acknowledged: Vec<u8>,
    lost: Vec<u8>,
}

impl WriteLog {
    pub(super) fn new(id: u64) -> Self {
        Self { id, next: 0, acknowledged: Vec::new(), lost: Vec::new() }
    }

    /// The number of the next move, which no other move will ever have; None when the game is full.
    pub(super) fn take(&mut self) -> Option<u16> {
        let seq = self.next;
        (seq < MOVES).then(|| {
            self.next += 1;
            seq
        })
    }

    pub(super) fn is_full(&self) -> bool {
        self.next >= MOVES
    }

    pub(super) fn acknowledge(&mut self, seq: u16) {
        set(&mut self.acknowledged, seq);
    }

    /// Nothing has been acknowledged: nothing can be lost.
    pub(super) fn is_blank(&self) -> bool {
        self.acknowledged.is_empty()
    }

    /// What has been acknowledged by now: an audit that reads from now on must find all of it.
    pub(super) fn snapshot(&self) -> Vec<u8> {
        self.acknowledged.clone()
    }

    /// Holds a snapshot against what the owner had afterwards. Returns the losses not counted before.
    pub(super) fn audit(&mut self, snapshot: &[u8], found: &[u8]) -> u64 {
        let mut newly = 0;
        self.lost.resize(self.lost.len().max(snapshot.len()), 0);
        for (i, (&expected, lost)) in snapshot.iter().zip(&mut self.lost).enumerate() {
            let missing = expected & !found.get(i).copied().unwrap_or_default() & !*lost;
            newly += u64::from(missing.count_ones());
            *lost |= missing;
        }
        newly
    }
}

fn set(bits: &mut Vec<u8>, seq: u16) {
    let at = usize::from(seq / 8);
    if bits.len() <= at {
        bits.resize(at + 1, 0);
    }
    if let Some(byte) = bits.get_mut(at) {
        *byte |= 0x80 >> (seq % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_an_acknowledged_bit_that_is_absent_and_is_counted_once() {
        let mut book = WriteLog::new(1);
        let moves: Vec<u16> = (0..20).filter_map(|_| book.take()).collect();
        assert_eq!(moves.len(), 20);
        moves.iter().filter(|&&seq| seq != 7).for_each(|&seq| book.acknowledge(seq));
        let snapshot = book.snapshot();
        assert_eq!(snapshot, [0xfe, 0xff, 0xf0]);
        // Bits of unknown fate may be there or not; bits after the snapshot are no business of it.
        assert_eq!(book.audit(&snapshot, &[0xff, 0xff, 0xff]), 0);
        assert_eq!(book.audit(&snapshot, &[0xfe, 0x0f]), 8);
        assert_eq!(book.audit(&snapshot, &[0xfe, 0x0f]), 0, "counted before");
        assert_eq!(book.audit(&snapshot, &[]), 11);
    }

    #[test]
    fn a_game_is_full_after_its_moves() {
        let mut book = WriteLog::new(1);
        assert_eq!((0..=MOVES).filter_map(|_| book.take()).last(), Some(MOVES - 1));
        assert!(book.is_full() && book.take().is_none());
    }
}
