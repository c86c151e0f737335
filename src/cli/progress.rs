//! IO. What an operation says while it runs: lines of JSON on stdout, or sentences and a bar on stderr.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Format;
use super::out;
use super::units::{bytes, count, span};
use crate::plan::{self, Plan, Progress};

/// Tells progress as it comes.
pub(super) struct Told {
    json: bool,
    bar: Option<ProgressBar>,
}

impl Told {
    pub(super) fn new(format: Format, plan: &Plan) -> Self {
        let json = format == Format::Json;
        let moves = !json && !plan.moves.is_empty() && std::io::stderr().is_terminal();
        let bar = moves.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} slots  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { json, bar }
    }

    pub(super) fn tell(&mut self, progress: &Progress) {
        if self.json {
            if let Some(json) = plan::json::progress(progress) {
                out::json(&json);
            }
            return;
        }
        match progress {
            Progress::Step { says, .. } => self.note(says),
            Progress::Sent { address, command, reply } => self.note(&format!("  {address}> {command}  {reply}")),
            Progress::Note(text) => self.note(text),
            Progress::Paused(true) => self.note("paused"),
            Progress::Paused(false) => self.note("resumed"),
            Progress::Moved { slots_done, slots_total, keys, bytes: moved, keys_per_sec, eta, p99_ms } => {
                let Some(bar) = &self.bar else { return };
                bar.set_length(u64::from(*slots_total));
                bar.set_position(u64::from(*slots_done));
                let mut words = format!("{} keys, {}, {} keys/s", count(*keys as f64), bytes(*moved), count(*keys_per_sec));
                if let Some(eta) = eta {
                    words.push_str(&format!(", {} to go", span(*eta)));
                }
                if let Some(p99) = p99_ms {
                    words.push_str(&format!(", p99 {p99:.1} ms"));
                }
                bar.set_message(words);
            }
            Progress::Ended(_) => {}
        }
    }

    pub(super) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::tell(text)),
            None => out::tell(text),
        }
    }

    /// Takes the bar off the screen.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
