//! PURE. Has the world changed since a plan was made? Asked before the first step.

use crate::cluster::{Model, SlotSet, Time};

use crate::plan::membership;
use crate::plan::preflight::contradiction;
use crate::plan::repair::{fix, meet};
use crate::plan::slots::moves;
use crate::plan::{Code, Danger, Facts, Intent, Plan, Refusal, Step, StepKind, planner};

/// The plan as the newest facts give it must rest on the same ground; the refusal says what has shifted.
pub fn drift(plan: &Plan, model: &Model, now: Time) -> Result<(), Refusal> {
    // Agreed to while nobody contradicted: whoever says now that the node is well is listened to.
    if !matches!(plan.danger, Danger::Contradicted(_))
        && let Some(contradiction) = contradiction::of(plan, model, now)
    {
        return Err(contradiction.refusal(&plan.cluster));
    }
    match plan.intent {
        Intent::Failover { .. } => {
            let again = planner::plan(&plan.intent, &Facts::of(model), now).map_err(|refusal| {
                let since = "it cannot be done any more: the cluster has changed since the plan was made";
                Refusal::all(std::iter::once(Code::ClusterChanged.because(since)).chain(refusal.reasons).collect())
            })?;
            if again.fingerprint == plan.fingerprint {
                return Ok(());
            }
            let now_says = again.steps.first().map(|step| step.says.clone()).unwrap_or_default();
            Err(Refusal::all(Code::ClusterChanged.each([
                "the cluster has changed since the plan was made (roles, slots or epochs): nothing was done, plan again".into(),
                format!("the same request now means: {now_says}"),
            ])))
        }
        _ if !plan.moves.is_empty() => {
            if moves::fingerprint(model, &plan.moves) == plan.fingerprint {
                return Ok(());
            }
            let mut reasons = vec!["the cluster has changed since the plan was made: nothing was done, plan again".to_owned()];
            for part in &plan.moves {
                let gone = part.slots.iter().filter(|&slot| model.topology().owner(slot) != Some(part.from)).count();
                if gone > 0 {
                    reasons.push(format!("{} does not own {gone} of the slots that it should give away", part.from_address));
                }
                for (id, address) in [(part.from, &part.from_address), (part.to, &part.to_address)] {
                    match model.node(id) {
                        None => reasons.push(format!("{address} is not in the cluster any more")),
                        Some(node) if !node.is_master() => reasons.push(format!("{address} is a replica now")),
                        Some(_) => {}
                    }
                }
            }
            Err(Refusal::all(Code::ClusterChanged.each(reasons)))
        }
        Intent::Fix { .. } if plan.introduces() => {
            let says = "who knows whom is not as it was when the plan was made: nothing was done, plan again";
            let changed = || Refusal::because(Code::ClusterChanged.because(says));
            if meet::fingerprint(model) == plan.fingerprint { Ok(()) } else { Err(changed()) }
        }
        Intent::Fix { .. } => {
            let repaired = |step: &Step| match &step.kind {
                StepKind::Repair { slots, .. } => slots.clone(),
                _ => SlotSet::default(),
            };
            let slots: SlotSet = plan.steps.iter().flat_map(|step| repaired(step).iter().collect::<Vec<_>>()).collect();
            if fix::fingerprint(model, &slots) == plan.fingerprint {
                return Ok(());
            }
            let says = "the slots are not as they were when the plan was made: nothing was done, plan again";
            Err(Refusal::because(Code::ClusterChanged.because(says)))
        }
        _ if membership::unchanged(plan, model) => Ok(()),
        _ => Err(Refusal::because(
            Code::ClusterChanged
                .because("the cluster has changed since the plan was made (roles, slots or members): nothing was done, plan again"),
        )),
    }
}
