//! IO. Operations from the shell: plan, show, ask, carry out, report. Nothing is changed before the plan has been shown.

pub(crate) mod intents;
pub(crate) mod plan_text;
pub(crate) mod progress;
pub(crate) mod saved;
pub(crate) mod shutdown;

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::cli::args::{Format, Global, OperationOptions};
use crate::cli::context::exit::{CommandResult, Exit, Stop};
use crate::cli::context::in_force;
use crate::cli::context::look::Sight;
use crate::cli::context::out;
use crate::cli::operate::progress::Teller;
use crate::cli::operate::saved::Saved;
use crate::cluster::Model;
use crate::exec::{Lock, off_thread};
use crate::plan::shell;
use crate::plan::{self, Code, Danger, Intent, Objective, Outcome, Plan, Progress, Refusal, Report, Unfinished};

const STALE: &str = "the cluster has changed since this plan was saved: plan again with --save-plan";

/// An operation with everything that was said about how to do it.
struct ShellOperation<'a> {
    intent: Intent,
    act: &'a OperationOptions,
    global: &'a Global,
    sight: Sight,
}

/// `bare`: the intent is but a name, and a saved plan knows what it is for.
pub(crate) async fn run(intent: Intent, bare: bool, act: &OperationOptions, global: &Global) -> CommandResult {
    if global.format == Format::Csv {
        return Err(Stop::usage("an operation is no table: --format text or json"));
    }
    let saved = act.plan.as_deref().map(saved::read).transpose().map_err(|stop| told(&intent, global, stop))?;
    let its = saved
        .as_ref()
        .filter(|_| bare)
        .and_then(|saved| intents::read(&saved.intent))
        .filter(|its| matches!(its, Intent::Rebalance { .. }));
    let intent = its.unwrap_or(intent);
    // Another command would look for work of its own, and may find none: that would be no word on what the file holds.
    if let Some(saved) = saved.as_ref().filter(|saved| !saved.is_for(&intent)) {
        return Err(other_intent(saved, &intent, act, global));
    }
    let by_rooms = matches!(intent, Intent::Rebalance { by: Objective::Rooms, .. });
    let sight = Sight::before_an_operation(global, by_rooms).await.map_err(|stop| told(&intent, global, stop))?;
    if let Some(stop) = sight.unreachable() {
        return Err(told(&intent, global, stop));
    }
    sight.tell_unfinished().await;
    ShellOperation { intent, act, global, sight }.run(saved).await
}

/// Whoever reads JSON is told of it there, too, before it ends.
fn told(intent: &Intent, global: &Global, stop: Stop) -> Stop {
    if global.format == Format::Json {
        let reasons = stop.code().each(stop.says.lines().map(|line| line.trim().to_owned()));
        out::json(&plan::json::refusal(intent, &Refusal::all(reasons)));
    }
    stop
}

/// What the file is, and the command that carries it out.
fn other_intent(saved: &Saved, intent: &Intent, act: &OperationOptions, global: &Global) -> Stop {
    let path = act.plan.as_deref().unwrap_or(Path::new("the file")).display();
    let file = shell::word(&path.to_string()).into_owned();
    // Behind the words of a command there may be what is no option.
    let name = intents::read(&saved.intent).map_or("", |its| its.name());
    let rest = saved.intent.strip_prefix(name).unwrap_or_default();
    let command = match name {
        "" => format!("{} {} --plan {file}", in_force::invocation(global), saved.intent),
        name => format!("{} {name} --plan {file}{rest}", in_force::invocation(global)),
    };
    let says = format!("{path} holds a plan for `{}`, not for `{intent}`: `{command}` carries it out", saved.intent);
    told(intent, global, Stop::usage(says))
}

/// The intent with its nodes' addresses, as plans are saved; None where planning chooses a node.
fn named(intent: &Intent, model: &Model) -> Option<String> {
    let at = |name: &String| plan::resolve_node(model, name).map_or_else(|_| name.clone(), |node| node.address.to_string());
    let mut named = intent.clone();
    match &mut named {
        Intent::Failover { .. } | Intent::Rebalance { .. } => return None,
        Intent::Fix { .. } => {}
        Intent::MoveSlots { to: node, .. } | Intent::MigrateRooms { to: node, .. } => *node = at(node),
        Intent::AddNode { replica_of, .. } => *replica_of = replica_of.as_ref().map(at),
        Intent::Replicate { node, master } => (*node, *master) = (at(node), at(master)),
        Intent::Replace { node, .. } | Intent::Drain { node } | Intent::Remove { node } | Intent::Forget { node } => {
            *node = at(node)
        }
    }
    Some(named.to_string())
}

impl ShellOperation<'_> {
    /// `saved`: the plan that shall be carried out, or with --dry-run be shown.
    async fn run(mut self, saved: Option<Saved>) -> CommandResult {
        let agreed = saved.as_ref().map_or(&[][..], |saved| &saved.moves);
        // A rebalance names no nodes but by weights: other words are another rebalance, which its plan would not tell.
        if let (Some(saved), Intent::Rebalance { .. }) = (&saved, &self.intent)
            && saved.intent != self.intent.to_string()
        {
            return Err(self.other_intent(saved, &self.intent));
        }
        let plan = match self.sight.session.executor().plan_again(&self.intent, agreed, &self.sight.model).await {
            Ok(plan) => plan,
            Err(refusal) => {
                // What is asked for may need nothing where the file's plan does.
                let named = named(&self.intent, &self.sight.model);
                if let Some(saved) = saved.as_ref().filter(|saved| named.as_ref().is_some_and(|named| saved.intent != *named)) {
                    return Err(self.other_intent(saved, &self.intent));
                }
                return self.not_planned(refusal).await;
            }
        };
        // Names are resolved by planning: `B` may have been another node when the plan was saved.
        if let Some(saved) = &saved
            && saved.intent != plan.intent.to_string()
        {
            return Err(self.other_intent(saved, &plan.intent));
        }
        if let Some(saved) = &saved
            && !saved.is(&plan)
        {
            return self.refused(&Refusal::because(Code::ClusterChanged.because(STALE)));
        }
        if let Some(path) = &self.act.save_plan {
            self.save(path, &plan).await?;
        }
        self.show(&plan);
        if self.act.dry_run || self.act.save_plan.is_some() {
            return Ok(Exit::Done);
        }
        if let Err(refusal) = self.unlock() {
            return self.refused(&refusal);
        }
        match self.asked(&plan) {
            Ok(true) => self.carry_out(plan).await,
            Ok(false) => {
                let reason = Code::Declined.because("you said no: nothing was changed");
                let (line, reasons) = self.last_words(&plan, &Report { outcome: Outcome::Cancelled(vec![reason]), ..nothing() });
                out::line(&line);
                reasons.iter().for_each(|reason| out::tell(reason));
                Ok(Exit::Refused)
            }
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn other_intent(&self, saved: &Saved, intent: &Intent) -> Stop {
        other_intent(saved, intent, self.act, self.global)
    }

    fn is_json(&self) -> bool {
        self.global.format == Format::Json
    }

    fn show(&self, plan: &Plan) {
        let model = &self.sight.model;
        match (self.is_json(), self.act.dry_run || self.act.save_plan.is_some()) {
            (true, true) => out::json(&plan::json::plan(plan, model)),
            (true, false) => out::json(&json!({"progress": "plan", "plan": plan::json::plan(plan, model)})),
            (false, _) => out::result(&plan_text::text(plan, model, &in_force::invocation(self.global))),
        };
    }

    async fn save(&self, path: &Path, plan: &Plan) -> Result<(), Stop> {
        let (file, json) = (path.to_owned(), plan::json::plan(plan, &self.sight.model));
        let saved = off_thread(move || saved::write(&file, &json)).await;
        saved.map_err(|stop| told(&self.intent, self.global, stop))?;
        out::tell(&format!("rgc-tui: the plan is saved in {}", path.display()));
        Ok(())
    }

    /// A locked cluster is opened by its name, said or typed; one that is open for looking only is not opened from a shell.
    fn unlock(&self) -> Result<(), Refusal> {
        let executor = self.sight.session.executor();
        if executor.lock() == Lock::ReadOnly {
            return Err(Refusal::because(Code::ReadOnly.because("--read-only refuses every operation; --dry-run shows the plan")));
        }
        let name = &self.sight.config.cluster.name;
        if let Some(said) = &self.act.unlock {
            return executor.unlock(said).map_err(|why| Refusal::because(Code::WrongName.because(format!("--unlock {why}"))));
        }
        if executor.lock() == Lock::Open {
            return Ok(());
        }
        let question = format!("cluster `{name}` is protected; type its name to unlock it:");
        let typed = if out::can_ask() { out::ask(&question) } else { None };
        executor.unlock(&typed.unwrap_or_default()).map_err(|_why| {
            let says = format!("cluster `{name}` is protected: --unlock {} unlocks it for this command", shell::word(name));
            Refusal::because(Code::Protected.because(says))
        })
    }

    /// Whether it may be done; an error where nobody can be asked.
    fn asked(&self, plan: &Plan) -> Result<bool, Refusal> {
        if let Danger::Contradicted(contradiction) = &plan.danger
            && self.act.overridden != Some(contradiction.objection)
        {
            return Err(contradiction.refusal(&plan.cluster));
        }
        if let Some(name) = &self.act.confirm {
            // A name that is not this cluster's was meant for another.
            let says = || format!("--confirm {}: this cluster's name is `{}`", shell::word(name), plan.cluster);
            let wrong = || Refusal::because(Code::WrongName.because(says()));
            return if *name == plan.cluster { Ok(true) } else { Err(wrong()) };
        }
        if plan.steps.is_empty() || self.act.yes && plan.danger == Danger::Normal {
            return Ok(true);
        }
        if !out::can_ask() || self.act.yes {
            return Err(Refusal::because(Code::NotConfirmed.because(match plan.danger {
                Danger::Normal => {
                    "there is no terminal to ask on: add --yes to carry it out, or --dry-run to see the plan only".to_owned()
                }
                _ => format!(
                    "this can lose data or cut somebody off: --confirm {} carries it out, --dry-run shows the plan only",
                    shell::word(&plan.cluster)
                ),
            })));
        }
        Ok(match plan.danger {
            Danger::Normal => {
                out::ask("carry it out? [y/N]").is_some_and(|answer| matches!(answer.to_lowercase().as_str(), "y" | "yes"))
            }
            _ => {
                let question = format!("type the cluster's name, `{}`, to carry it out:", plan.cluster);
                out::ask(&question).as_deref() == Some(&plan.cluster)
            }
        })
    }

    async fn carry_out(&mut self, plan: Plan) -> CommandResult {
        let model = Arc::new(self.sight.model.clone());
        self.sight.session.stop_watching();
        let mut running = self.sight.session.executor().execute(plan.clone(), model);
        let told = Teller::new(self.global.format, &plan);
        let mut stopping = false;
        let mut stop = Box::pin(crate::cli::context::signals::stop());
        let report = loop {
            tokio::select! {
                progress = running.progress.recv() => match progress {
                    Some(Progress::Ended(report)) => break report,
                    Some(progress) => told.tell(progress),
                    None => break running.report().await,
                },
                () = &mut stop => {
                    stop = Box::pin(crate::cli::context::signals::stop());
                    if stopping {
                        told.leave(format!("rgc-tui: {}", shutdown::LEFT)).await;
                        return Ok(Exit::Critical);
                    }
                    stopping = true;
                    running.control.abort();
                    told.note("stopping at the next safe point; once more leaves at once");
                }
            }
        };
        let (line, reasons) = self.last_words(&plan, &report);
        tokio::select! {
            () = told.end(line, reasons) => {}
            // Nobody reads, and somebody is tired of waiting for that: the operation itself is over.
            () = stop => {}
        }
        Ok(Exit::after(&report.outcome))
    }

    /// Its last line, and the reasons that go beside it.
    fn last_words(&self, plan: &Plan, report: &Report) -> (String, Vec<String>) {
        if self.is_json() {
            return (out::json_text(&plan::json::report(plan, report, &self.sight.model)), Vec::new());
        }
        let figures: String = report.told().map(|(label, value)| format!(" · {label} {value}")).collect();
        let line = format!("{} in {}{figures}", report.outcome.word(), crate::quantity::span(report.elapsed));
        (line, report.outcome.reasons().iter().map(|reason| format!("rgc-tui: {reason}")).collect())
    }

    /// When there is nothing to do, operations that did not end may have left nothing either: said, and not offered again.
    async fn not_planned(&self, mut refusal: Refusal) -> CommandResult {
        if refusal.fulfilled && !self.act.dry_run {
            let away = self.sight.session.executor().put_away_repaired(&self.sight.model).await;
            let says = |it: &Unfinished| format!("`{}` left nothing open: {} and stay where they are", it.intent, it.progress());
            refusal.reasons.extend(Code::NothingToDo.each(away.iter().map(says)));
        }
        self.refused(&refusal)
    }

    fn refused(&self, refusal: &Refusal) -> CommandResult {
        if self.is_json() {
            out::json(&plan::json::refusal(&self.intent, refusal));
        }
        if refusal.fulfilled {
            if !self.is_json() {
                out::line(&format!("{}: {}", self.intent.name(), refusal.reasons.join("\n  also: ")));
            }
            return Ok(Exit::Done);
        }
        let exit = if refusal.usage { Exit::Usage } else { Exit::Refused };
        let reasons = refusal.reasons.join("\n  also: ");
        Err(Stop::new(exit, format!("{} refused: {reasons}", self.intent.name())))
    }
}

fn nothing() -> Report {
    Report { outcome: Outcome::Done, elapsed: std::time::Duration::ZERO, figures: Vec::new() }
}
