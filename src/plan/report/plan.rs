//! PURE. A plan: the steps with their literal commands, what they are predicted to do, and what they touch.

use std::fmt::Display;
use std::time::Duration;

use crate::cluster::{Address, NodeId, RoomTally, ShardName, SlotSet};

use crate::plan::protocol::Repair;
use crate::plan::{Code, Contradiction, Figure, Intent, Objective, Reason};

/// How much asking a plan needs before it is carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Danger {
    /// One confirmation, Cancel first.
    #[default]
    Normal,
    /// The cluster's name has to be typed: data can be lost, or quorum is thin.
    Typed,
    /// Somebody reachable says that the plan rests on something that is not so: the name, and the word that overrides it.
    Contradicted(Contradiction),
}

impl Danger {
    /// The cluster's name has to be typed, at least.
    pub fn is_typed(&self) -> bool {
        *self != Self::Normal
    }

    /// What has to be typed before it is carried out; None when a yes will do.
    pub fn words(&self, cluster: &str) -> Option<String> {
        match self {
            Self::Normal => None,
            Self::Typed => Some(cluster.to_owned()),
            Self::Contradicted(contradiction) => Some(format!("{cluster} {}", contradiction.objection.code())),
        }
    }
}

/// How slots are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SETSLOT and MIGRATE, key by key: every server.
    Keys,
    /// CLUSTER MIGRATESLOTS: Valkey 9 and later.
    ValkeyAtomic,
    // Redis 8.4's CLUSTER MIGRATION IMPORT takes its place here.
}

impl Engine {
    pub fn word(self) -> &'static str {
        match self {
            Self::Keys => "key by key (MIGRATE)",
            Self::ValkeyAtomic => "atomic (CLUSTER MIGRATESLOTS)",
        }
    }
}

/// Slots that are open at a time where they move key by key.
pub(crate) const OPEN: usize = 32;
/// Keys of a slot that are listed at a time.
pub(crate) const LISTED: usize = 1000;

/// Slots that go from one master to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    pub slots: SlotSet,
    pub from: NodeId,
    pub from_address: Address,
    pub to: NodeId,
    pub to_address: Address,
    pub keys: u64,
    /// None: somebody's share of it was not measured, and there is nothing to estimate it by.
    pub bytes: Option<u64>,
    pub rooms: u64,
    pub players: u64,
}

/// What a step is for; `exec` gives each kind its own check and verification.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// CLUSTER FAILOVER on the replica that shall be master.
    Promote { replica: NodeId, master: Option<NodeId>, slots: SlotSet },
    /// Give slots from one master to another, by the plan's engine; an index into `Plan::moves`.
    MoveSlots { index: usize },
    /// Put slots right that need the same, by these repairs one after the other.
    Repair { slots: SlotSet, repairs: Vec<Repair> },
    /// One literal command whose reply must be OK.
    Command,
    /// FUNCTION DUMP there, and what that gave restored here.
    CopyFunctions { from: Address },
    /// Wait until every reachable node agrees with this sentence; `exec` knows how to read it for the intent.
    Verify,
}

impl StepKind {
    /// What it does to slots that need it; nothing unless it is a repair.
    pub fn repairs(&self) -> &[Repair] {
        if let Self::Repair { repairs, .. } = self { repairs } else { &[] }
    }
}

/// One step: where, what literally, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub node: NodeId,
    pub address: Address,
    /// The literal words; for a slot move the pattern of commands with one slot written out.
    pub commands: Vec<String>,
    pub kind: StepKind,
    /// In the operator's words: "promote 10.0.0.4:7003".
    pub says: String,
}

impl Step {
    /// Its commands with the node that each goes to: the step's own, unless the command names another in front.
    pub fn sent(&self) -> impl Iterator<Item = (Address, &str)> {
        self.commands.iter().map(|command| {
            let other = command.split_once(": ").and_then(|(node, rest)| Some((node.parse().ok()?, rest)));
            other.unwrap_or_else(|| (self.address.clone(), command.as_str()))
        })
    }
}

/// What the plan is expected to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prediction {
    /// Who will be master.
    pub winner: Option<NodeId>,
    /// How long writes to the touched slots stop: from, to.
    pub pause: Option<(Duration, Duration)>,
    /// Bytes of acknowledged writes that may be lost.
    pub bytes_at_risk: Option<u64>,
    /// How long it will take.
    pub takes: Option<Duration>,
    /// Further sentences worth reading before saying yes.
    pub notes: Vec<String>,
}

/// Where nobody measured how many bytes there are.
const NO_SIZE: &str = "size not known";

/// What a plan touches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Impact {
    pub shards: Vec<ShardName>,
    pub slots: SlotSet,
    pub tally: RoomTally,
    /// Not every owner of the slots has been looked through for rooms: there may be more of them, and players.
    pub rooms_in_part: bool,
    /// Some of the keys were not measured, and what their master uses is not known: there are more bytes.
    pub bytes_in_part: bool,
}

impl Move {
    /// Its bytes in words.
    pub fn size(&self) -> String {
        self.bytes.map_or_else(|| NO_SIZE.into(), crate::quantity::bytes)
    }
}

impl Impact {
    /// The bytes in words, as far as they are known.
    pub fn bytes(&self) -> String {
        match (self.bytes_in_part, self.tally.bytes) {
            (false, bytes) => crate::quantity::bytes(bytes),
            (true, 0) => NO_SIZE.into(),
            (true, bytes) => format!("at least {}", crate::quantity::bytes(bytes)),
        }
    }
}

/// One master's load before and after, in the unit of the objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    pub node: NodeId,
    pub address: Address,
    pub slots: u16,
    pub value: f64,
}

/// The steps that would do what the operator wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub intent: Intent,
    pub cluster: String,
    pub steps: Vec<Step>,
    pub moves: Vec<Move>,
    pub engine: Option<Engine>,
    pub prediction: Prediction,
    pub impact: Impact,
    pub before: Vec<Load>,
    pub after: Vec<Load>,
    pub warnings: Vec<String>,
    pub danger: Danger,
    /// Hash of the facts the plan relies on: planned again, it must be the same.
    pub fingerprint: u64,
}

impl Plan {
    /// In what `before` and `after` are measured.
    pub fn objective(&self) -> Objective {
        match self.intent {
            Intent::Rebalance { by, .. } => by,
            _ => Objective::Slots,
        }
    }

    /// It begins by making nodes known to each other; as a repair it does nothing else.
    pub fn introduces(&self) -> bool {
        self.steps.first().is_some_and(|step| step.commands.iter().any(|command| command.starts_with("CLUSTER MEET")))
    }

    /// The first step that follows when all slots have moved and that was read back; None where that is the end.
    pub fn after_moves(&self) -> Option<usize> {
        let verified = self.steps.iter().position(|step| step.kind == StepKind::Verify).filter(|_| !self.moves.is_empty())?;
        Some(verified + 1).filter(|next| *next < self.steps.len())
    }
}

/// Why something cannot be done, with what to do instead. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Each a sentence; the first is the most important.
    pub reasons: Vec<Reason>,
    /// The request itself was wrong (an unknown node, a bad range): exit 64 rather than 3.
    pub usage: bool,
    /// What is wanted is so already: nothing to do is no failure, and the exit is 0.
    pub fulfilled: bool,
}

impl Refusal {
    pub fn because(reason: Reason) -> Self {
        Self::all(vec![reason])
    }

    /// The request is wrong.
    pub fn usage(says: impl Into<String>) -> Self {
        Self { usage: true, ..Self::because(Code::BadRequest.because(says)) }
    }

    /// A name in the request is nobody's, or may be several's.
    pub fn misnamed(says: impl Into<String>) -> Self {
        Self { usage: true, ..Self::because(Code::UnknownName.because(says)) }
    }

    pub fn all(reasons: Vec<Reason>) -> Self {
        Self { reasons, usage: false, fulfilled: false }
    }

    /// "nothing to do: …", and what else is worth knowing.
    pub fn nothing(why: impl Display, more: Vec<String>) -> Self {
        let reasons = std::iter::once(format!("nothing to do: {why}")).chain(more);
        Self { fulfilled: true, ..Self::all(Code::NothingToDo.each(reasons)) }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reasons.join("; "))
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Refused(Vec<Reason>),
    /// Which step, command and node, the server's text, and the state that was left.
    Failed(Vec<Reason>),
    Cancelled(Vec<Reason>),
}

impl Outcome {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Cancelled(_) => "cancelled",
        }
    }

    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Done => &[],
            Self::Refused(reasons) | Self::Failed(reasons) | Self::Cancelled(reasons) => reasons,
        }
    }

    /// The one code of it: that of the first reason.
    pub fn code(&self) -> Code {
        match self {
            Self::Done => Code::Done,
            Self::Refused(reasons) => reasons.first().map_or(Code::BadRequest, |reason| reason.code),
            Self::Failed(reasons) => reasons.first().map_or(Code::NotReadBack, |reason| reason.code),
            Self::Cancelled(reasons) => reasons.first().map_or(Code::Stopped, |reason| reason.code),
        }
    }
}

/// What an operation says while it runs, in order. A reader that is far behind misses some; never the end.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Step `index` of the plan begins.
    Step {
        index: usize,
        says: String,
    },
    /// A command was sent to a node and answered (or not): for the ledger and the screen.
    Sent {
        address: Address,
        command: String,
        reply: String,
    },
    /// How far a slot move has come.
    Moved {
        slots_done: u32,
        slots_total: u32,
        keys: u64,
        bytes: u64,
        keys_per_sec: f64,
        eta: Option<Duration>,
        p99_ms: Option<f64>,
    },
    Note(String),
    Paused(bool),
    Ended(Report),
}

/// The end of an operation, verified against what the servers say.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub outcome: Outcome,
    pub elapsed: Duration,
    /// What was measured, the most important first.
    pub figures: Vec<(Figure, f64)>,
}

impl Report {
    /// What is told of the figures, label and value: that something was nothing is for JSON.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        let some = self.figures.iter().filter(|(_, value)| *value > 0.0);
        some.map(|(figure, value)| (figure.label(), figure.value(*value)))
    }
}

/// What an operation is asked to do at its next safe point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    #[default]
    Run,
    Pause,
    Abort,
}
