//! PURE. The one table of roles: what a thing on the screen means, under the name that themes use.

/// How many shard colours there are; further shards begin again.
pub const SHARD_COLOURS: u8 = 12;

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)+) => {
        /// What something on the screen means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role {
            $($(#[$doc])* $name,)+
            /// The colour of a shard, by its rank modulo [`SHARD_COLOURS`].
            Shard(u8),
            /// The ground of a shard's cells on the slot map: its colour, thinned; computed from the other two.
            Fill(u8),
        }

        const PLAIN: &[Role] = &[$(Role::$name,)+];

        impl Role {
            /// The name in theme files; all shard colours are in the list `shards`.
            pub fn name(self) -> &'static str {
                match self { $(Role::$name => $word,)+ Role::Shard(_) | Role::Fill(_) => "shards" }
            }
        }
    };
}

roles! {
    /// Everything that is nothing else; its background is the ground of the whole screen.
    Text = "text";
    /// Units, labels, what is there to be found and not to be read.
    Muted = "muted";
    /// Titles of panes and of columns.
    Title = "title";
    Border = "border";
    /// The border and title of the pane that has the keys.
    Focus = "focus";
    /// The one accent: chords, the sorted column, the cursor.
    Accent = "accent";
    Ok = "ok";
    Warning = "warning";
    Critical = "critical";
    /// Nobody knows (yet).
    Unknown = "unknown";
    /// It was true once; its age stands beside it.
    Stale = "stale";
    Selection = "selection";
    Mark = "mark";
    Master = "master";
    Replica = "replica";
    Spark = "spark";
    /// The filled part of a bar.
    Gauge = "gauge";
    /// The empty part of a bar.
    Track = "track";
    Disabled = "disabled";
    /// Frame and badge of a protected cluster.
    Protected = "protected";
    /// Small inverted words: READ-ONLY, FROZEN.
    Badge = "badge";
    /// A button that has the focus.
    Button = "button";
    /// Slots that nobody serves.
    Unserved = "unserved";
}

impl Role {
    pub fn all() -> impl Iterator<Item = Role> {
        PLAIN.iter().copied().chain((0..SHARD_COLOURS).flat_map(|n| [Role::Shard(n), Role::Fill(n)]))
    }

    pub(super) fn from_name(name: &str) -> Option<Role> {
        PLAIN.iter().copied().find(|role| role.name() == name)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        PLAIN.iter().map(|role| role.name())
    }
}
