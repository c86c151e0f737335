//! PURE. Commands about slots as plans, progress and the audit log show them: the same words everywhere.

use std::time::Duration;

use crate::cluster::{Model, NodeId, SlotSet};

use crate::plan::LISTED;
use crate::plan::protocol::{SlotAct, SlotCommand, SlotStep};

/// What is sent to one node in one go: commands that differ in their slot alone are one line, in the order of the first.
pub fn shown(commands: &[SlotCommand]) -> Vec<String> {
    let mut lines: Vec<(String, SlotSet, String)> = Vec::new();
    for command in commands {
        let text = command.to_string();
        let Some(slot) = command.slot() else {
            lines.push((text, SlotSet::default(), String::new()));
            continue;
        };
        let number = format!(" {slot}");
        let (before, after) = text.split_once(&number).unwrap_or((&text, ""));
        match lines.iter_mut().find(|(first, slots, rest)| !slots.is_empty() && first == before && rest == after) {
            Some((_, slots, _)) => slots.extend([slot]),
            None => lines.push((before.to_owned(), [slot].into_iter().collect(), after.to_owned())),
        }
    }
    let line = |(before, slots, after): (String, SlotSet, String)| {
        if slots.is_empty() { before } else { format!("{before} {slots}{after}") }
    };
    lines.into_iter().map(line).collect()
}

/// All commands of these steps, each with the node that it goes to in front.
pub(crate) fn listed(steps: &[SlotStep], model: &Model, timeout: Duration) -> Vec<(NodeId, String)> {
    let mut lines = Vec::new();
    for step in steps {
        match &step.act {
            SlotAct::Send { to, commands, atomic } => {
                let mark = if *atomic && commands.len() > 1 { " (MULTI)" } else { "" };
                lines.extend(shown(commands).into_iter().map(|line| (*to, format!("{line}{mark}"))));
            }
            SlotAct::MoveKeys { from, to, slots, .. } => {
                let slots: SlotSet = slots.iter().copied().collect();
                let target = model.node(*to).map(|node| format!("{} {}", node.address.host, node.address.port)).unwrap_or_default();
                lines.push((*from, format!("CLUSTER GETKEYSINSLOT {slots} {LISTED}")));
                lines.push((*from, format!("MIGRATE {target} \"\" 0 {} KEYS …", timeout.as_millis())));
            }
            SlotAct::Fence | SlotAct::Drain { .. } | SlotAct::Look => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_differ_in_their_slot_are_one_line() {
        let owner = NodeId::Member([0xaa; 20]);
        let id = owner.to_string();
        let commands = [
            SlotCommand::Stable { slot: 7 },
            SlotCommand::Node { slot: 7, owner },
            SlotCommand::Stable { slot: 8 },
            SlotCommand::Node { slot: 8, owner },
            SlotCommand::Importing { slot: 9, from: owner },
            SlotCommand::Node { slot: 9, owner },
            SlotCommand::BumpEpoch,
        ];
        let lines: Vec<String> = shown(&commands).into_iter().map(|line| line.replace(&id, "a")).collect();
        let expected = ["SETSLOT 7-8 STABLE", "SETSLOT 7-9 NODE a", "SETSLOT 9 IMPORTING a", "BUMPEPOCH"];
        assert_eq!(lines, expected.map(|line| format!("CLUSTER {line}")));
        assert_eq!(shown(&[SlotCommand::AddSlots { slot: 8 }]), ["CLUSTER ADDSLOTS 8"]);
    }
}
