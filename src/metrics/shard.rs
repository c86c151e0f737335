//! PURE. Figures of a shard, and what its master's death would come to now.

use super::{Forecasts, Reading};
use crate::cluster::Shard;
use crate::plan::if_lost;

/// One forecast for each shard whose master is there to lose.
pub(super) fn forecasts(reading: &Reading<'_>) -> Forecasts {
    let shards = reading.model.topology().shards.iter().filter(|shard| shard.slot_count > 0);
    let lost = shards.filter_map(|shard| {
        let master = shard.master?;
        if_lost(reading.model, &[master], reading.now).shards.into_iter().find(|lost| lost.shard == shard.name)
    });
    lost.map(|lost| (lost.shard, lost)).collect()
}

pub(super) fn slots(_: &Reading<'_>, shard: &Shard, _: &Forecasts) -> Option<f64> {
    Some(f64::from(shard.slot_count))
}

pub(super) fn served(reading: &Reading<'_>, shard: &Shard, _: &Forecasts) -> Option<f64> {
    let served = &reading.model.topology().served;
    Some(shard.slots.iter().flat_map(|range| range.iter()).filter(|slot| served.contains(*slot)).count() as f64)
}

pub(super) fn replicas(reading: &Reading<'_>, shard: &Shard, _: &Forecasts) -> Option<f64> {
    let answers = |id: &&crate::cluster::NodeId| reading.model.node(**id).is_some_and(|node| node.health.is_alive());
    Some(shard.replicas.iter().filter(answers).count() as f64)
}

pub(super) fn rooms(reading: &Reading<'_>, shard: &Shard, _: &Forecasts) -> Option<f64> {
    reading.counted().then(|| reading.model.rooms().in_slots(&shard.slot_set()).rooms as f64)
}

pub(super) fn players(reading: &Reading<'_>, shard: &Shard, _: &Forecasts) -> Option<f64> {
    reading.counted().then(|| reading.model.rooms().in_slots(&shard.slot_set()).players as f64)
}

pub(super) fn possible(_: &Reading<'_>, shard: &Shard, forecasts: &Forecasts) -> Option<f64> {
    forecasts.get(&shard.name).map(|lost| f64::from(u8::from(lost.winner.is_some())))
}

pub(super) fn loss(_: &Reading<'_>, shard: &Shard, forecasts: &Forecasts) -> Option<f64> {
    Some(forecasts.get(&shard.name)?.bytes_at_risk? as f64)
}

pub(super) fn gap(_: &Reading<'_>, shard: &Shard, forecasts: &Forecasts) -> Option<f64> {
    Some(forecasts.get(&shard.name)?.gap?.1.as_secs_f64())
}
