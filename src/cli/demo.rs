//! IO. `demo`: a local cluster of real servers, rooms played on it, and the console (or lines) on top. However it ends,
//! the servers and their files are gone, unless they are to be kept.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::args::{Demo, Global};
use super::context::exit::{CommandResult, Exit, Stop};
use super::context::paint::Paint;
use super::show::events::Style;
use super::show::watch::Follower;
use crate::cli::console;
use crate::cli::context::in_force;
use crate::cli::context::look;
use crate::cli::context::out;
use crate::config::Config;
use crate::link::Clock;
use crate::local::{LocalCluster, LocalSpec};
use crate::play::{self, PlaySpec};
use crate::session::Session;

/// How often conclusions are drawn, and how often the players' figures are printed.
const MOMENT: Duration = Duration::from_millis(100);
const FIGURES: Duration = Duration::from_secs(5);

pub(super) async fn run(demo: &Demo, global: &Global) -> CommandResult {
    if global.config.is_some() || !global.node.is_empty() {
        return Err(Stop::usage("demo starts a cluster of its own: leave --config and --node out"));
    }
    let spec = LocalSpec {
        masters: demo.masters,
        replicas: demo.replicas,
        server_bin: demo.server_bin.clone(),
        base_port: demo.base_port,
        dir: demo.dir.clone(),
        keep: demo.keep,
        node_timeout: demo.node_timeout,
        args: Vec::new(),
    };
    let nodes = u32::from(demo.masters) * (1 + u32::from(demo.replicas));
    out::tell(&format!("rgc-tui: starting {nodes} servers …"));
    // A signal during the start drops what has been started so far, and with it the servers.
    let cluster = tokio::select! {
        cluster = LocalCluster::start(spec) => cluster.map_err(|error| Stop::new(Exit::Critical, error.to_string()))?,
        () = super::context::signals::stop() => return Ok(Exit::Done),
    };
    let cluster = Arc::new(cluster);
    let ended = play_on(demo, global, &cluster).await;
    let kept = cluster.kept();
    // Nobody else holds it any more; if somebody did, dropping the last one stops the servers just as well.
    if let Ok(cluster) = Arc::try_unwrap(cluster) {
        cluster.stop().await;
    }
    if let Some(kept) = kept {
        out::tell(&format!("rgc-tui: {kept}"));
    }
    ended
}

async fn play_on(demo: &Demo, global: &Global, cluster: &Arc<LocalCluster>) -> CommandResult {
    let name = global.cluster.clone().unwrap_or_else(|| "demo".into());
    let node = cluster.addresses();
    // The user's own alerts, keys and theme, but this cluster.
    let mut config = in_force::config(&Global { cluster: None, ..global.clone() }, false)?;
    config.cluster = crate::config::Cluster { name, nodes: node, ..Config::default().cluster };
    config.rooms = Config::default().rooms;
    let spec = PlaySpec { rooms: demo.rooms, rate: demo.rate };
    if demo.headless {
        headless(spec, global, &config, cluster).await
    } else {
        console::open(&config, global, Some((cluster.clone(), spec))).await
    }
}

async fn headless(play_spec: PlaySpec, global: &Global, config: &Config, cluster: &LocalCluster) -> CommandResult {
    let clock = Clock::start();
    let session = Session::open(look::spec(config, global.read_only)?, clock);
    let _play = play::start(session.links().clone(), cluster.addresses(), play_spec, clock, session.sender());
    let style = Style { format: global.format, paint: Paint(out::colours()) };
    let reach = in_force::to_demo(&config.cluster, usize::MAX);
    let note = style.note(clock.now(), &format!("demo cluster is up: {reach}"));
    out::own(&format!("{}\n", style.written(&note)));
    follow(session, config, style).await
}

async fn follow(mut session: Session, config: &Config, style: Style) -> CommandResult {
    let clock = session.clock();
    let mut monitor = Follower::new(&config.cluster.name, config.alerts.clone(), style, in_force::to_demo(&config.cluster, 1));
    let mut ticks = interval(MOMENT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut figures = interval(FIGURES);
    figures.reset();
    let mut stop = std::pin::pin!(super::context::signals::stop());
    loop {
        let read = tokio::select! {
            () = &mut stop => return Ok(Exit::Done),
            observation = session.next() => match observation {
                Some(observation) => {
                    monitor.take(&observation);
                    true
                }
                None => return Ok(Exit::Done),
            },
            _ = ticks.tick() => {
                session.remember(&monitor.model);
                monitor.moment(clock.now())
            }
            _ = figures.tick() => match monitor.model.play() {
                Some(play) => out::own(&format!("{}\n", style.written(&style.play(clock.now(), play)))),
                None => true,
            },
        };
        if !read {
            return Ok(Exit::Done);
        }
    }
}
