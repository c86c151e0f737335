//! IO. What every command stands on: the configuration in force, one look at the cluster, the writer, exit codes.

pub(crate) mod exit;
pub(crate) mod in_force;
pub(crate) mod look;
pub(crate) mod out;
pub(crate) mod paint;
pub(crate) mod picture;
pub(crate) mod signals;
