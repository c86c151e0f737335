//! PURE. What can be done to a server of the demo, or of a test, to see what its cluster makes of that.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGSTOP: the port accepts and nothing answers.
    Freeze,
    /// SIGCONT.
    Thaw,
    /// Starts the node again from its folder: the same node id. A master that has a living replica comes back only
    /// after that one has taken over, as its replica: before, it would come back empty and empty the replica, too.
    Restart,
}

impl Fault {
    pub const ALL: [Fault; 4] = [Self::Kill, Self::Freeze, Self::Thaw, Self::Restart];

    pub fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::Restart => "restart",
        }
    }
}
