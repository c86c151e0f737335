//! PURE. Curves of one line. Their scale has a floor, so that the noise of an idle cluster stays flat.

use super::glyphs::Glyphs;
use crate::cluster::{Metric, Node};

/// The least value that fills a curve to the top.
pub(super) fn floor(metric: Metric) -> f64 {
    match metric {
        Metric::Ops => 400.0,
        Metric::Latency => 20.0,
        Metric::Memory | Metric::Cpu | Metric::HitRate => 100.0,
        Metric::NetIn | Metric::NetOut => 512.0 * 1024.0,
        Metric::Clients => 400.0,
        Metric::Evictions => 10.0,
        Metric::Lag => 64.0 * 1024.0,
    }
}

/// The highest of the newest samples of some nodes, or the floor: one scale for all of them, so that they compare.
pub(super) fn scale<'a>(nodes: impl Iterator<Item = &'a Node>, metric: Metric, width: u16) -> f64 {
    let samples = nodes.flat_map(|node| node.series.of(metric).tail(usize::from(width))).flatten();
    let top = samples.fold(floor(metric), f64::max);
    // Round up, so that the scale itself does not move with every sample.
    let step = 10f64.powf(top.log10().floor());
    if metric == Metric::Memory || metric == Metric::Cpu { top.max(100.0) } else { (top / step).ceil() * step }
}

/// The newest `width` samples at the right end; gaps stay empty.
pub(super) fn curve(glyphs: &Glyphs, samples: impl Iterator<Item = Option<f64>>, width: u16, top: f64) -> String {
    let bars: Vec<&str> = samples.map(|sample| sample.map_or(" ", |value| level(glyphs, value, top))).collect();
    let missing = usize::from(width).saturating_sub(bars.len());
    let mut text = " ".repeat(missing);
    text.extend(bars);
    text
}

fn level(glyphs: &Glyphs, value: f64, top: f64) -> &'static str {
    let share = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
    let index = (share * (glyphs.levels.len() - 1) as f64).round() as usize;
    glyphs.levels.get(index).copied().unwrap_or(" ")
}

/// A bar of `width` cells of which this share is filled: the filled and the empty part.
pub(super) fn bar(glyphs: &Glyphs, share: f64, width: u16) -> (String, String) {
    let filled = (share.clamp(0.0, 1.0) * f64::from(width)).round() as usize;
    (glyphs.bar.repeat(filled), glyphs.track.repeat(usize::from(width).saturating_sub(filled)))
}

#[cfg(test)]
mod tests {
    use super::super::glyphs::UNICODE;
    use super::*;

    #[test]
    fn curves_keep_their_width_and_their_gaps() {
        let samples = [Some(0.0), None, Some(50.0), Some(100.0), Some(500.0)];
        assert_eq!(curve(&UNICODE, samples.into_iter(), 7, 100.0), "  ▁ ▅██");
        assert_eq!(bar(&UNICODE, 0.5, 4), ("━━".to_string(), "──".to_string()));
    }
}
