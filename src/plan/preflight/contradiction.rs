//! PURE. A plan that what servers say speaks against: that a node is healthy which it treats as gone, or that a target drops
//! keys. What they say, and the word that overrides it.

use std::collections::BTreeMap;

use crate::cluster::{Health, Model, Node, NodeId, Time, standing};

use crate::plan::{Code, Danger, Intent, Mode, Plan, Refusal, StepKind, resolve};
use crate::quantity;

/// Why a plan is contradicted, as `--override` and JSON have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Objection {
    /// The node that is to be replaced or forgotten is called healthy by a master that answers, or answers itself.
    NodeIsHealthy,
    /// What would come is more than a target has room for, and it drops keys to make some.
    KeysEvicted,
}

impl Objection {
    pub const ALL: [Objection; 2] = [Self::NodeIsHealthy, Self::KeysEvicted];

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NodeIsHealthy => Code::NodeIsHealthy.word(),
            Self::KeysEvicted => Code::KeysEvicted.word(),
        }
    }
}

/// What contradicts a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    pub objection: Objection,
    /// Who says what.
    pub says: String,
}

impl Contradiction {
    /// Refused, with what they say and how to go on all the same. `name` is the cluster's.
    pub fn refusal(&self, name: &str) -> Refusal {
        let name = crate::plan::report::shell::word(name);
        let code = match self.objection {
            Objection::NodeIsHealthy => Code::NodeIsHealthy,
            Objection::KeysEvicted => Code::KeysEvicted,
        };
        Refusal::all(
            code.each([self.says.clone(), format!("to do it all the same: --confirm {name} --override {}", self.objection.code())]),
        )
    }
}

/// The plan with everything that contradicts it.
pub(crate) fn weigh(mut plan: Plan, model: &Model, now: Time) -> Plan {
    if let Some(contradiction) = of(&plan, model, now) {
        plan.warnings.insert(0, contradiction.says.clone());
        plan.danger = Danger::Contradicted(contradiction);
    }
    plan
}

/// What contradicts this plan now.
pub(crate) fn of(plan: &Plan, model: &Model, now: Time) -> Option<Contradiction> {
    if let Some(says) = evicting(plan, model) {
        return Some(Contradiction { objection: Objection::KeysEvicted, says });
    }
    let node = gone(plan, model)?;
    let standing = standing(model, node.id, now);
    if !standing.is_contradicted() {
        return None;
    }
    let labels: Vec<String> = standing.healthy.iter().map(|id| model.label(*id)).collect();
    let mut says = Vec::new();
    if standing.answers {
        says.push(format!("{} answers this console", node.address));
    } else if node.health != Health::Unknown {
        says.push(format!("only this console does not reach {}", node.address));
    }
    match labels.as_slice() {
        [] => {}
        [one] => says.push(format!("{one} is connected to it and calls it healthy")),
        several => says.push(format!("{} are connected to it and call it healthy", quantity::list(several))),
    }
    Some(Contradiction { objection: Objection::NodeIsHealthy, says: says.join(", and ") })
}

/// Targets that would have to drop keys for what comes, as a sentence.
fn evicting(plan: &Plan, model: &Model) -> Option<String> {
    let mut incoming: BTreeMap<NodeId, u64> = BTreeMap::new();
    plan.moves.iter().for_each(|part| *incoming.entry(part.to).or_default() += part.bytes.unwrap_or(0));
    let says = |(id, bytes): (NodeId, u64)| {
        let node = model.node(id)?;
        let info = node.info.as_ref()?;
        let (free, policy) = (info.free_below_limit()?, info.evicts()?);
        (bytes > free).then(|| {
            format!(
                "{} has {} left below its maxmemory, {} would come, and it drops keys to make room ({policy}): keys are lost, \
                 there or on arrival",
                node.address,
                quantity::bytes(free),
                quantity::bytes(bytes)
            )
        })
    };
    let said: Vec<String> = incoming.into_iter().filter_map(says).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// The node that the plan treats as gone.
fn gone<'a>(plan: &Plan, model: &'a Model) -> Option<&'a Node> {
    match &plan.intent {
        Intent::Failover { mode: Mode::Force | Mode::Takeover, .. } => model.node(demoted(plan)?),
        // Whoever is removed answers and takes part: only what is forgotten or replaced is thought to be gone.
        Intent::Forget { node } | Intent::Replace { node, .. } => resolve::node(model, node).ok(),
        _ => None,
    }
}

fn demoted(plan: &Plan) -> Option<NodeId> {
    plan.steps.iter().find_map(|step| if let StepKind::Promote { master, .. } = step.kind { master } else { None })
}
