//! IO. After the console's end: operations under way are asked to stop and waited for, since ending in the middle of a
//! step would leave slots open.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Console, next_signal};
use crate::app::{self, Control, Operation, OperationId};
use crate::exec::STOPS_WITHIN;
use crate::plan::{Intent, Report};
use crate::term::{Signal, Signals};

/// Between two times that it is said what is waited for.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// Signals so soon after the end belong to what ended the console: a third Ctrl-C pressed in haste, or SIGTERM and SIGHUP
/// that came together.
const TOGETHER: Duration = Duration::from_millis(500);

/// What is to be told of one operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shutdown<'a> {
    /// It has been asked to stop.
    Stopping(&'a Intent),
    /// It is still under way after so long; its newest note.
    Waiting(&'a Intent, Duration, Option<&'a str>),
    Ended(&'a Intent, &'a Report),
    /// It is left in the middle of a step.
    Left(&'a Intent),
}

/// Asks all running operations to stop and waits until they have, or until a signal says that nobody wants to wait.
/// Call it once the terminal is given back.
pub async fn part(console: &mut Console, mut tell: impl FnMut(Shutdown<'_>)) {
    let mut waiting: Vec<OperationId> =
        console.app.operations.iter().filter(|operation| operation.is_running()).map(|operation| operation.id).collect();
    if waiting.is_empty() {
        return;
    }
    // Operations read for themselves, and nobody takes the facts any more.
    console.facts.stop();
    for id in &waiting {
        console.handler.control(*id, Control::Abort);
        if let Some(operation) = find(console, *id) {
            tell(Shutdown::Stopping(&operation.plan.intent));
        }
    }
    let began = Instant::now();
    let mut next = began + SAY_EVERY;
    let hurried = hurried(console.signals.take(), began + TOGETHER);
    tokio::pin!(hurried);
    while !waiting.is_empty() {
        let event = tokio::select! {
            biased;
            () = &mut hurried => break,
            event = timeout_at(next.min(began + STOPS_WITHIN), console.channel.answers.recv()) => event,
        };
        let Ok(event) = event else {
            if began.elapsed() >= STOPS_WITHIN {
                break;
            }
            for operation in waiting.iter().filter_map(|id| find(console, *id)) {
                let note = operation.notes.last().map(String::as_str);
                tell(Shutdown::Waiting(&operation.plan.intent, began.elapsed(), note));
            }
            next += SAY_EVERY;
            continue;
        };
        let Some(event) = event else { break };
        app::update(&mut console.app, event, console.clock.now());
        waiting.retain(|id| {
            let Some(operation) = find(console, *id) else { return false };
            if let Some(report) = &operation.report {
                tell(Shutdown::Ended(&operation.plan.intent, report));
            }
            operation.is_running()
        });
    }
    for operation in waiting.iter().filter_map(|id| find(console, *id)) {
        tell(Shutdown::Left(&operation.plan.intent));
    }
}

fn find(console: &Console, id: OperationId) -> Option<&Operation> {
    console.app.operations.iter().find(|operation| operation.id == id)
}

/// Resolves when a signal says to leave at once. A terminal that goes away tells it more than once (the kernel, the shell,
/// the session's end), and nobody's wish it is: hang-ups do not count.
async fn hurried(mut signals: Option<Signals>, from: Instant) {
    loop {
        let signal = next_signal(signals.as_mut()).await;
        if matches!(signal, Signal::Interrupt | Signal::Terminate) && Instant::now() >= from {
            return;
        }
    }
}
