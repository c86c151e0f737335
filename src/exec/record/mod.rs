//! IO. What is written down: the journal before a command is sent, the ledger after it, and who did it.

pub(crate) mod journal;
pub(crate) mod ledger;
pub(crate) mod who;
