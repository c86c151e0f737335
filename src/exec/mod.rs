//! IO. plan → steps → servers → progress: check, do, verify. "OK" from a command is not done: what every node says is.
//!
//! ```text
//!  execute ─► read the facts again ─► planned the same? ─► do a step ─► read back from every node ─► agreed? ─► report
//!                                        │ no: refused        ▲            (pause, resume, abort between steps)
//!                                        ▼                    └──────────────────────┘
//! ```

mod agree;
mod carry;
mod context;
mod executor;
mod failover;
mod give_way;
mod journal;
mod ledger;
mod membership;
mod preflight;
mod presence;
mod read;
mod repair;
mod reshard;
mod running;
mod slots;
mod survey;
mod trial;
mod turn;
mod who;

pub use executor::{Executor, ExecutorSettings};
pub use journal::{under_way, unfinished};
pub use ledger::LEDGER;
pub use running::{Control, Controls, Running};
