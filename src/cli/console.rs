//! IO. The console: an open session on one side, the terminal on the other.

use std::io::IsTerminal;
use std::sync::Arc;

use super::args::Global;
use super::context::exit::{CommandResult, Exit, Stop};
use crate::app::{App, Settings};
use crate::cli::context::in_force;
use crate::cli::context::look;
use crate::cli::operate::shutdown;
use crate::cluster::Model;
use crate::config::Config;
use crate::link::Clock;
use crate::local::LocalCluster;
use crate::play::{self, PlaySpec};
use crate::session::Session;
use crate::term;
use crate::theme::Theme;
use crate::tui::{self, ClusterEffects, FactSource, Faults, Start, Themes};

pub(super) async fn run(global: &Global) -> CommandResult {
    let config = in_force::config(global, true)?;
    open(&config, global, None).await
}

/// Opens the console; with a demo's servers also plays on them.
pub(super) async fn open(config: &Config, global: &Global, demo: Option<(Arc<LocalCluster>, PlaySpec)>) -> CommandResult {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let says = "the console needs a terminal; without one: `status`, `watch`, or `demo --headless`";
        return Err(Stop::usage(says));
    }
    term::install_panic_hook();
    term::install_log(log::LevelFilter::Info);
    let clock = Clock::start();
    let spec = look::spec(config, global.read_only)?;
    let session = Session::open(spec, clock);
    let executor = session.executor().clone();
    let _play =
        demo.as_ref().map(|(local, spec)| play::start(session.links().clone(), local.addresses(), *spec, clock, session.sender()));
    let is_demo = demo.is_some();
    let handler = ClusterEffects::new(executor, demo.map(|(local, _)| faults(local)));
    let mut model = Model::new(config.cluster.name.clone());
    model.slow = config.alerts.latency;
    let app = App::new(model, settings(config, global, is_demo), config.keymap.clone(), clock.now());
    let start = Start {
        app,
        themes: themes(config),
        clock,
        facts: FactSource::Session(Box::new(session)),
        handler: Box::new(handler),
        mouse: config.ui.mouse,
        colours: term::colours(|name| std::env::var(name).ok()),
    };
    match tui::start(start).await {
        Ok(mut console) => {
            console.facts.remember_now(&console.app.model).await;
            Ok(shutdown::stop(&mut console).await)
        }
        Err(error) => Err(Stop::new(Exit::Critical, format!("the console cannot use this terminal: {error}"))),
    }
}

fn settings(config: &Config, global: &Global, demo: bool) -> Settings {
    let mut names: Vec<String> = Theme::names().map(str::to_owned).collect();
    if !names.contains(&config.ui.theme) {
        names.insert(0, config.ui.theme.clone());
    }
    Settings {
        read_only: global.read_only || config.cluster.protected,
        protected: config.cluster.protected,
        demo,
        ascii: config.ui.ascii,
        interval: config.poll.interval,
        thresholds: config.alerts.clone(),
        theme: config.ui.theme.clone(),
        themes: names,
        room_key: config.rooms.key.clone(),
        invocation: if demo { in_force::to_demo(&config.cluster, 1) } else { in_force::invocation(global) },
    }
}

/// The built-in themes, and the one of the configuration under the name it has there.
fn themes(config: &Config) -> Themes {
    let (own, look) = (config.ui.theme.clone(), config.ui.look.clone());
    Box::new(move |name| if name == own { Some(look.clone()) } else { Theme::builtin(name) })
}

/// What the demo's console can do to its servers.
fn faults(local: Arc<LocalCluster>) -> Faults {
    Arc::new(move |node, fault| {
        let local = local.clone();
        Box::pin(async move { local.fault(&node, fault).await.map_err(|error| error.to_string()) })
    })
}
