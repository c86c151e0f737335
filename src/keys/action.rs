//! PURE. The one table of actions.

use super::{Context, KeyCondition, Scope};

/// Everything a key can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Remedy,
    Failover,
    Rebalance,
    Migrate,
    Fix,
    Acknowledge,
    NodeMenu,
    Pause,
    Abort,
    Unlock,

    Command,
    Filter,
    Help,
    Enter,
    Back,
    LastView,
    HistoryBack,
    HistoryForward,
    Aliases,

    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Top,
    Bottom,
    NextPane,
    PreviousPane,
    Pane1,
    Pane2,
    Pane3,
    Pane4,
    Pane5,

    Mark,
    MarkRange,
    ClearMarks,
    OnlyFaults,
    Wide,
    SortNext,
    SortPrevious,
    SortFlip,
    Metric,

    Layer,
    ZoomIn,
    ZoomOut,
    Range,

    Freeze,
    Copy,
    SaveScreen,
    Theme,
    Quit,
}

/// What the table says of an action.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub action: Action,
    /// Its stable name in `[keys]`.
    pub id: &'static str,
    /// Chords it has unless configured otherwise, separated by blanks.
    pub chords: &'static str,
    /// The footer's word; an empty one is not shown there.
    pub word: &'static str,
    /// The help page's sentence.
    pub says: &'static str,
    pub group: &'static str,
    pub scope: Scope,
    /// What must hold, in this order; the first that does not is the reason shown.
    pub needs: &'static [KeyCondition],
    /// It changes the cluster (or leads to what does): never on a read-only one.
    pub operation: bool,
    /// Footer hints with a lower rank drop out last.
    pub rank: u8,
}

impl Spec {
    /// Why it cannot be used now.
    pub fn disabled(&self, context: &Context) -> Option<&'static str> {
        let locked = self.operation && context.locked;
        let unmet = self.needs.iter().find(|need| !need.holds(context)).map(|need| need.why());
        match unmet {
            None if context.snapshot && self.operation => Some("the screen is frozen"),
            None if locked => Some("read-only"),
            why => why,
        }
    }
}

const ACT: &str = "Act";
const LOOK: &str = "Look";
const MOVE: &str = "Move";
const LIST: &str = "Lists";
const MAP: &str = "Slot map";
const SCREEN: &str = "Screen";

macro_rules! table {
    ($($action:ident $id:literal $chords:literal $word:literal $group:ident $scope:ident [$($need:ident)*] $operation:literal $rank:literal $says:literal;)+) => {
        /// Every action, in the order of the help page.
        pub const TABLE: &[Spec] = &[$(Spec {
            action: Action::$action, id: $id, chords: $chords, word: $word, says: $says, group: $group, scope: Scope::$scope,
            needs: &[$(KeyCondition::$need),*], operation: $operation, rank: $rank,
        }),+];
    };
}

table! {
    // action    id            chords           word            group scope  needs           operation  rank  help
    Remedy       "remedy"      "r"              "remedy"        ACT Everywhere [Advice]       true  1  "begin what the top of the screen advises: its plan is shown first";
    Failover     "failover"    "F"              "Failover"      ACT Everywhere [NodeOrShard]  true  4  "fail over to a replica: plan, confirm, measure";
    Rebalance    "rebalance"   "B"              "Balance"       ACT Everywhere []             true  5  "rebalance by slots, keys, memory, ops or rooms";
    Migrate      "migrate"     "M"              "Migrate"       ACT Everywhere [RoomOrSlots]  true  6  "move the marked rooms or the marked slots to another master";
    Fix          "fix"         "x"              "fix"           ACT Everywhere []             true  2  "finish or roll back what an interrupted reshard left";
    Acknowledge  "ack"         "a"              "ack"           ACT Everywhere [Alert]        false 7  "acknowledge the alert: seen, being worked on";
    NodeMenu     "node-menu"   "n"              "node"          ACT Everywhere [Node]         false 3  "what can be done to this node (in the demo: kill, freeze, thaw, restart)";
    Pause        "pause"       "p"              "pause"         ACT Everywhere [Running]      false 0  "pause or resume the running operation at its next safe point";
    Abort        "abort"       "X"              "abort"         ACT Everywhere [Running]      false 1  "stop the running operation at its next safe point";
    Unlock       "unlock"      "u"              "unlock"        ACT Everywhere [Locked]       false 1  "unlock a read-only cluster by typing its name";

    Command      "command"     ":"              "command"       LOOK Everywhere []            false 1  "type a command (tab completes, ↑ ↓ choose)";
    Filter       "filter"      "/"              "filter"        LOOK List       []            false 8  "filter the list: /text, /!text for all others, /-f text fuzzy";
    Help         "help"        "?"              "help"          LOOK Everywhere []            false 0  "this page";
    Enter        "enter"       "enter"          ""              LOOK Everywhere []            false 40 "look into what is selected";
    Back         "back"        "esc"            ""              LOOK Everywhere []            false 41 "back: closes, clears the filter, returns to the view before";
    LastView     "last-view"   "-"              ""              LOOK Everywhere []            false 42 "the last view";
    HistoryBack  "history-back" "["             ""              LOOK Everywhere [History]     false 43 "the command before";
    HistoryForward "history-forward" "]"        ""              LOOK Everywhere [History]     false 44 "the command after";
    Aliases      "aliases"     "ctrl-a"         ""              LOOK Everywhere []            false 45 "all commands and their short forms";

    Up           "up"          "up k"           ""              MOVE Everywhere []            false 60 "up";
    Down         "down"        "down j"         ""              MOVE Everywhere []            false 60 "down";
    Left         "left"        "left h"         ""              MOVE Everywhere []            false 60 "left, on the slot map";
    Right        "right"       "right l"        ""              MOVE Everywhere []            false 60 "right, on the slot map";
    PageUp       "page-up"     "pgup ctrl-b"    ""              MOVE Everywhere []            false 60 "a page up";
    PageDown     "page-down"   "pgdn ctrl-f"    ""              MOVE Everywhere []            false 60 "a page down";
    Top          "top"         "g home"         ""              MOVE Everywhere []            false 60 "to the top";
    Bottom       "bottom"      "G end"          ""              MOVE Everywhere []            false 60 "to the bottom";
    NextPane     "next-pane"   "tab"            "pane"          MOVE Everywhere []            false 21 "to the next pane";
    PreviousPane "previous-pane" "shift-tab"    ""              MOVE Everywhere []            false 60 "to the pane before";
    Pane1        "topology"    "1"              ""              MOVE Everywhere []            false 60 "to the topology";
    Pane2        "nodes"       "2"              ""              MOVE Everywhere []            false 60 "to the nodes";
    Pane3        "slots"       "3"              ""              MOVE Everywhere []            false 60 "to the slot map";
    Pane4        "alerts"      "4"              ""              MOVE Everywhere []            false 60 "to the alerts";
    Pane5        "rooms"       "5"              ""              MOVE Everywhere []            false 60 "to the rooms";

    Mark         "mark"        "space"          "mark"          LIST List       [Selection]   false 20 "mark, or take the mark away";
    MarkRange    "mark-range"  "ctrl-space"     ""              LIST List       [Selection]   false 60 "mark everything from the last mark to here";
    ClearMarks   "clear-marks" "ctrl-\\"        ""              LIST List       [Marks]       false 60 "clear all marks";
    OnlyFaults   "only-faults" "ctrl-z"         "faults"        LIST List       []            false 30 "only what is not well";
    Wide         "wide"        "ctrl-w"         ""              LIST List       []            false 60 "more columns";
    SortNext     "sort-next"   "> shift-right"  ""              LIST List       [Columns]     false 60 "sort by the next column";
    SortPrevious "sort-previous" "< shift-left" ""              LIST List       [Columns]     false 60 "sort by the column before";
    SortFlip     "sort-flip"   "O"              "sort"          LIST List       [Columns]     false 31 "sort by this column the other way round";
    Metric       "metric"      "m"              ""              LIST Everywhere []            false 60 "the next metric for the curves of the nodes";

    Layer        "layer"       "L"              "layer"         MAP  Slots      []            false 22 "the next layer: owner, keys, open";
    ZoomIn       "zoom-in"     "+ ="            "zoom"          MAP  Slots      []            false 23 "closer, down to one slot a cell";
    ZoomOut      "zoom-out"    "_"              ""              MAP  Slots      []            false 60 "farther away";
    Range        "range"       "v"              "range"         MAP  Slots      []            false 24 "begin a range of slots here, or let it go; M moves it";

    Freeze       "freeze"      "z"              ""              SCREEN Everywhere []          false 50 "freeze the screen to read it, or thaw it";
    Copy         "copy"        "y"              ""              SCREEN Everywhere [Selection] false 51 "copy what is selected to the terminal's clipboard";
    SaveScreen   "save-screen" "ctrl-s"         ""              SCREEN Everywhere []          false 52 "save the screen as a text file";
    Theme        "theme"       "t"              ""              SCREEN Everywhere []          false 53 "the next theme";
    Quit         "quit"        "q ctrl-c"       "quit"          SCREEN Everywhere []          false 9  "quit";
}

impl Action {
    pub fn spec(self) -> &'static Spec {
        #[expect(clippy::indexing_slicing, reason = "checked at compile time")]
        const FIRST: &Spec = &TABLE[0];
        TABLE.iter().find(|spec| spec.action == self).unwrap_or(FIRST)
    }
}
