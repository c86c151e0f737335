//! PURE. The slot protocol as data: what is sent to move or to repair slots, what must be true before, what is read after.
//!
//! A sequence is a list of [`SlotStep`]s. Whoever carries one out, the executor or the model checker of the tests, does the
//! same with each: read what [`SlotStep::requires`] asks for, go on only if every precondition holds, do what
//! [`SlotStep::act`] says, read what [`SlotStep::confirms`] asks for. What nobody has said does not hold.
//!
//! What keeps keys alive is in four rules of the servers, and the steps follow from them:
//! - a master that learns, under a higher epoch, that a slot it owns belongs to another deletes its keys of that slot;
//! - `SETSLOT … NODE` to the new owner raises its epoch only if it imports the slot, and only above what it has heard;
//! - a mark can be overwritten by anybody at any time, silently;
//! - a replica that takes over claims what it has heard its master own.

mod command;
mod evidence;
mod group;
mod heard;
mod repair;
mod step;

pub use command::SlotCommand;
pub use evidence::{Direction, RepairObstacle, SlotEvidence};
pub use group::{MoveGroup, begin, move_group, move_group_back, move_next, release, turn};
pub use heard::{Heard, Precondition, PreconditionState};
pub use repair::{Repair, Surroundings, repair_steps};
pub use step::{CHECK_LASTS, KeyTransfer, SendPurpose, SlotAct, SlotStep, check_lasts, drain, fence};
