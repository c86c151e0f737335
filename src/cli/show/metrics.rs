//! IO. `metrics`: figures for other programs, once, again and again, or for whoever asks over HTTP.

mod cost;
mod follow;
#[cfg(feature = "listen")]
mod serve;

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::cli::args::{Format, Global, Measure, Metrics};
use crate::cli::context::exit::{CommandResult, Exit, Stop};
use crate::cli::context::look::Sight;
use crate::cli::context::out;
use crate::metrics::{self, Reading};
use follow::Follow;

pub(crate) async fn run(how: &Metrics, global: &Global) -> CommandResult {
    match (how.listen, how.every) {
        (Some(at), None) => listen(at, global).await,
        (None, Some(every)) => again(every, global).await,
        (None, None) => once(how.rooms, global).await,
        (Some(_), Some(_)) => Err(Stop::usage("--listen answers whenever it is asked: without --every")),
    }
}

async fn once(rooms: bool, global: &Global) -> CommandResult {
    let sight = Sight::take(global, Measure { rates: false, rooms }).await?;
    if let Some(stop) = sight.unreachable() {
        return Err(stop);
    }
    let picture = sight.picture();
    let reading = Reading {
        model: &picture.model,
        monitor: &picture.monitor,
        now: picture.now,
        scans: picture.measured.rooms,
        watches: false,
        cost: cost::now(0),
    };
    print(&reading, global.format, true);
    Ok(Exit::Done)
}

async fn again(every: Duration, global: &Global) -> CommandResult {
    let mut follow = Follow::start(global).await?;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut stop = std::pin::pin!(crate::cli::context::signals::stop());
    let mut first = true;
    loop {
        tokio::select! {
            _ = &mut stop => break,
            () = follow.hear() => {}
            _ = ticks.tick() => {
                follow.conclude();
                if !print(&follow.reading(), global.format, first) {
                    break;
                }
                first = false;
            }
        }
    }
    Ok(Exit::Done)
}

#[cfg(feature = "listen")]
async fn listen(at: std::net::SocketAddr, global: &Global) -> CommandResult {
    if global.format != Format::Text && global.format != Format::Prometheus {
        return Err(Stop::usage("--listen speaks Prometheus's text format at /metrics, and JSON at /status"));
    }
    serve::run(at, global).await
}

#[cfg(not(feature = "listen"))]
async fn listen(_: std::net::SocketAddr, _: &Global) -> CommandResult {
    Err(Stop::usage("this program was built without `listen`: no --listen"))
}

/// Prometheus's format unless another is asked for. False when it did not get to its reader.
fn print(reading: &Reading<'_>, format: Format, titled: bool) -> bool {
    let (families, name) = (metrics::read(reading), &reading.model.name);
    match format {
        Format::Text | Format::Prometheus => out::result(&metrics::prometheus(&families, name)),
        Format::Json => out::json(&metrics::json(&families, name, reading.now)),
        Format::Csv => out::result(&metrics::csv(&families, name, reading.now, titled)),
    }
}
