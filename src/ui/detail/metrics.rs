//! PURE. Every metric of a node: its newest value, its curve, its least and its greatest.

use ratatui::text::Span;

use super::super::doc::Doc;
use super::super::{Ui, nodes, spark};
use crate::cluster::{METRICS, Metric, Node};
use crate::theme::Role;

/// Cells beside the curve: label, value, least and greatest.
const BESIDE: u16 = 2 + 9 + 7 + 2 + 16;

pub(super) fn all(ui: &Ui<'_>, node: &Node, width: u16, doc: &mut Doc<'_, '_>) {
    doc.heading("Metrics");
    let curve_width = width.saturating_sub(BESIDE).clamp(4, 60);
    for spec in METRICS {
        let ring = node.series.of(spec.metric);
        let samples: Vec<Option<f64>> = ring.tail(usize::from(curve_width)).collect();
        let known = || samples.iter().flatten().copied();
        let extremes = known().next().map(|first| known().fold((first, first), |(low, high), v| (low.min(v), high.max(v))));
        let top = spark::scale(std::iter::once(node), spec.metric, curve_width);
        let role = nodes::strain(ui, node, spec.metric).unwrap_or(Role::Text);
        let range = extremes.map_or(String::new(), |(low, high)| {
            let show = |value| nodes::show(spec.metric, value);
            format!("  {:>6}{}{:<6}", show(low), ui.glyphs.dash, show(high))
        });
        let first = if spec.metric == ui.screen.metric { Role::Accent } else { Role::Muted };
        doc.line(vec![
            Span::styled(format!("  {:<9}", spec.title), ui.style(first)),
            Span::styled(format!("{:>7}  ", unit(spec.metric, &nodes::value(ui, node, spec.metric))), ui.style(role)),
            Span::styled(spark::curve(ui.glyphs, samples.into_iter(), curve_width, top), ui.style(Role::Spark)),
            Span::styled(range, ui.style(Role::Muted)),
        ]);
    }
}

/// Rates of bytes say that they are rates.
fn unit(metric: Metric, value: &str) -> String {
    match metric {
        Metric::NetIn | Metric::NetOut if value.chars().any(char::is_alphanumeric) => format!("{value}/s"),
        _ => value.to_string(),
    }
}
