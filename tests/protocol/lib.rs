//! PURE. The slot protocol, proven: a model of what servers do with slots, and over it consoles that carry out the very steps of
//! `src/plan/protocol`, in every order in which commands, messages, crashes and failovers can come.
//!
//! The protocol is compiled from its source in the program, not from a copy: all it needs of the rest is a name for nodes.

/// What the protocol needs of the program's modules.
pub mod cluster {
    /// Which node; in the program, the 40 hex digits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct NodeId(pub u8);

    impl std::fmt::Display for NodeId {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(["a", "b", "c", "a1"].get(self.0 as usize).copied().unwrap_or("?"))
        }
    }
}
#[path = "../../src/plan/protocol/mod.rs"]
pub mod protocol;

pub mod carried;
pub mod check;
pub mod console;
pub mod model;
pub mod old;
pub mod server;
pub mod table;
