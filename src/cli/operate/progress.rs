//! IO. What an operation says while it runs: lines of JSON on stdout, or sentences and a bar on stderr.

use std::io::IsTerminal;
use std::sync::mpsc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::cli::args::Format;
use crate::cli::context::out;
use crate::plan::{self, Plan, Progress};
use crate::quantity::{bytes, short, span};

/// How long somebody who leaves at once waits for its last words to be read.
const PARTING: Duration = Duration::from_millis(200);
/// How often a file or a pipe is told how far the slots are.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Tells from a thread of its own: a pipe that nobody reads holds up its reader, and not an operation with slots open.
pub(crate) struct Teller {
    says: mpsc::Sender<Say>,
    told: oneshot::Receiver<()>,
}

enum Say {
    Progress(Progress),
    Note(String),
    /// Takes the bar off the screen, and goes to stdout.
    Result(String),
}

impl Teller {
    pub(crate) fn new(format: Format, plan: &Plan) -> Self {
        // Without a bound: a few messages a second for as long as one operation takes.
        let (says, heard) = mpsc::channel();
        let (all, told) = oneshot::channel();
        let moving = !plan.moves.is_empty();
        std::thread::spawn(move || {
            let mut teller = ProgressPrinter::new(format, moving);
            for say in heard {
                match say {
                    Say::Progress(progress) => teller.tell(&progress),
                    Say::Note(text) => teller.note(&text),
                    Say::Result(line) => {
                        teller.clear();
                        out::line(&line);
                    }
                }
            }
            teller.clear();
            let _ = all.send(());
        });
        Self { says, told }
    }

    pub(crate) fn tell(&self, progress: Progress) {
        let _ = self.says.send(Say::Progress(progress));
    }

    pub(crate) fn note(&self, text: &str) {
        let _ = self.says.send(Say::Note(text.to_owned()));
    }

    /// The last words; returns when everything was told.
    pub(crate) async fn end(self, result: String, notes: Vec<String>) {
        let last = std::iter::once(Say::Result(result)).chain(notes.into_iter().map(Say::Note));
        last.for_each(|say| drop(self.says.send(say)));
        self.told().await;
    }

    /// Leaves at once: what is not read by then was not wanted.
    pub(crate) async fn leave(self, note: String) {
        self.note(&note);
        let _ = timeout(PARTING, self.told()).await;
    }

    async fn told(self) {
        drop(self.says);
        let _ = self.told.await;
    }
}

/// Tells progress as it comes.
struct ProgressPrinter {
    json: bool,
    bar: Option<ProgressBar>,
    /// Slots are moving: how far they are is told, and not the thousands of commands, which the ledger has.
    moving: bool,
    told: Instant,
}

impl ProgressPrinter {
    fn new(format: Format, moving: bool) -> Self {
        let json = format == Format::Json;
        let bar = (!json && moving && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} slots  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { json, bar, moving, told: Instant::now() }
    }

    fn tell(&mut self, progress: &Progress) {
        if self.json {
            if let Some(json) = plan::json::progress(progress) {
                out::json(&json);
            }
            return;
        }
        match progress {
            Progress::Step { says, .. } => self.note(says),
            Progress::Sent { .. } if self.moving => {}
            Progress::Sent { address, command, reply } => self.note(&format!("  {address}> {command}  {reply}")),
            Progress::Note(text) => self.note(text),
            Progress::Paused(true) => self.note("paused"),
            Progress::Paused(false) => self.note("resumed"),
            Progress::Moved { slots_done, slots_total, .. } => {
                self.moving = slots_done < slots_total;
                self.moved(u64::from(*slots_done), u64::from(*slots_total), &moved(progress));
            }
            Progress::Ended(_) => {}
        }
    }

    fn moved(&mut self, done: u64, total: u64, words: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(words.to_owned());
        } else if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            out::tell(&format!("  {done} of {total} slots  {words}"));
        }
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::tell(text)),
            None => out::tell(text),
        }
    }

    /// Takes the bar off the screen.
    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// What has moved so far, how fast, and what is felt of it.
fn moved(progress: &Progress) -> String {
    let Progress::Moved { keys, bytes: moved, keys_per_sec, eta, p99_ms, .. } = progress else { return String::new() };
    let mut words = format!("{} keys, {}, {} keys/s", short(*keys as f64), bytes(*moved), short(*keys_per_sec));
    if let Some(eta) = eta {
        words.push_str(&format!(", {} to go", span(*eta)));
    }
    if let Some(p99) = p99_ms {
        words.push_str(&format!(", p99 {p99:.1} ms"));
    }
    words
}
