//! PURE. Changes, alerts and verdicts as lines: what `watch` and the headless demo print.

use chrono::SecondsFormat;
use serde_json::json;

use crate::alerts::{AlertEvent, Phase, Verdict};
use crate::cli::args::Format;
use crate::cli::context::out::json_text;
use crate::cli::context::paint::{self, Paint};
use crate::cli::context::picture::{finding_json, glyph, verdict_glyph};
use crate::cluster::{Change, PlayStats, Time};
use crate::quantity::{short, span};

/// How lines are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub format: Format,
    pub paint: Paint,
}

fn stamp(at: Time) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn clock(at: Time) -> String {
    at.format("%H:%M:%SZ").to_string()
}

impl Style {
    /// The line as it is written: nothing in it but text and our own colours.
    pub(crate) fn written(self, line: &str) -> String {
        if self.is_json() { line.to_owned() } else { paint::ansi(&line.replace(['\n', '\r'], " ")) }
    }

    fn is_json(self) -> bool {
        self.format == Format::Json
    }

    pub(crate) fn change(self, change: &Change) -> String {
        if self.is_json() {
            return json_text(&json!({
                "at": stamp(change.at),
                "kind": "change",
                "change": change.kind.name(),
                "node": change.node.is_member().then(|| change.node.to_string()),
                "address": change.address.to_string(),
                "message": change.kind.to_string(),
            }));
        }
        format!("{}  {:<13} {} {}", clock(change.at), change.kind.name(), change.address, change.kind)
    }

    pub(crate) fn alert(self, event: &AlertEvent) -> String {
        let alert = &event.alert;
        let finding = &alert.finding;
        if self.is_json() {
            let mut line = json!({"at": stamp(event.at), "kind": "alert"});
            let mut told = finding_json(finding, alert.phase);
            if let (Some(line), Some(told)) = (line.as_object_mut(), told.as_object_mut()) {
                line.append(told);
                line.insert("seconds".into(), crate::cli::context::out::rounded(alert.duration(event.at).as_secs_f64()).into());
            }
            return json_text(&line);
        }
        let rule = self.paint.severity(finding.severity, &format!("{} {}", glyph(finding.severity), finding.rule));
        let phase = alert.phase.word();
        let after = match alert.phase {
            Phase::Resolved => format!(" after {}", span(alert.duration(event.at))),
            _ => String::new(),
        };
        format!("{}  {phase}{after}  {rule}  {}: {}", clock(event.at), finding.label, finding.message)
    }

    pub(crate) fn verdict(self, at: Time, name: &str, verdict: Verdict, headline: &str) -> String {
        if self.is_json() {
            return json_text(&json!({
                "at": stamp(at), "kind": "verdict", "cluster": name, "verdict": verdict.word(), "message": headline,
            }));
        }
        let word = format!("{} {}", verdict_glyph(verdict), verdict.word().to_uppercase());
        format!("{}  {name}  {}  {headline}", clock(at), self.paint.verdict(verdict, &word))
    }

    /// What the demo's players feel.
    pub(crate) fn play(self, at: Time, play: &PlayStats) -> String {
        let ms =
            |span: Option<std::time::Duration>| span.map(|span| crate::cli::context::out::rounded(span.as_secs_f64() * 1000.0));
        if self.is_json() {
            return json_text(&json!({
                "at": stamp(at),
                "kind": "play",
                "acknowledged": play.acknowledged,
                "refused": play.refused,
                "unknown": play.unknown,
                "lost": play.lost,
                "writes_per_sec": crate::cli::context::out::rounded(play.writes_per_sec),
                "gap_ms": ms(play.gap),
                "last_gap_ms": ms(play.last_gap),
                "worst_gap_ms": ms(play.worst_gap),
            }));
        }
        format!("{}  play  {}", clock(at), play_words(play))
    }

    /// A sentence of our own between the facts.
    pub(crate) fn note(self, at: Time, text: &str) -> String {
        if self.is_json() {
            return json_text(&json!({"at": stamp(at), "kind": "note", "message": text}));
        }
        format!("{}  {text}", clock(at))
    }
}

pub(crate) fn play_words(play: &PlayStats) -> String {
    let mut words = format!(
        "{} writes/s · {} acknowledged, {} failed, {} unanswered, {} lost",
        short(play.writes_per_sec),
        play.acknowledged,
        play.refused,
        play.unknown,
        play.lost
    );
    match (play.gap, play.last_gap) {
        (Some(gap), _) => words.push_str(&format!(" · no writes to one shard for {}", span(gap))),
        (None, Some(gap)) => words.push_str(&format!(" · last write gap {}", span(gap))),
        _ => {}
    }
    words
}
