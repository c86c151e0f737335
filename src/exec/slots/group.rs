//! IO. The engine for every server: SETSLOT and MIGRATE, key by key, a few slots open at a time.
//!
//! What is sent, in which order, and what must be true before and after each command is [`crate::plan::protocol::move_next`].

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::interpret::{Halt, Interpreter};
use super::listing;
use super::meter::Meter;
use super::{MoveJob, MoveStop, SlotEngine};
use crate::cluster::{NodeId, SlotSet};
use crate::exec::record::journal::Journal;
use crate::link::Lane;
use crate::plan::OPEN;
use crate::plan::protocol::{MoveGroup, begin, move_next, release};

pub(in crate::exec) struct KeyEngine {
    pub(in crate::exec) interpreter: Interpreter,
    pub(in crate::exec) meter: Meter,
    pub(in crate::exec) journal: Journal,
    /// Set when another job of the same operation has stopped.
    pub(in crate::exec) halt: Arc<AtomicBool>,
    /// The target's claims may be one transaction: not where a command in it waits for replicas.
    pub(in crate::exec) quiet: bool,
    /// Every master that answers.
    pub(in crate::exec) masters: Vec<NodeId>,
    /// Replicas of both that answer.
    pub(in crate::exec) replicas: Vec<NodeId>,
    pub(in crate::exec) claimed: Claimed,
}

/// Slots that targets of an operation have claimed, whichever worker sent the claims.
#[derive(Clone, Debug, Default)]
pub(in crate::exec) struct Claimed(Arc<Mutex<SlotSet>>);

impl Claimed {
    fn add(&self, slots: impl IntoIterator<Item = u16>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(slots);
    }

    pub(in crate::exec) fn slots(&self) -> SlotSet {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SlotEngine for KeyEngine {
    async fn carry(&mut self, job: &MoveJob) -> Result<(), MoveStop> {
        let carried = self.groups(job).await;
        // Replicas that may take over have heard of the last groups, or that is said.
        let heard = self.interpreter.finish().await;
        self.claimed.add(self.interpreter.claimed.keys().copied());
        match (carried, heard) {
            (carried, Ok(())) => carried,
            (Ok(()), Err(halt)) => Err(MoveStop { reasons: vec![halt.why], at_risk: halt.at_risk, ..MoveStop::default() }),
            (Err(mut stop), Err(halt)) => {
                stop.at_risk.extend(halt.at_risk.iter());
                Err(stop)
            }
        }
    }
}

async fn record(journal: Journal, job: &MoveJob, open: Option<&[u16]>, closed: &[u16]) -> Result<(), MoveStop> {
    if open.is_none() && closed.is_empty() {
        return Ok(());
    }
    let text = |slots: Option<&[u16]>| slots.map(|slots| slots.iter().copied().collect::<SlotSet>().to_string());
    let line = json!({"open": text(open), "closed": text(Some(closed).filter(|slots| !slots.is_empty())), "from": job.from.to_string(), "to": job.to.to_string()});
    journal.record(line).await.map_err(MoveStop::because)
}

impl KeyEngine {
    async fn groups(&mut self, job: &MoveJob) -> Result<(), MoveStop> {
        let groups: Vec<&[u16]> = job.slots.chunks(OPEN).collect();
        record(self.journal.clone(), job, groups.first().copied(), &[]).await?;
        let source = self.interpreter.context.links.get(&job.from_at, Lane::Work);
        let mut known = Vec::new();
        // What the source is still to be told, and what is still to be written down as closed.
        let mut unreleased: Option<MoveGroup> = None;
        let mut closed: Vec<u16> = Vec::new();
        for (nth, slots) in groups.iter().enumerate() {
            let next = groups.get(nth + 1).copied();
            if self.interpreter.context.safe_point().await || self.halt.load(Ordering::Relaxed) {
                self.release(unreleased.take(), &mut closed).await?;
                record(self.journal.clone(), job, None, &closed).await?;
                return Err(MoveStop { cancelled: true, ..MoveStop::default() });
            }
            if nth == 0 || next.is_none() {
                let begun = self.interpreter.run(&begin(job.from, job.to, &self.masters), Vec::new()).await;
                begun.map_err(|halt| MoveStop { begun: nth > 0, ..self.stop(&[], unreleased.as_ref(), halt) })?;
            }
            // While this is being done, what comes next is written down and looked at; nobody waits for the look.
            let mut foreseen = Vec::new();
            let small = self.interpreter.keys.pacer.small();
            let over = std::mem::take(&mut closed);
            let ahead = record(self.journal.clone(), job, next, &over);
            let look = async {
                listing::foresee(&source, next.unwrap_or_default(), small, &mut foreseen).await;
                std::future::pending::<Infallible>().await
            };
            let group = MoveGroup {
                source: job.from,
                target: job.to,
                slots: slots.to_vec(),
                others: self.masters.iter().copied().filter(|&node| node != job.from && node != job.to).collect(),
                replicas: self.replicas.clone(),
                strict: true,
                quiet: self.quiet && slots.len() > 2,
            };
            let steps = move_next(&group, unreleased.as_ref());
            let (moved, written) = tokio::select! {
                both = async { tokio::join!(self.interpreter.run(&steps, std::mem::take(&mut known)), ahead) } => both,
                never = look => match never {},
            };
            moved.map_err(|halt| self.stop(slots, unreleased.as_ref(), halt))?;
            closed.extend(unreleased.replace(group).into_iter().flat_map(|group| group.slots));
            self.meter.slots(slots.len());
            written?;
            known = foreseen;
        }
        self.release(unreleased.take(), &mut closed).await?;
        record(self.journal.clone(), job, None, &closed).await
    }

    /// The source of the last group is told.
    async fn release(&mut self, last: Option<MoveGroup>, closed: &mut Vec<u16>) -> Result<(), MoveStop> {
        let Some(group) = last else { return Ok(()) };
        let released = self.interpreter.run(&[release(&group)], Vec::new()).await;
        released.map_err(|halt| self.stop(&[], Some(&group), halt))?;
        closed.extend(group.slots);
        Ok(())
    }

    /// `unreleased`: the source may not know yet that it has given these.
    fn stop(&self, slots: &[u16], unreleased: Option<&MoveGroup>, halt: Halt) -> MoveStop {
        let touched = if self.interpreter.untouched { &[] } else { slots };
        let unreleased = unreleased.into_iter().flat_map(|group| &group.slots);
        MoveStop {
            reasons: vec![halt.why],
            open: touched.iter().chain(unreleased).copied().collect(),
            roll_back: self.interpreter.keys.refused,
            race: halt.race,
            at_risk: halt.at_risk,
            ..MoveStop::default()
        }
    }
}
