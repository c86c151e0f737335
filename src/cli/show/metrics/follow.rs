//! IO. A cluster that is watched for as long as somebody wants its figures.

use std::time::Duration;

use super::cost;
use crate::cli::args::Global;
use crate::cli::context::exit::{Exit, Stop};
use crate::cli::context::in_force;
use crate::cli::context::look;
use crate::cluster::{Model, Time, age};
use crate::link::Clock;
use crate::metrics::Reading;
use crate::monitor::Monitor;
use crate::session::Session;

/// How long the first figures may wait for silent nodes.
const WITHIN: Duration = Duration::from_millis(1800);

pub(super) struct Follow {
    session: Session,
    pub model: Model,
    pub monitor: Monitor,
    /// What the configuration calls the arrangement of servers.
    pub topology: &'static str,
    /// How this cluster is named on a command line.
    pub invocation: String,
    observations: u64,
    heard: Time,
    now: Time,
    began: Time,
}

impl Follow {
    pub(super) async fn start(global: &Global) -> Result<Self, Stop> {
        let config = in_force::config(global, true)?;
        let spec = look::spec(&config, true)?;
        let mut session = Session::open(spec, Clock::start());
        let monitor = Monitor::new(config.alerts.clone());
        let mut model = monitor.model(config.cluster.name.clone());
        session.discover(&mut model, WITHIN, false).await;
        let now = session.clock().now();
        let topology = config.cluster.topology.word();
        let invocation = in_force::invocation(global);
        Ok(Self { session, model, monitor, topology, invocation, observations: 0, heard: now, now, began: now })
    }

    /// Waits for facts and takes in all that are there.
    pub(super) async fn hear(&mut self) {
        let mut next = self.session.next().await;
        while let Some(observation) = next {
            self.heard = observation.at.max(self.heard);
            self.model.apply(&observation);
            self.observations += 1;
            next = self.session.try_next();
        }
    }

    pub(super) fn conclude(&mut self) {
        self.now = self.session.clock().now();
        self.monitor.conclude(&mut self.model, self.now);
    }

    pub(super) fn reading(&self) -> Reading<'_> {
        let spec = &self.session.spec().watch;
        Reading {
            model: &self.model,
            monitor: &self.monitor,
            now: self.now,
            scans: spec.rooms.is_some(),
            // Two polls of every node have come by then.
            watches: age(self.now, self.began) > spec.interval * 2,
            cost: cost::now(self.observations),
        }
    }

    /// Nodes are asked, whatever they answer.
    pub(super) fn polls(&self) -> Result<(), String> {
        let watch = &self.session.spec().watch;
        let silent = age(self.session.clock().now(), self.heard);
        let limit = watch.interval * 3 + watch.timeout * 4;
        if silent <= limit { Ok(()) } else { Err(format!("no fact for {}", crate::quantity::span(silent))) }
    }

    pub(super) fn now(&self) -> Time {
        self.now
    }

    pub(super) fn cannot_listen(at: std::net::SocketAddr, error: &std::io::Error) -> Stop {
        Stop::new(Exit::Refused, format!("cannot listen on {at}: {error}"))
    }
}
