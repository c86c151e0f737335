//! PURE. The recent past of a node: one ring of samples a metric, with gaps where there was no answer.

use std::collections::VecDeque;

use super::Metric;

/// How many samples a ring keeps: five minutes at one a second.
const KEPT: usize = 300;

/// The newest samples of one metric, oldest first; a gap is None.
#[derive(Clone, Debug, Default)]
pub struct Ring(VecDeque<f32>);

impl Ring {
    pub fn push(&mut self, sample: Option<f64>) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        // A gap is kept as NaN: half the size of an Option, and no sample is ever NaN.
        self.0.push_back(sample.map_or(f32::NAN, |value| value as f32));
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The last `count` samples, oldest first.
    pub fn tail(&self, count: usize) -> impl Iterator<Item = Option<f64>> + '_ {
        let skip = self.0.len().saturating_sub(count);
        self.0.iter().skip(skip).map(|&value| (!value.is_nan()).then_some(f64::from(value)))
    }

    pub fn last(&self) -> Option<f64> {
        self.tail(1).next().flatten()
    }
}

/// One ring for each metric of the table.
#[derive(Clone, Debug, Default)]
pub struct Series([Ring; Metric::COUNT]);

impl Series {
    pub fn of(&self, metric: Metric) -> &Ring {
        self.0.get(metric.index()).unwrap_or(&self.0[0])
    }

    /// Adds one sample to every ring; metrics for which `sample` has nothing get a gap.
    pub fn push(&mut self, sample: impl Fn(Metric) -> Option<f64>) {
        for (ring, spec) in self.0.iter_mut().zip(super::METRICS) {
            ring.push(sample(spec.metric));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_gaps_and_forgets_the_oldest() {
        let mut ring = Ring::default();
        for i in 0..KEPT + 3 {
            ring.push((i % 2 == 0).then_some(i as f64));
        }
        assert_eq!(ring.len(), KEPT);
        assert_eq!(ring.tail(3).collect::<Vec<_>>(), [Some(300.0), None, Some(302.0)]);
        assert_eq!(ring.last(), Some(302.0));
    }
}
