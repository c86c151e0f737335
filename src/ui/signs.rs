//! PURE. What a state looks like: a glyph, a role and a word, always together.

use super::Ui;
use super::format;
use crate::alerts::{Phase, Severity, Verdict};
use crate::cluster::{Health, Node, age};
use crate::theme::Role;

/// A state as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    pub glyph: &'static str,
    pub role: Role,
    /// What to say beside the glyph; empty when all is well.
    pub text: String,
}

/// How a node is, in the words of its health, with how long it has been so.
pub(super) fn node(ui: &Ui<'_>, node: &Node) -> Sign {
    let since = format::span(age(ui.now, node.health_since));
    let word = node.health.word();
    let sign = |glyph, role, text| Sign { glyph, role, text };
    match node.health {
        Health::Unknown => sign(ui.glyphs.unknown, Role::Unknown, "not asked yet".into()),
        Health::Up if node.flags.failed => sign(ui.glyphs.unwell, Role::Warning, "up, others say fail".into()),
        Health::Up if node.flags.suspected => sign(ui.glyphs.unwell, Role::Warning, "up, others say fail?".into()),
        Health::Up if node.is_replica() && node.link_up() == Some(false) => {
            sign(ui.glyphs.unwell, Role::Warning, "link down".into())
        }
        Health::Up => sign(ui.glyphs.up, Role::Ok, String::new()),
        Health::Slow => {
            let latency = node.latency.map(format::latency).unwrap_or_default();
            sign(ui.glyphs.unwell, Role::Warning, format!("{word} {latency}"))
        }
        Health::Loading => {
            let percent = node.info.as_ref().and_then(|info| info.loading_percent);
            sign(ui.glyphs.unwell, Role::Warning, percent.map_or(format!("{word} {since}"), |p| format!("{word} {p:.0}%")))
        }
        health if health.is_down() => sign(ui.glyphs.down, Role::Critical, format!("{word} {since}")),
        _ => sign(ui.glyphs.unwell, Role::Warning, format!("{word} {since}")),
    }
}

/// What is known of a node is not fresh: its age, once it is older than three polls.
pub(super) fn stale(ui: &Ui<'_>, node: &Node) -> Option<String> {
    let silence = node.silence(ui.now)?;
    (silence > ui.app.settings.interval * 3).then(|| format::span(silence))
}

pub(super) fn severity(ui: &Ui<'_>, severity: Severity) -> (&'static str, Role) {
    match severity {
        Severity::Critical => (ui.glyphs.down, Role::Critical),
        Severity::Warning => (ui.glyphs.warning, Role::Warning),
        Severity::Info => (ui.glyphs.dot, Role::Muted),
    }
}

pub(super) fn verdict(ui: &Ui<'_>, verdict: Verdict) -> (&'static str, Role) {
    match verdict {
        Verdict::Ok => (ui.glyphs.ok, Role::Ok),
        Verdict::Warning => (ui.glyphs.warning, Role::Warning),
        Verdict::Critical => (ui.glyphs.down, Role::Critical),
        Verdict::Unknown => (ui.glyphs.unknown, Role::Unknown),
    }
}

pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Firing => "firing",
        Phase::Resolved => "resolved",
    }
}
