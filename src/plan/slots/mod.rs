//! PURE. Plans that move slots: named ones, rooms, or as many as make masters even.

pub(crate) mod balance;
pub(crate) mod move_slots;
pub(crate) mod moves;
pub(crate) mod rebalance;
