//! PURE. What plans and operations say: steps, outcomes, reasons with codes, figures, JSON, the audit log.

pub mod entry;
pub(crate) mod figures;
pub mod json;
pub(crate) mod plan;
pub(crate) mod reason;
pub mod shell;
pub(crate) mod shown;
pub(crate) mod unfinished;
