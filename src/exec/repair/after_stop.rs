//! IO. What a move that broke off has left, put right: tried again until an election is over, or somebody asks for the end.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::carry::named;
use super::{Order, Righted, put_right};
use crate::cluster::{self, Model, NodeId, SlotSet};
use crate::exec::context::OperationContext;
use crate::exec::read;
use crate::exec::slots::meter::Meter;
use crate::plan::protocol::Direction;
use crate::plan::{self, Code};

/// Between two looks at a cluster that is electing.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// Another console that is at the same slots is given so long to end with them.
const OTHERS_WITHIN: Duration = Duration::from_secs(30);
/// What a move left open is tried to be put right for so long at most, however long an election takes.
const RIGHT_WITHIN: Duration = Duration::from_secs(70);
/// The group under way when a move is asked to stop, and the last try to put right what it left.
const GROUP_WITHIN: Duration = Duration::from_secs(30);
/// An operation that is asked to stop has ended by then, unless servers do not let it.
pub const STOPS_WITHIN: Duration = GROUP_WITHIN.saturating_add(RIGHT_WITHIN);

/// What a move that broke off has left.
pub(crate) struct Broken<'a> {
    pub(crate) slots: &'a SlotSet,
    /// A server refused to take keys: going back is the way, not going on.
    pub(crate) roll_back: bool,
    /// Both ends of each move.
    pub(crate) ends: &'a BTreeMap<u16, [NodeId; 2]>,
    /// Another console is at these slots; they were to go to these targets.
    pub(crate) race: Option<&'a BTreeMap<u16, NodeId>>,
    /// Until when it is tried again.
    pub(crate) until: Instant,
    /// The move was asked to stop: its slots are put right all the same. Who asks later wants no more tries.
    pub(crate) was_asked: bool,
}

/// How long it is tried to put right what a move of this cluster left: until an election is over.
pub(crate) fn patience(model: &Model) -> Duration {
    let timeout = model.node_timeout().unwrap_or(Duration::from_secs(15));
    (timeout * 3 + Duration::from_secs(10)).min(RIGHT_WITHIN)
}

/// After a move that broke off: every slot it left open is finished or rolled back, waiting for an election where one
/// is due. Gives the slots that stay open, those whose keys may be lost, and sentences on what became of them.
pub(crate) async fn after_stop(
    context: &OperationContext,
    model: &mut Model,
    broken: &Broken<'_>,
) -> (SlotSet, SlotSet, Vec<String>) {
    if let Some(targets) = broken.race {
        others_end(context, model, broken.slots, targets).await;
    }
    let meter = Meter::new(0);
    let mut all = Righted::default();
    let mut left = broken.slots.clone();
    let mut attempt = 0;
    let mut stopped = false;
    while !left.is_empty() && (attempt == 0 || Instant::now() < broken.until && !stopped) {
        // What was tried one way and did not work is tried the other way.
        let way = if broken.roll_back ^ (attempt % 4 == 3) { Direction::BackAtOnce } else { Direction::On };
        let (ours, theirs) = match broken.race {
            None => (left.clone(), SlotSet::default()),
            Some(targets) => sides(model, &left, targets),
        };
        all.troubles.clear();
        for (slots, way) in [(ours, way), (theirs, Direction::BackAtOnce)].into_iter().filter(|(slots, _)| !slots.is_empty()) {
            let order = Order { way, once: None, seen: BTreeMap::new(), strict: true };
            let righted = put_right(context, &meter, model, &slots, order).await;
            for (what, slots) in righted.done {
                all.done.entry(what).or_default().extend(slots.iter());
            }
            righted.troubles.into_iter().for_each(|(why, slots)| all.failed(why, slots.iter()));
            all.remarks.extend(righted.remarks);
            all.at_risk.extend(righted.at_risk.iter());
        }
        for (why, slots) in unheard(model, &left, &all.left(), broken.ends) {
            all.failed(Code::NodeDown.because(why), slots.iter());
        }
        left = all.left();
        attempt += 1;
        stopped = context.is_aborted() && !broken.was_asked;
        if !left.is_empty() && !stopped {
            sleep(LOOK_AGAIN).await;
        }
    }
    let done = all.done.iter().map(|(what, slots)| (what, slots.iter().filter(|slot| !left.contains(*slot)).collect::<SlotSet>()));
    let done = done.filter(|(_, slots)| !slots.is_empty());
    let mut said: Vec<String> = done.map(|(what, slots)| format!("{}: {what}", named(&slots))).collect();
    all.remarks.dedup();
    said.extend(all.remarks);
    said.extend(all.troubles.iter().map(|(why, slots)| format!("{} left open: {why}", named(slots))));
    if stopped && !left.is_empty() {
        said.push("stopped before they were put right".into());
    }
    (left, all.at_risk, said)
}

/// Slots that seem to be well, and may be open at an end of their move that does not answer.
fn unheard(model: &Model, slots: &SlotSet, left: &SlotSet, ends: &BTreeMap<u16, [NodeId; 2]>) -> BTreeMap<String, SlotSet> {
    let mut found: BTreeMap<String, SlotSet> = BTreeMap::new();
    for slot in slots.iter().filter(|slot| !left.contains(*slot)) {
        for id in ends.get(&slot).into_iter().flatten().filter(|id| !plan::is_heard(model, **id)) {
            found.entry(format!("{} does not answer, and may have it open", model.label(*id))).or_default().insert(slot);
        }
    }
    found
}

/// Slots that their owners give to our targets, and those that go, or went, somewhere else.
fn sides(model: &Model, slots: &SlotSet, targets: &BTreeMap<u16, NodeId>) -> (SlotSet, SlotSet) {
    let open = &model.topology().open;
    let ours = |slot: &u16| {
        let marks = open.iter().filter(|open| open.slot == *slot && open.direction == cluster::OpenDirection::Migrating);
        marks.clone().count() > 0 && marks.clone().all(|open| Some(&open.peer) == targets.get(slot))
    };
    let (ours, theirs): (Vec<u16>, Vec<u16>) = slots.iter().partition(ours);
    (ours.into_iter().collect(), theirs.into_iter().collect())
}

/// Waits, for a while, until no master gives any of these slots to somebody else than our targets: whoever does that is not
/// worked against.
async fn others_end(context: &OperationContext, model: &mut Model, slots: &SlotSet, targets: &BTreeMap<u16, NodeId>) {
    let deadline = Instant::now() + OTHERS_WITHIN;
    loop {
        read::refresh(model, &context.links, context.clock).await;
        let open = &model.topology().open;
        let given = open.iter().filter(|open| open.direction == cluster::OpenDirection::Migrating && slots.contains(open.slot));
        if !given.clone().any(|open| targets.get(&open.slot) != Some(&open.peer)) || Instant::now() >= deadline {
            return;
        }
        sleep(LOOK_AGAIN / 3).await;
    }
}
