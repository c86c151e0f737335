//! IO. Plans with fresh facts and carries plans out; never two operations at once in one shard.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::context::OperationContext;
use super::lock::{Gate, Lock};
use super::preflight::presence::Presence;
use super::preflight::turn::{NoTurn, Turn};
use super::record::journal::{self, Burnt, Fuse, Journal};
use super::record::off_thread;
use super::running::{Controls, Running};
use crate::cluster::{Address, Model, ShardName, SlotSet, Time, former_owners};
use crate::exec::preflight;
use crate::exec::preflight::trial;
use crate::exec::read;
use crate::exec::read::survey;
use crate::exec::record::ledger;
use crate::exec::repair;
use crate::exec::{failover, give_way, meet, membership, reshard, slots};
use crate::link::{Clock, Links};
use crate::plan::entry::Entry;
use crate::plan::protocol::Direction;
use crate::plan::{self, Code, Facts, Intent, Outcome, Plan, Progress, Reason, Refusal, Report, Unfinished};

/// A reader that is this far behind misses what comes next; never the end.
const BACKLOG: usize = 1024;

#[derive(Clone, Debug)]
pub struct ExecutorSettings {
    /// Where journals of operations under way are kept.
    pub journal_dir: PathBuf,
    /// What the operator calls the cluster.
    pub cluster: String,
    /// While it is locked no operation is carried out, whatever asks for it.
    pub lock: Lock,
}

/// Carries operations out on one cluster. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Executor {
    links: Links,
    clock: Clock,
    settings: Arc<ExecutorSettings>,
    gate: Gate,
    busy: Arc<Mutex<BTreeSet<ShardName>>>,
    fuse: Option<u32>,
    full_disk: Option<u32>,
    unannounced: bool,
}

impl Executor {
    pub fn new(links: Links, clock: Clock, settings: ExecutorSettings) -> Self {
        let gate = Gate::new(settings.cluster.clone(), settings.lock);
        Self {
            links,
            clock,
            settings: Arc::new(settings),
            gate,
            busy: Arc::default(),
            fuse: None,
            full_disk: None,
            unannounced: false,
        }
    }

    pub fn lock(&self) -> Lock {
        self.gate.lock()
    }

    /// Operations may be carried out from now on, if this is the cluster's name.
    pub fn unlock(&self, name: &str) -> Result<(), Reason> {
        self.gate.unlock(name)
    }

    /// Asks these addresses and every node of the model, then those that they have named: twice is enough to know all.
    pub async fn look(&self, model: &mut Model, seeds: &[Address]) {
        read::ask_all(model, &self.links, self.clock, seeds).await;
        read::refresh(model, &self.links, self.clock).await;
    }

    /// Reads the facts anew, surveys the slots where the intent needs it, and plans.
    pub async fn plan(&self, intent: &Intent, model: &Model) -> Result<Plan, Refusal> {
        self.plan_again(intent, &[], model).await
    }

    /// The same for moves that were planned and agreed to earlier; see [`plan::plan_again`].
    pub async fn plan_again(&self, intent: &Intent, agreed: &[(SlotSet, Address)], model: &Model) -> Result<Plan, Refusal> {
        let mut model = model.clone();
        read::refresh(&mut model, &self.links, self.clock).await;
        // What another console has done is not seen in the servers' words.
        if let Intent::Failover { .. } = intent {
            let settings = self.settings.clone();
            for (winner, at) in off_thread(move || ledger::failovers(&settings.journal_dir)).await {
                model.remember_failover(&winner, at);
            }
        }
        // Slots on their way are open too: to put them right would be to work against whoever moves them.
        if let Intent::Fix { .. } = intent
            && let Some(busy) = self.under_way(&model.name).await.iter().find(|one| one.concerns(&model))
        {
            let says = format!(
                "`{}`, begun {}, is under way: {} so far; wait until it has ended",
                busy.intent,
                busy.began,
                busy.clone().seen_in(&model).progress()
            );
            return Err(Refusal::because(Code::OperationRunning.because(says)));
        }
        self.ask_former_owners(intent, &mut model).await;
        let surveyed = survey::slots(&self.links, &model, intent).await;
        let facts = Facts { model: &model, slots: surveyed.as_ref() };
        let plan = plan::plan_again(intent, agreed, &facts, self.clock.now())?;
        preflight::foresee(&self.links, &model, plan, !self.unannounced).await
    }

    /// Whoever owned slots that nobody owns now may live, and have their keys: a repair does not go by the members alone.
    async fn ask_former_owners(&self, intent: &Intent, model: &mut Model) {
        if let Intent::Fix { .. } = intent {
            let places: Vec<Address> = former_owners(model).into_iter().map(|(_, address, _)| address).collect();
            if !places.is_empty() {
                read::ask_all(model, &self.links, self.clock, &places).await;
            }
        }
    }

    /// The newest entries of the ledger, newest first.
    ///
    /// # Errors
    /// In a sentence, when it cannot be read.
    pub async fn ledger(&self, most: usize) -> Result<Vec<Entry>, String> {
        let settings = self.settings.clone();
        off_thread(move || ledger::entries(&settings.journal_dir, most)).await
    }

    /// Operations on this cluster that did not come to their end: offer them to `fix` at the start. Those whose console
    /// died with nothing left to do but tell the ledger are told now.
    pub async fn unfinished(&self, cluster: &str) -> Vec<Unfinished> {
        let (settings, now, cluster) = (self.settings.clone(), self.clock.now(), cluster.to_owned());
        let look = move || {
            let left = journal::left(&settings.journal_dir, &cluster).into_iter();
            let (over, unfinished): (Vec<_>, Vec<_>) = left.partition(Unfinished::is_over);
            over.iter().for_each(|left| put_away(&settings.journal_dir, left, &cluster, now));
            unfinished
        };
        off_thread(look).await
    }

    async fn under_way(&self, cluster: &str) -> Vec<Unfinished> {
        let (settings, cluster) = (self.settings.clone(), cluster.to_owned());
        off_thread(move || journal::under_way(&settings.journal_dir, &cluster)).await
    }

    /// For tests: operations drop dead, without another word, when this many journal records are on disk.
    #[doc(hidden)]
    pub fn with_fuse(mut self, records: u32) -> Self {
        self.fuse = Some(records);
        self
    }

    /// For tests: the disk under the journal takes so many records.
    #[doc(hidden)]
    pub fn with_full_disk(mut self, records: u32) -> Self {
        self.full_disk = Some(records);
        self
    }

    /// For tests of what happens where consoles do not see each other: no channel is subscribed to or looked for.
    #[doc(hidden)]
    pub fn unannounced(mut self) -> Self {
        self.unannounced = true;
        self
    }

    /// Starts carrying a plan out. Everything that follows is told through the handle, the end as `Progress::Ended`.
    pub fn execute(&self, plan: Plan, model: Arc<Model>) -> Running {
        let (sender, progress) = mpsc::channel(BACKLOG);
        let (control, steered) = Controls::new();
        let context = OperationContext::new(self.links.clone(), self.clock, sender, steered);
        let task = tokio::spawn(self.clone().carry_out(context, plan, model));
        Running { progress, control, task }
    }

    async fn carry_out(self, mut context: OperationContext, plan: Plan, model: Arc<Model>) {
        log::info!("begins: {}", plan.intent);
        // A move in the same shards is not refused beside: it stops for a failover.
        let way = match self.gate.bars() {
            Some(why) => Err(why),
            None => give_way::before(&context, &self.settings.journal_dir, &plan, &model).await,
        };
        let (plan, way) = match way {
            Ok(Some(again)) => (again, Ok(())),
            Ok(None) => (plan, Ok(())),
            Err(why) => (plan, Err(why)),
        };
        let way = match way {
            Ok(()) => self.is_trusted().await,
            Err(why) => Err(why),
        };
        let (report, journal) = match way.and_then(|()| self.occupy(&plan)) {
            Ok(_occupied) => {
                let blown = Arc::new(tokio::sync::Notify::new());
                let full = self.full_disk.map(|after| Fuse { after, then: Burnt::Full });
                let fuse = self.fuse.map(|after| Fuse { after, then: Burnt::Dead(blown.clone()) }).or(full);
                tokio::select! {
                    ended = self.checked(&mut context, &plan, &model, fuse) => ended,
                    () = blown.notified() => return,
                }
            }
            Err(reason) => (context.report(Outcome::Refused(vec![reason]), Vec::new()), None),
        };
        log::info!("{}: {} after {:?} {}", report.outcome.word(), plan.intent, report.elapsed, report.outcome.reasons().join("; "));
        let (now, settings) = (self.clock.now(), self.settings.clone());
        let name = journal.as_ref().map(Journal::name);
        let entry = ledger::entry(&plan, &report, &model, &context.transcript, name, now);
        let told = move || {
            ledger::write(&settings.journal_dir, &entry)?;
            journal.into_iter().for_each(Journal::put_away);
            Ok::<_, String>(())
        };
        if let Err(error) = off_thread(told).await {
            context.note(error).await;
        }
        context.say(Progress::Ended(report)).await;
    }

    /// The facts are read again, and the plan must still be the one that they give.
    async fn checked(
        &self,
        context: &mut OperationContext,
        plan: &Plan,
        model: &Model,
        fuse: Option<Fuse>,
    ) -> (Report, Option<Journal>) {
        // Before the facts are read: what another one has changed until its end is among them.
        let turn = match self.turn(context, plan, model).await {
            Ok(turn) => turn,
            Err(reason) => return (context.report(Outcome::Refused(vec![reason]), Vec::new()), None),
        };
        context.yields_at = turn.as_ref().map(Turn::yields_at);
        let present = match self.announced(context, plan, model).await {
            Ok(present) => present,
            Err(reason) => return (context.report(Outcome::Refused(vec![reason]), Vec::new()), None),
        };
        let ended = self.in_turn(context, plan, model, fuse).await;
        if let Some(present) = present {
            present.end().await;
        }
        if let Some(turn) = turn {
            off_thread(move || drop(turn)).await;
        }
        ended
    }

    /// Seen by other consoles while it lasts, for what moves or repairs slots; or whose operation is under way.
    async fn announced(&self, context: &OperationContext, plan: &Plan, model: &Model) -> Result<Option<Presence>, Reason> {
        let repairs = matches!(plan.intent, Intent::Fix { .. });
        if self.unannounced || (!repairs && plan.moves.is_empty()) {
            return Ok(None);
        }
        let mut notes = Vec::new();
        let present = Presence::announce(&self.links, model, plan, self.clock.now(), &mut notes).await;
        for note in notes {
            context.note(note).await;
        }
        present.map(Some).map_err(|other| Code::OperationRunning.because(other.says()))
    }

    async fn in_turn(
        &self,
        context: &mut OperationContext,
        plan: &Plan,
        model: &Model,
        fuse: Option<Fuse>,
    ) -> (Report, Option<Journal>) {
        let mut now = model.clone();
        read::refresh(&mut now, &self.links, self.clock).await;
        self.ask_former_owners(&plan.intent, &mut now).await;
        if let Err(refusal) = plan::drift(plan, &now, self.clock.now()) {
            return (context.report(Outcome::Refused(refusal.reasons), Vec::new()), None);
        }
        let mut obstacles = preflight::obstacles(&self.links, &now, plan).await;
        if obstacles.is_empty() {
            obstacles = trial::routes(context, plan, &now).await;
        }
        if !obstacles.is_empty() {
            return (context.report(Outcome::Refused(obstacles), Vec::new()), None);
        }
        let report = match plan.intent {
            Intent::Failover { .. } => failover::run(context, plan, &now).await,
            Intent::Fix { .. } if plan.introduces() => meet::run(context, plan, &now).await,
            Intent::Fix { roll_back, .. } => {
                let report = repair::run(context, plan, &now, roll_back).await;
                self.put_away_repaired(&now).await;
                report
            }
            _ if !plan.moves.is_empty() => {
                let (report, journal) = reshard::run(context, plan, &now, &self.settings.journal_dir, fuse).await;
                // Whoever leaves the cluster has given its slots now.
                let Some(moved) = plan.after_moves().filter(|_| report.outcome == Outcome::Done) else {
                    if report.outcome == Outcome::Done {
                        // The same may have been begun by a console that died.
                        self.put_away_repaired(&now).await;
                    }
                    return (report, journal);
                };
                read::refresh(&mut now, &self.links, self.clock).await;
                let rest = membership::run(context, plan, &now, moved).await;
                if let Some(journal) = &journal {
                    reshard::end(context, journal, &rest.outcome, &SlotSet::default()).await;
                }
                return (Report { figures: report.figures, ..rest }, journal);
            }
            _ => membership::run(context, plan, &now, 0).await,
        };
        (report, None)
    }

    /// What moves or repairs slots goes one after the other, whichever shell asks for it.
    async fn turn(&self, context: &OperationContext, plan: &Plan, model: &Model) -> Result<Option<Turn>, Reason> {
        let repairs = matches!(plan.intent, Intent::Fix { .. });
        if !repairs && plan.moves.is_empty() {
            return Ok(None);
        }
        match Turn::take(context, &self.settings.journal_dir, plan, model).await {
            Ok(turn) => Ok(Some(turn)),
            // A repair does not wait for a disk that is full or read-only.
            Err(NoTurn::Unknown(why)) if repairs => {
                context.note(why).await;
                Ok(None)
            }
            Err(NoTurn::Taken(why)) => Err(Code::OperationRunning.because(why)),
            Err(NoTurn::Unknown(why)) => Err(Code::StateFolder.because(why)),
        }
    }

    /// Unfinished operations whose slots need nothing any more: puts them away, and gives them.
    pub async fn put_away_repaired(&self, model: &Model) -> Vec<Unfinished> {
        let mut away = Vec::new();
        let all = self.unfinished(&model.name).await;
        if all.is_empty() {
            return away;
        }
        let mut model = model.clone();
        read::refresh(&mut model, &self.links, self.clock).await;
        // A master that does not answer may have slots open that nobody else can tell of.
        if model.nodes().any(|node| node.is_master() && node.slot_count > 0 && !node.health.serves()) {
            return away;
        }
        // What a dead console had asked for may still be going on.
        let Some(moving) = slots::on_their_way(&self.links, &model).await else { return away };
        for left in all {
            if left.concerns(&model) && left.in_flight.both(&moving).is_empty() && self.is_repaired(&model, &left).await {
                let left = left.seen_in(&model);
                let (settings, now, name, gone) = (self.settings.clone(), self.clock.now(), model.name.clone(), left.clone());
                off_thread(move || put_away(&settings.journal_dir, &gone, &name, now)).await;
                away.push(left);
            }
        }
        away
    }

    /// The slots that it had in flight need no repair: not even a key is where players do not find it.
    async fn is_repaired(&self, model: &Model, left: &Unfinished) -> bool {
        let slots: Vec<u16> = left.in_flight.iter().collect();
        let Ok(holders) = survey::holders(&self.links, model, &slots).await else { return false };
        let needs_nothing =
            |&slot: &u16| plan::repair(model, slot, &plan::evidence(model, &holders, slot), Direction::On) == Ok(None);
        slots.iter().all(needs_nothing)
    }

    /// What operations left and where they are is believed from the state folder: nobody else may write to it.
    async fn is_trusted(&self) -> Result<(), Reason> {
        let settings = self.settings.clone();
        let trusted = off_thread(move || crate::private::trusted(&settings.journal_dir)).await;
        trusted.map_err(|why| Code::StateFolder.because(why))
    }

    /// Takes the plan's shards for itself, or says why it must not.
    fn occupy(&self, plan: &Plan) -> Result<Occupied, Reason> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shard) = plan.impact.shards.iter().find(|shard| busy.contains(shard)) {
            let says = format!("an operation is under way in shard {shard}: wait until it has ended");
            return Err(Code::OperationRunning.because(says));
        }
        busy.extend(plan.impact.shards.iter().copied());
        Ok(Occupied { busy: self.busy.clone(), shards: plan.impact.shards.clone() })
    }
}

/// The ledger tells of it, and its journal is gone.
fn put_away(folder: &Path, left: &Unfinished, cluster: &str, now: Time) {
    let Some(_claimed) = journal::claim(&left.path) else { return };
    let told = ledger::append_afterwards(folder, left, cluster, now);
    if let Err(error) = told.and_then(|()| std::fs::remove_file(&left.path).map_err(|error| error.to_string())) {
        log::warn!("{}: {error}", left.path.display());
    }
}

/// Shards in which an operation is under way; free again when it goes.
struct Occupied {
    busy: Arc<Mutex<BTreeSet<ShardName>>>,
    shards: Vec<ShardName>,
}

impl Drop for Occupied {
    fn drop(&mut self) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        for shard in &self.shards {
            busy.remove(shard);
        }
    }
}
