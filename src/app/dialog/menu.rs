//! PURE. What can be done to one node: the entries of the node menu, and why some cannot be chosen.

use std::borrow::Cow;

use crate::alerts;
use crate::app::command::prompt;
use crate::app::screen::navigation;
use crate::app::{App, Dialog, DialogKind, Effect, Fault, Page, requests};
use crate::cluster::{Health, Node, NodeId, Time};
use crate::escape;
use crate::plan::{Intent, Mode};

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct MenuItem {
    /// Pressing it chooses the entry.
    pub key: char,
    pub word: &'static str,
    pub says: Cow<'static, str>,
    pub disabled: Option<&'static str>,
    does: Does,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Look,
    Failover(Mode),
    Drain,
    Remove,
    Forget,
    Replace,
    Copy,
    /// Copies what brings it back.
    WayBack,
    Fault(Fault),
}

impl App {
    /// The entries for this node, in order.
    pub fn node_menu(&self, id: NodeId) -> Vec<MenuItem> {
        let Some(node) = self.model.node(id) else { return Vec::new() };
        let locked = self.barred();
        let item = |key, word, says: &'static str, disabled: Option<&'static str>, does| {
            let free = matches!(does, Does::Look | Does::Copy);
            let disabled = if free { disabled } else { locked.or(disabled) };
            MenuItem { key, word, says: says.into(), disabled, does }
        };
        let down = node.health.is_down();
        let why = |holds: bool, why: &'static str| holds.then_some(why);
        let Reasons { failover, promote, drain } = Reasons::of(node);
        let dead = why(down, "it is down: forget or replace it");
        let alive = (!down).then_some("it lives");
        let mut items = vec![
            item('l', "look", "all it says of itself", None, Does::Look),
            item('y', "copy", "its address to the clipboard", None, Does::Copy),
            item('F', "failover", "hand over without loss, verified", failover, Does::Failover(Mode::Graceful)),
            item('o', "force", "promote without its master's consent: writes may be lost", promote, Does::Failover(Mode::Force)),
            item(
                'e',
                "takeover",
                "promote without the masters' vote: only when they cannot",
                promote,
                Does::Failover(Mode::Takeover),
            ),
            item('d', "drain", "move all its slots to the others", drain, Does::Drain),
            item('v', "remove", "drain it and make every node forget it", dead, Does::Remove),
            item('g', "forget", "make every node forget a dead node", alive, Does::Forget),
            item('p', "replace", "let an empty server take a dead node's place", alive, Does::Replace),
        ];
        if self.settings.demo {
            items.extend(Fault::ALL.map(|fault| {
                let (key, says) = fault_words(fault);
                item(key, fault.word(), says, unfit(node, fault), Does::Fault(fault))
            }));
        } else if down {
            // Not here, but on its host: copied for the shell there.
            let says = escape::line(&alerts::way_back(node)).replace('`', "").into();
            items.insert(1, MenuItem { key: 'b', word: "back", says, disabled: None, does: Does::WayBack });
        }
        if down {
            // What can be done stands before what cannot, and why.
            items.sort_by_key(|item| item.disabled.is_some());
        }
        items
    }
}

/// Why a node cannot be failed over, promoted or drained as it is.
struct Reasons {
    failover: Option<&'static str>,
    promote: Option<&'static str>,
    drain: Option<&'static str>,
}

impl Reasons {
    fn of(node: &Node) -> Self {
        let (down, slotless) = (node.health.is_down(), node.slot_count == 0);
        if node.is_replica() {
            let both = down.then_some("it is down");
            return Self { failover: both, promote: both, drain: Some("it has no slots") };
        }
        match (slotless, down) {
            (true, true) => {
                let both = Some("it owns nothing any more: it comes back as a replica");
                Self { failover: both, promote: both, drain: both }
            }
            (true, false) => {
                let both = Some("it has no slots to hand over");
                Self { failover: both, promote: both, drain: Some("it has no slots") }
            }
            // One of its replicas is chosen then.
            (false, true) => {
                Self { failover: Some("it is down: force promotes a replica of it"), promote: None, drain: Some("it is down") }
            }
            (false, false) => Self { failover: None, promote: Some("it lives: failover hands over without loss"), drain: None },
        }
    }
}

fn fault_words(fault: Fault) -> (char, &'static str) {
    match fault {
        Fault::Kill => ('k', "kill -9 the server process"),
        Fault::Freeze => ('f', "stop the process without ending it"),
        Fault::Thaw => ('t', "let a frozen process go on"),
        Fault::Restart => ('r', "start the server again"),
    }
}

fn unfit(node: &Node, fault: Fault) -> Option<&'static str> {
    let frozen = matches!(node.health, Health::Frozen | Health::Silent);
    let dead = node.health.is_down() && !frozen;
    match fault {
        Fault::Kill if dead => Some("it is not running"),
        Fault::Freeze if dead => Some("it is not running"),
        Fault::Freeze if frozen => Some("it is frozen already"),
        Fault::Thaw if !frozen => Some("it is not frozen"),
        Fault::Restart if !dead => Some("it is running"),
        _ => None,
    }
}

/// Chooses an entry.
pub(crate) fn choose(app: &mut App, node: NodeId, item: &MenuItem, now: Time) -> Vec<Effect> {
    if let Some(why) = item.disabled {
        app.refuse(format!("{}: {why}", item.word), now);
        return Vec::new();
    }
    app.dialog = None;
    let name = app.model.label(node);
    match item.does {
        Does::Look => {
            navigation::push(app, Page::Node(node));
            Vec::new()
        }
        Does::Copy => vec![Effect::Copy(name)],
        Does::WayBack => {
            let Some(way) = app.model.node(node).map(|node| escape::line(&alerts::way_back(node)).into_owned()) else {
                return Vec::new();
            };
            // The command alone, where there is one.
            let command = way.split('`').nth(1).unwrap_or(&way).to_string();
            app.tell(format!("copied: {command}"), false, now);
            vec![Effect::Copy(command)]
        }
        Does::Failover(mode) if app.model.node(node).is_some_and(Node::is_master) => {
            match app.model.topology().shard_of(node).map(|shard| shard.name) {
                Some(shard) => requests::candidates(app, shard, mode, now),
                None => Vec::new(),
            }
        }
        Does::Failover(mode) => requests::intend(app, Intent::Failover { node: name, mode }, now),
        Does::Drain => requests::intend(app, Intent::Drain { node: name }, now),
        Does::Remove => requests::intend(app, Intent::Remove { node: name }, now),
        Does::Forget => requests::intend(app, Intent::Forget { node: name }, now),
        Does::Replace => {
            // Only the new server's address is left to type.
            prompt::command(app, &format!("node add --replaces {name} "));
            Vec::new()
        }
        Does::Fault(fault @ (Fault::Thaw | Fault::Restart)) => requests::inject(app, node, fault, now),
        Does::Fault(fault) => {
            app.dialog = Some(Dialog::new(DialogKind::Fault { node, fault }));
            Vec::new()
        }
    }
}
