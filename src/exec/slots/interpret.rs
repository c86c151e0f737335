//! IO. The one place where commands about slots are sent: reads what must be true, sends, and reads that it worked.
//!
//! ```text
//!  a step ─► what must be true, by the nodes' own word ─► send, and read in the same pipeline ─► did it work? ─► the next
//!                 │ no: stop before it                                                              │ no: stop, and say
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::MoveJob;
use super::batch::Key;
use super::drain;
use super::heard::{LastWords, Places};
use super::keys::KeyMover;
use super::why::Why;
use crate::cluster::{Address, NodeId, SlotSet};
use crate::exec::context::OperationContext;
use crate::link::{Command, Failure, Lane, Reply};
use crate::plan::Progress;
use crate::plan::protocol::{
    Heard, KeyTransfer, Precondition, PreconditionState, SendPurpose, SlotAct, SlotCommand, SlotStep, check_lasts,
    drain as drain_within, fence,
};
use crate::plan::shown;
use crate::quantity;

/// SETSLOT may wait two seconds for replicas on Valkey, and everything for a big key that another worker moves.
pub(super) const SLOW: Duration = Duration::from_secs(15);
/// What gossip brings is waited for so long, and so is a node that does not answer.
const COMES_WITHIN: Duration = Duration::from_secs(15);
/// Times that a command is repeated that a server did not do because its replicas were busy.
const AGAIN: u32 = 2;
/// Between two looks.
const PACE: Duration = Duration::from_millis(1);
const PACE_LATER: Duration = Duration::from_millis(50);

/// Why a sequence stopped.
#[derive(Clone, Debug, Default)]
pub(in crate::exec) struct Halt {
    pub(in crate::exec) why: String,
    /// Somebody else is at these slots.
    pub(in crate::exec) race: bool,
    /// Their keys may be lost.
    pub(in crate::exec) at_risk: SlotSet,
    /// By a node's own word: silence is another reason.
    heard: bool,
    /// The server waited for its replicas in vain.
    no_replicas: bool,
}

impl Halt {
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), ..Self::default() }
    }
}

pub(in crate::exec) struct Interpreter {
    pub(in crate::exec) context: OperationContext,
    pub(in crate::exec) places: Places,
    pub(in crate::exec) keys: KeyMover,
    pub(in crate::exec) node_timeout: Duration,
    heard: LastWords,
    /// What is read beside the steps that follow.
    beside: Vec<JoinHandle<Result<(), Halt>>>,
    /// What is waited for while later sequences run: up to which one.
    lagging: VecDeque<(usize, JoinHandle<Result<(), Halt>>)>,
    /// What must have come about before the operation ends.
    at_end: Vec<Precondition>,
    sequence: usize,
    /// Nothing was sent, or everything was refused: there is nothing to be put right.
    pub(in crate::exec) untouched: bool,
    /// Slots that were claimed, and for whom.
    pub(in crate::exec) claimed: BTreeMap<u16, NodeId>,
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        self.beside.iter().chain(self.lagging.iter().map(|(_, task)| task)).for_each(JoinHandle::abort);
    }
}

impl Interpreter {
    pub(in crate::exec) fn new(context: OperationContext, places: Places, keys: KeyMover, node_timeout: Duration) -> Self {
        Self {
            context,
            places,
            keys,
            node_timeout,
            heard: LastWords::default(),
            beside: Vec::new(),
            lagging: VecDeque::new(),
            at_end: Vec::new(),
            sequence: 0,
            untouched: true,
            claimed: BTreeMap::new(),
        }
    }

    /// Carries a sequence out. `known`: keys of its slots that have been listed already.
    pub(in crate::exec) async fn run(&mut self, steps: &[SlotStep], mut known: Vec<Vec<Key>>) -> Result<(), Halt> {
        self.sequence += 1;
        self.untouched = true;
        self.await_lagging(self.sequence).await?;
        let done = self.all(steps, &mut known).await;
        if done.is_err() {
            self.beside.drain(..).for_each(|task| task.abort());
        }
        done
    }

    /// Waits for what is still to be heard.
    pub(in crate::exec) async fn finish(&mut self) -> Result<(), Halt> {
        self.await_lagging(usize::MAX).await?;
        let at_end = std::mem::take(&mut self.at_end);
        if at_end.is_empty() {
            return Ok(());
        }
        let mut reader = self.reader(at_end);
        let held = reader.hold().await;
        held.map_err(|halt| Halt { at_risk: reader.named_elsewhere(), ..halt })
    }

    async fn await_lagging(&mut self, sequence: usize) -> Result<(), Halt> {
        while self.lagging.front().is_some_and(|(due, _)| *due <= sequence) {
            if let Some((_, task)) = self.lagging.pop_front() {
                joined(task).await?;
            }
        }
        Ok(())
    }

    async fn all(&mut self, steps: &[SlotStep], known: &mut Vec<Vec<Key>>) -> Result<(), Halt> {
        for step in steps {
            if step.lag == usize::MAX {
                self.at_end.extend(step.requires.iter().cloned());
                continue;
            }
            if step.beside || step.lag > 0 {
                let task = tokio::spawn(self.reader(step.requires.clone()).wait());
                match step.lag {
                    0 => self.beside.push(task),
                    lag => self.lagging.push_back((self.sequence.saturating_add(lag).saturating_add(1), task)),
                }
                continue;
            }
            if matches!(step.act, SlotAct::Look) {
                // A change of direction: what is still to be heard of the way there would never be heard after it.
                self.finish().await?;
            }
            if matches!(step.act, SlotAct::Send { .. } | SlotAct::Fence) {
                for task in std::mem::take(&mut self.beside) {
                    joined(task).await?;
                }
            }
            self.check(&step.requires).await?;
            match &step.act {
                SlotAct::Look => {}
                SlotAct::Fence => {
                    sleep(fence(self.node_timeout)).await;
                    self.heard = LastWords::default();
                }
                SlotAct::Drain { of, by } => {
                    self.drain(of, by).await;
                    self.heard = LastWords::default();
                }
                SlotAct::MoveKeys { from, to, slots, transfer } => {
                    self.move_keys(*from, *to, slots, *transfer, std::mem::take(known)).await?;
                }
                SlotAct::Send { to, commands, atomic } => {
                    let mut sent = self.send(step, *to, commands, *atomic).await;
                    for _ in 0..AGAIN {
                        // A replica that is busy for a moment: the server has changed nothing.
                        let busy = sent.as_ref().is_err_and(|halt| halt.no_replicas) && step.purpose != SendPurpose::ClaimRest;
                        if !busy {
                            break;
                        }
                        self.heard.forget(*to);
                        self.check(&step.requires).await?;
                        sent = self.send(step, *to, commands, *atomic).await;
                    }
                    sent?;
                }
            }
        }
        Ok(())
    }

    /// Waits until those have heard what these have said; where that cannot be known, as long as it may take.
    async fn drain(&self, of: &[NodeId], by: &[NodeId]) {
        let at =
            |nodes: &[NodeId]| nodes.iter().map(|&node| Ok((node, self.place(node)?))).collect::<Result<BTreeMap<_, _>, Halt>>();
        let heard = match (at(of), at(by)) {
            (Ok(of), Ok(by)) => drain::has_been_heard(&self.context.links, self.context.clock, &of, &by).await,
            (Err(halt), _) | (_, Err(halt)) => Err(halt.why),
        };
        if let Err(why) = heard
            && !self.context.has_waited_for(of)
        {
            let wait = drain_within(self.node_timeout);
            let says = format!("waits {}, until what was said of these slots before has been heard: {why}", quantity::span(wait));
            self.context.note(says).await;
            sleep(wait).await;
            self.context.waited_for(of);
        }
    }

    fn reader(&self, requires: Vec<Precondition>) -> SlotReader {
        SlotReader {
            context: self.context.clone(),
            places: self.places.clone(),
            requires,
            fresh: check_lasts(self.node_timeout),
            heard: LastWords::default(),
        }
    }

    async fn check(&mut self, requires: &[Precondition]) -> Result<(), Halt> {
        if requires.is_empty() {
            return Ok(());
        }
        let mut reader = self.reader(requires.to_vec());
        reader.heard = std::mem::take(&mut self.heard);
        let held = reader.hold().await;
        self.heard = reader.heard;
        held
    }

    fn place(&self, node: NodeId) -> Result<Address, Halt> {
        let place = self.places.get(&node).cloned();
        place.ok_or_else(|| Halt::because(format!("the address of node {} is not known", node.short())))
    }

    async fn move_keys(
        &mut self,
        from: NodeId,
        to: NodeId,
        slots: &[u16],
        transfer: KeyTransfer,
        known: Vec<Vec<Key>>,
    ) -> Result<(), Halt> {
        let job = MoveJob { from, from_at: self.place(from)?, to, to_at: self.place(to)?, slots: slots.to_vec() };
        self.keys.home = transfer == KeyTransfer::Home;
        self.keys.bring_all(&job, &mut self.heard, known).await.map_err(Halt::because)
    }

    async fn send(&mut self, step: &SlotStep, to: NodeId, commands: &[SlotCommand], atomic: bool) -> Result<(), Halt> {
        let address = self.place(to)?;
        let word = |word: &str| Command::words(word);
        let mut words: Vec<Command> = commands.iter().map(|command| word(&command.to_string())).collect();
        if atomic && words.len() > 1 {
            words.insert(0, word("MULTI"));
            words.push(word("EXEC"));
        }
        let reads = step.confirms.iter().any(|confirm| confirm.asks().contains(&to));
        if reads {
            words.push(word("CLUSTER NODES"));
        }
        self.heard.forget(to);
        let answer = self.context.links.get(&address, Lane::Work).pipeline(&words, SLOW).await;
        let mut bad = None;
        match answer {
            Err(failure @ Failure::Unknown(_)) => {
                self.untouched = false;
                // Whether it was done is read.
                bad = Some(failure.to_string());
            }
            Err(failure) => {
                self.tell(&address, commands, atomic, &failure.to_string()).await;
                return Err(Halt::because(format!("{address} did not do {}: {failure}", shown(commands).join(", "))));
            }
            Ok(mut replies) => {
                let view = if reads { replies.pop() } else { None };
                self.untouched &= replies.iter().all(|reply| matches!(reply, Reply::Error(_)));
                let each = replies.iter().flat_map(|reply| reply.array().unwrap_or(std::slice::from_ref(reply)));
                let errors = each.filter_map(|reply| match reply {
                    Reply::Error(error) if !is_done(step.purpose, &error.code, &error.detail) => Some(error.to_string()),
                    _ => None,
                });
                let refused = errors.into_iter().next();
                if let Some(view) = view {
                    self.heard.hear(to, &address, Some(&view));
                }
                if let Some(error) = refused {
                    self.tell(&address, commands, atomic, &error).await;
                    return Err(Halt {
                        // A source that holds keys of what it must give will delete them.
                        at_risk: if step.purpose == SendPurpose::Release {
                            at_risk(step.purpose, commands)
                        } else {
                            SlotSet::default()
                        },
                        no_replicas: error.starts_with("NOREPLICAS"),
                        ..Halt::because(format!("{address} did not do {}: {error}", shown(commands).join(", ")))
                    });
                }
            }
        }
        self.tell(&address, commands, atomic, bad.as_deref().unwrap_or("OK")).await;
        if matches!(step.purpose, SendPurpose::ClaimFirst | SendPurpose::ClaimRest) {
            let nodes = commands.iter().filter(|command| matches!(command, SlotCommand::Node { .. }));
            self.claimed.extend(nodes.filter_map(|command| Some((command.slot()?, to))));
            self.context.claims(to);
        }
        let unread = bad.is_some() && step.confirms.is_empty();
        let confirmed = self.check(&step.confirms).await;
        match (confirmed, bad) {
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(bad)) if unread => Err(Halt::because(format!(
                "{address} gave no reply to {} ({bad}): it may have been done",
                shown(commands).join(", ")
            ))),
            (Ok(()), Some(bad)) => {
                self.context.note(format!("{address}: {bad}; it was done, as it says itself")).await;
                Ok(())
            }
            (Err(halt), bad) => {
                let bad = bad.map(|bad| format!(" ({bad})")).unwrap_or_default();
                let why = format!("{address} was sent {}{bad}: {}", shown(commands).join(", "), halt.why);
                let at_risk = if halt.heard { at_risk(step.purpose, commands) } else { SlotSet::default() };
                Err(Halt { why, at_risk, ..halt })
            }
        }
    }

    async fn tell(&self, address: &Address, commands: &[SlotCommand], atomic: bool, reply: &str) {
        for command in shown(commands) {
            let command = if atomic && commands.len() > 1 { format!("{command} (MULTI)") } else { command };
            self.context.say(Progress::Sent { address: address.clone(), command, reply: reply.into() }).await;
        }
    }
}

/// What a claim that went wrong may have cost.
fn at_risk(purpose: SendPurpose, commands: &[SlotCommand]) -> SlotSet {
    match purpose {
        SendPurpose::ClaimFirst | SendPurpose::ClaimRest | SendPurpose::Release => {
            commands.iter().filter_map(SlotCommand::slot).collect()
        }
        _ => SlotSet::default(),
    }
}

/// Errors that say that there is nothing left to do: a source that has lost its last slot is a replica of the target
/// already; Valkey 8 becomes one while it waits for its replicas, and then answers UNBLOCKED.
fn is_done(purpose: SendPurpose, code: &str, detail: &str) -> bool {
    purpose == SendPurpose::Release && (detail.contains("SETSLOT only with masters") || code == "UNBLOCKED")
}

async fn joined(task: JoinHandle<Result<(), Halt>>) -> Result<(), Halt> {
    match task.await {
        Ok(held) => held,
        Err(error) => Err(Halt::because(format!("reading broke off: {error}"))),
    }
}

/// Reads until everything holds, or something does not that time will not bring.
struct SlotReader {
    context: OperationContext,
    places: Places,
    requires: Vec<Precondition>,
    fresh: Duration,
    heard: LastWords,
}

impl SlotReader {
    async fn wait(mut self) -> Result<(), Halt> {
        self.hold().await
    }

    async fn hold(&mut self) -> Result<(), Halt> {
        let asked: BTreeSet<NodeId> = self.requires.iter().flat_map(Precondition::asks).collect();
        let mut counted: BTreeMap<NodeId, BTreeSet<u16>> = BTreeMap::new();
        for (node, slots) in self.requires.iter().filter_map(Precondition::counts) {
            counted.entry(node).or_default().extend(slots);
        }
        let began = Instant::now();
        loop {
            self.heard.ask(&self.context.links, &self.places, &asked, &counted, self.fresh).await;
            let Some((precondition, verdict)) = self.failing() else {
                match self.heard.oldest(&asked, &counted) {
                    Some(oldest) if oldest.elapsed() < self.fresh => return Ok(()),
                    _ if began.elapsed() < COMES_WITHIN => continue,
                    _ => return Err(Halt::because("answers take longer than they are good for")),
                }
            };
            let waits = precondition.may_come() || matches!(verdict, PreconditionState::Unheard(_));
            if !waits || began.elapsed() >= COMES_WITHIN {
                let why = Why { precondition: &precondition, verdict: &verdict, heard: &self.heard, places: &self.places };
                let heard = !precondition.may_come() && matches!(verdict, PreconditionState::Fails(_));
                return Err(Halt { race: why.is_race(), heard, ..Halt::because(why.sentence()) });
            }
            sleep(if began.elapsed() < PACE_LATER * 4 { PACE } else { PACE_LATER }).await;
            precondition
                .asks()
                .into_iter()
                .chain(precondition.counts().map(|(node, _)| node))
                .for_each(|node| self.heard.forget(node));
        }
    }

    /// Slots that a node lists on another's line than the owner's, to the last: whoever that is may have taken them.
    fn named_elsewhere(&self) -> SlotSet {
        let elsewhere = |precondition: &Precondition| match precondition {
            Precondition::KnowsOwner { at, slots, owner } => {
                let differs = |slot: &&u16| self.heard.owner(*at, **slot).is_some_and(|named| named != Some(*owner));
                slots.iter().filter(differs).copied().collect::<Vec<u16>>()
            }
            _ => Vec::new(),
        };
        self.requires.iter().flat_map(elsewhere).collect()
    }

    /// The first that does not hold; one that time will not bring before others.
    fn failing(&self) -> Option<(Precondition, PreconditionState)> {
        let judged = self.requires.iter().map(|precondition| (precondition, precondition.verdict(&self.heard)));
        let failing: Vec<_> = judged.filter(|(_, verdict)| *verdict != PreconditionState::Holds).collect();
        let hopeless = failing
            .iter()
            .find(|(precondition, verdict)| !precondition.may_come() && matches!(verdict, PreconditionState::Fails(_)));
        hopeless.or(failing.first()).map(|(precondition, verdict)| ((*precondition).clone(), verdict.clone()))
    }
}
