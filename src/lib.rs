//! rgc-tui: a console for Redis and Valkey clusters that hold the rooms of an online card game.
//!
//! Two sentences explain the house:
//!
//! - **facts**: server → [`link`] → [`watch`] → [`app::update`] → [`monitor`] ([`cluster`] + [`alerts`]) → [`ui`] → frame
//! - **operations**: key → [`keys`] → [`app`] → [`plan`] → dialog → [`exec`] → progress → [`app::update`] → [`cluster`]
//!
//! # Layers
//!
//! A pure module never reads the clock or the environment, never spawns and never prints: `now` is an argument.
//! `tests/layers.rs` reads this table and holds the imports of every file against it; inside a module no two files may
//! need each other.
//!
//! | module | | what it is | may name |
//! | --- | --- | --- | --- |
//! | [`quantity`] | pure | counts, bytes and spans as sentences say them | |
//! | [`escape`] | pure | what others wrote, made visible: names, sentences, JSON, cells | |
//! | [`nearest`] | pure | the nearest of some names to what was typed | |
//! | [`cluster`] | pure | what servers said and what follows: the model | quantity escape |
//! | [`plan`] | pure | intent → plan, or refusal with reasons; one planner a file | cluster quantity escape |
//! | [`alerts`] | pure | rules that do not hold (findings), which explains which, and since when (alerts) | cluster plan quantity |
//! | [`monitor`] | pure | the one fold from model to findings, alerts, verdict and what is new | cluster alerts |
//! | [`metrics`] | pure | figures for other programs: one table, written as Prometheus text, JSON or CSV | cluster alerts monitor plan |
//! | [`grammar`] | pure | operations as an operator spells them, in the shell and after `:` | cluster escape plan |
//! | [`keys`] | pure | the one table of actions; help, footer and README are derived from it | nearest |
//! | [`theme`] | pure | roles → styles | |
//! | [`app`] | pure | `update(&mut App, Event, now) → Vec<Effect>`: what the operator looks at | cluster alerts monitor plan grammar keys escape nearest |
//! | [`ui`] | pure | `draw(&App, &Theme, now, &mut Frame)`; one widget a file | app cluster alerts monitor plan keys theme quantity escape |
//! | [`private`] | IO | files and folders that are this user's alone | |
//! | [`link`] | IO | the only module that names the redis crate: deadlines, reconnection, TLS, address map | cluster quantity escape |
//! | [`watch`] | IO | one task a node asks; emits [`cluster::Observation`]s | link cluster escape |
//! | [`exec`] | IO | carries a plan out: check → do → verify; journal and ledger | link plan cluster quantity escape private |
//! | [`memory`] | IO | what is known of clusters, kept in the state folder from one run to the next | cluster private |
//! | [`session`] | IO | link + watch + exec of one open cluster, for console and command line alike | link watch exec memory plan cluster |
//! | [`local`] | IO | real servers on this machine, for the demo and the tests | link cluster |
//! | [`play`] | IO | the demo's players, who keep account of every write | link cluster |
//! | [`config`] | pure but `load` | the one TOML file, checked as a whole | keys theme plan alerts cluster nearest |
//! | [`term`] | IO | the terminal, taken and given back once; its bytes as keys | app theme escape |
//! | [`tui`] | IO | the console's loop: events in, effects out, frames when something changed | app ui keys theme term session exec config alerts cluster plan local play link watch private memory |
//! | [`cli`] | IO | the command line: one command a file, and an exit code | tui term session config local play exec watch link grammar keys theme plan alerts monitor metrics cluster app ui quantity escape private memory nearest |
//!
//! # Words
//!
//! - **shard**: a master and its replicas. It keeps its letter as long as one of its nodes lives.
//! - **view**: what one node says of the cluster; **opinion**: a view of the owners of slots, with the nodes that share it.
//!   Disagreement is kept, not resolved.
//! - **open slot**: one that is migrating or importing on some node.
//! - **finding**: a rule that does not hold; **alert**: a finding over time; **verdict**: the worst of those that stand.
//! - **intent**: what the operator wants; **plan**: the steps that would do it; **operation**: a plan being carried out.
//! - **room**: all keys with one hash tag `{CODE}`, so one slot, so one shard; **impact**: rooms, players, keys and
//!   bytes that an operation touches.
//!
//! Three things could be called state, and none is: [`cluster::Model`] is facts, [`app::Screen`] is what the operator
//! looks at, and [`exec`] knows what is being done ([`app::Operation`] is its reflection).
//!
//! # Life of a failover
//!
//! `F` is looked up in [`keys::TABLE`] and becomes an action; [`app::update`] turns it into a [`plan::Intent`] and asks for
//! a plan with [`app::Effect::Plan`]. The console's effect handler ([`tui::ClusterEffects`]) has [`exec::Executor::plan`] read the
//! facts anew and call [`plan::plan()`], which answers with a [`plan::Plan`] or a [`plan::Refusal`]. Either comes back as
//! [`app::Event::Planned`] and is a dialog, with the cursor on Cancel. Confirmed, [`app::Effect::Execute`] hands the plan
//! to [`exec::Executor::execute`]: the facts are read again, the fingerprint must be the same, `CLUSTER FAILOVER` goes to
//! the replica, and every node is asked until all agree or the time is up. [`plan::Progress`] comes back on the way, its
//! last word a [`plan::Report`] with what was measured. The command line walks the same way from
//! `rgc-tui failover`, with lines in place of dialogs. The test `life_of_a_failover` (`tests/sim/life_of_a_failover.rs`)
//! walks all of it on a simulated cluster, from the first frame to the verified result.
//!
//! # How to add an operation
//!
//! 1. a variant of [`plan::Intent`], which prints as its own command line;
//! 2. a planner in the folder of `plan/` it belongs to, one file, called from `plan/planner.rs`; refusals are sentences with what to do instead;
//! 3. steps that [`exec`] knows, or a new [`plan::StepKind`] with its check and its verification;
//! 4. a command in `grammar/mod.rs`, which is the shell's and the one after `:`; `cli/operate/intents.rs` has the test that
//!    an intent prints as the command that makes it;
//! 5. a row in [`keys::TABLE`], and one in `app/command/commands.rs` for the help page and short forms.
//!
//! No new dialog: plans and refusals show themselves.

#![cfg_attr(
    all(doc, not(feature = "console")),
    allow(rustdoc::broken_intra_doc_links, reason = "this page tells of the console, too, whose modules are not there then")
)]
// The program itself never panics, prints or reads a clock where it should not; tests, benches and examples may.
#![warn(unreachable_pub)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::map_err_ignore, clippy::disallowed_methods)]

// PURE
pub mod alerts;
pub mod cluster;
pub mod config;
pub mod escape;
pub mod metrics;
pub mod monitor;
pub mod nearest;
pub mod plan;
pub mod quantity;
// IO
pub mod exec;
pub mod link;
pub mod local;
pub mod memory;
pub mod play;
pub mod private;
pub mod session;
pub mod watch;
// The console and the command line
#[cfg(feature = "console")]
pub mod app;
#[cfg(feature = "console")]
pub mod cli;
#[cfg(feature = "console")]
pub mod grammar;
#[cfg(feature = "console")]
pub mod keys;
#[cfg(feature = "console")]
pub mod term;
#[cfg(feature = "console")]
pub mod theme;
#[cfg(feature = "console")]
pub mod tui;
#[cfg(feature = "console")]
pub mod ui;
