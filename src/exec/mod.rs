//! IO. plan → steps → servers → progress: check, do, verify. "OK" from a command is not done: what every node says is.
//!
//! ```text
//!  execute ─► read the facts again ─► planned the same? ─► do a step ─► read back from every node ─► agreed? ─► report
//!                                        │ no: refused        ▲            (pause, resume, abort between steps)
//!                                        ▼                    └──────────────────────┘
//! ```

mod context;
mod executor;
mod failover;
mod give_way;
mod lock;
mod meet;
mod membership;
mod preflight;
mod read;
mod record;
mod repair;
mod reshard;
mod running;
mod slots;

pub use executor::{Executor, ExecutorSettings};
pub use lock::Lock;
pub use record::journal::{under_way, unfinished};
pub use record::ledger::LEDGER;
#[cfg(feature = "console")]
pub(crate) use record::off_thread;
pub use repair::after_stop::STOPS_WITHIN;
pub use running::{Controls, Running};
