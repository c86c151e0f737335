//! PURE. How slots were moved and repaired before: the same commands with fewer questions. Kept so that the model is seen to find
//! what went wrong with them.

use crate::protocol::Precondition::{HoldsNoKeys, KnowsEpoch};
use crate::protocol::{KeyTransfer, SendPurpose, SlotAct, SlotCommand, SlotStep};

use super::console::id;
use super::server::{A1, SLOTS};

/// Slots over, and nobody asked anything but whether keys are left.
pub fn moved(from: usize, to: usize, slots: &[u16]) -> Vec<SlotStep> {
    let (from, to) = (id(from), id(to));
    let set = |command: &dyn Fn(u16) -> SlotCommand| slots.iter().map(|&slot| command(slot)).collect::<Vec<_>>();
    vec![
        SlotStep::send(SendPurpose::Announce, to, set(&|slot| SlotCommand::Importing { slot, from })),
        SlotStep::send(SendPurpose::Open, from, set(&|slot| SlotCommand::Migrating { slot, to })),
        SlotStep::new(SendPurpose::Move, SlotAct::MoveKeys { from, to, slots: slots.to_vec(), transfer: KeyTransfer::Open }),
        SlotStep::send(SendPurpose::ClaimRest, to, set(&|slot| SlotCommand::Node { slot, owner: to }))
            .requires(vec![HoldsNoKeys { node: from, slots: slots.to_vec() }]),
        SlotStep::send(SendPurpose::Release, from, set(&|slot| SlotCommand::Node { slot, owner: to })),
    ]
}

/// Each slot to its target and back, one after the other.
pub fn there_and_back(from: usize, to: usize) -> Vec<SlotStep> {
    let knows = |at: usize| KnowsEpoch { at: id(at), of: id(to) };
    let everybody = (0..A1).filter(|&at| at != to).map(knows).collect::<Vec<_>>();
    let wait = || SlotStep::new(SendPurpose::Heard, SlotAct::Look).requires(everybody.clone());
    (0..SLOTS as u16)
        .flat_map(|slot| moved(from, to, &[slot]).into_iter().chain([wait()]).chain(moved(to, from, &[slot])))
        .collect()
}
