//! IO. One repair carried out for slots that need the same.

use crate::cluster::{Model, SlotSet};
use crate::exec::context::OperationContext;
use crate::exec::slots::heard::places;
use crate::exec::slots::interpret::{Halt, Interpreter};
use crate::exec::slots::keys::KeyMover;
use crate::exec::slots::meter::Meter;
use crate::exec::slots::node_timeout;
use crate::plan::protocol::{Repair, SlotStep};
use crate::plan::{self, GoneOver, Pace};

/// A repair that was carried out.
#[derive(Default)]
pub(crate) struct Carried {
    /// What could not be brought to its owner and stays where it was.
    pub(crate) remarks: Vec<String>,
    /// It is with its target whole, and has to come back.
    pub(crate) gone: Option<GoneOver>,
}

/// One repair for these slots; of those that go there and back, the way there.
pub(crate) async fn carry(
    context: &OperationContext,
    meter: &Meter,
    model: &Model,
    repair: &Repair,
    slots: &[u16],
    strict: bool,
) -> Result<Carried, Halt> {
    let only = |remarks| Carried { remarks, gone: None };
    let Repair::FinishAndBack { from, to, unaware } = *repair else {
        let carried = steps(context, meter, model, &repair.steps(slots, model, strict), slots).await;
        return carried.map(only).map_err(|(halt, _)| halt);
    };
    let there = Repair::Finish { from, to, unaware };
    match steps(context, meter, model, &there.steps(slots, model, strict), slots).await {
        Ok(remarks) => Ok(Carried { remarks, gone: Some(GoneOver { from, to, slots: slots.to_vec() }) }),
        // The target takes no more: what it has is brought back at once.
        Err((halt, true)) => {
            context.note(format!("{}; what is over there is brought back at once", halt.why)).await;
            let back = Repair::Return { at: vec![to], owner: from };
            let carried = steps(context, meter, model, &back.steps(slots, model, strict), slots).await;
            carried.map(only).map_err(|(halt, _)| halt)
        }
        Err((halt, false)) => Err(halt),
    }
}

/// A sequence for these slots. Gives what could not be brought to its owner and stays where it was; the error comes with whether
/// a server refused to take a key.
pub(crate) async fn steps(
    context: &OperationContext,
    meter: &Meter,
    model: &Model,
    sequence: &[SlotStep],
    slots: &[u16],
) -> Result<Vec<String>, (Halt, bool)> {
    let keys = KeyMover::new(context.clone(), meter.clone(), Pace::Calm, plan::migrate_patience(model, Pace::Calm));
    let mut interpreter = Interpreter::new(context.clone(), places(model), keys, node_timeout(model));
    let mut carried = interpreter.run(sequence, Vec::new()).await;
    if carried.is_ok() {
        carried = interpreter.finish().await;
    }
    let differing: Vec<String> = interpreter.keys.differing.values().cloned().collect();
    match carried {
        Ok(()) if differing.is_empty() => Ok(Vec::new()),
        Ok(()) => {
            let slots: SlotSet = slots.iter().copied().collect();
            Ok(vec![format!("{}: not all keys are with their owner: {}", named(&slots), differing.join("; "))])
        }
        Err(halt) => Err((halt, interpreter.keys.refused)),
    }
}

pub(crate) fn named(slots: &SlotSet) -> String {
    format!("{} {slots}", if slots.len() == 1 { "slot" } else { "slots" })
}
