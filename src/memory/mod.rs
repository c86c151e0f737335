//! IO. The state folder's memory of clusters: one small file each, read at the start, written while the program watches.
//!
//! A file belongs to the cluster that has its nodes, by their ids. The name that an operator gives a cluster is no key:
//! every cluster that is named by `--node` alone is called the same, and one cluster may have two names. Files are called
//! after one of their nodes' ids and lie together in one folder, whatever the clusters are called.

mod keeper;
mod store;

pub use keeper::Keeper;
pub(crate) use keeper::said;
pub use store::Store;
