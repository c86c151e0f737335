//! IO. The console's last words: which operations are waited for, and how each ended.

use crate::cli::context::exit::Exit;
use crate::cli::context::out;
use crate::exec::STOPS_WITHIN;
use crate::plan::Outcome;
use crate::tui::{self, Console, Shutdown};

/// What an operation leaves behind that was not waited for.
pub(crate) const LEFT: &str = "left in the middle of a step; `rgc-tui fix --dry-run` shows what is open";

/// Stops what is under way. The terminal may be gone: nothing depends on these lines being read.
pub(crate) async fn stop(console: &mut Console) -> Exit {
    let mut exit = Exit::Done;
    tui::part(console, |shutdown| {
        if is_bad(&shutdown) {
            exit = Exit::Critical;
        }
        out::tell(&format!("rgc-tui: {}", words(&shutdown)));
    })
    .await;
    exit
}

fn is_bad(shutdown: &Shutdown<'_>) -> bool {
    match shutdown {
        Shutdown::Stopping(_) | Shutdown::Waiting(..) => false,
        Shutdown::Ended(_, report) => matches!(report.outcome, Outcome::Failed(_) | Outcome::Cancelled(_)),
        Shutdown::Left(_) => true,
    }
}

fn words(shutdown: &Shutdown<'_>) -> String {
    match shutdown {
        Shutdown::Stopping(intent) => format!("stopping `{intent}` at its next safe point; Ctrl-C leaves at once"),
        Shutdown::Waiting(intent, since, note) => {
            let (since, most) = (since.as_secs(), STOPS_WITHIN.as_secs());
            let note = note.map(|note| format!(": {note}")).unwrap_or_default();
            format!("`{intent}` has not ended for {since} s of at most {most} s; Ctrl-C leaves at once{note}")
        }
        Shutdown::Ended(intent, report) => {
            let reasons = report.outcome.reasons().join("; ");
            let colon = if reasons.is_empty() { "" } else { ": " };
            format!("`{intent}` {} after {}{colon}{reasons}", report.outcome.word(), crate::quantity::span(report.elapsed))
        }
        Shutdown::Left(intent) => format!("`{intent}` {LEFT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Code, Intent, Report};
    use std::time::Duration;

    #[test]
    fn last_words_say_how_it_ended_and_what_is_left() {
        let intent = Intent::MoveSlots { slots: crate::cluster::SlotSet::default(), to: "B".into() };
        let reasons = Code::Stopped.each(["you stopped it".to_owned(), "3 of 9 slots have moved".to_owned()]);
        let report = Report { outcome: Outcome::Cancelled(reasons), elapsed: Duration::from_secs(3), figures: Vec::new() };
        let ended = Shutdown::Ended(&intent, &report);
        assert!(is_bad(&ended) && is_bad(&Shutdown::Left(&intent)) && !is_bad(&Shutdown::Stopping(&intent)));
        let says = words(&ended);
        assert!(says.ends_with("cancelled after 3.0 s: you stopped it; 3 of 9 slots have moved"), "{says}");
        let waiting = words(&Shutdown::Waiting(&intent, Duration::from_secs(10), Some("putting slots 3-4 right")));
        assert!(waiting.ends_with("for 10 s of at most 100 s; Ctrl-C leaves at once: putting slots 3-4 right"), "{waiting}");
        let done = Report { outcome: Outcome::Done, elapsed: Duration::from_secs(3), figures: Vec::new() };
        assert!(words(&Shutdown::Ended(&intent, &done)).ends_with("done after 3.0 s"));
        assert!(words(&Shutdown::Left(&intent)).contains("fix --dry-run"));
    }
}
