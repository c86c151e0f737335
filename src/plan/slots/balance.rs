//! PURE. Which slots to give from whom to whom so that masters carry their share, with few moves.
//!
//! Works on costs alone (one a slot for slot counts, bytes for memory, …). The heaviest master gives to the lightest
//! its slot that comes nearest to the gap. A move that
//! would not make the worst of the two better is never made, so the result is never worse than the start, and a
//! second run on it finds nothing to do.

use std::collections::{BTreeMap, BTreeSet};

/// One master as the balancer sees it.
#[derive(Clone, Debug)]
pub(crate) struct Bearer {
    /// Its share of the whole, relative to the others; 0 gives everything away.
    pub(crate) weight: f64,
    /// Its slots and what each costs, in the unit of the objective (zero or more).
    pub(crate) slots: Vec<(u16, f64)>,
    /// It may not take more than this on top of what it has, in the unit of the objective.
    pub(crate) room: Option<f64>,
}

/// A slot that changes hands; the numbers are indices into the bearers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SlotTransfer {
    pub(crate) slot: u16,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) cost: f64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Balance {
    pub(crate) transfers: Vec<SlotTransfer>,
    pub(crate) after: Vec<f64>,
    /// What each bearer should carry.
    pub(crate) wanted: Vec<f64>,
    /// A bearer that stays above its share although nothing can be done, with its largest slot and that slot's cost.
    pub(crate) stuck: Option<(usize, u16, f64)>,
}

/// Things in the order of a number that is finite: the nearest to any other number is one look-up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ranked<T>(f64, T);

/// What a slot costs.
type SlotCost = Ranked<u16>;

impl<T: PartialEq> Eq for Ranked<T> {}

impl<T: Ord> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0).then_with(|| self.1.cmp(&other.1))
    }
}

/// Some of the bearers, lowest first: kept in order while they change, since clusters have hundreds and moves thousands.
#[derive(Default)]
struct Ranking {
    order: BTreeSet<Ranked<usize>>,
    ranks: BTreeMap<usize, f64>,
}

impl Ranking {
    fn of(ranks: impl Iterator<Item = (usize, f64)>) -> Self {
        let mut ranking = Self::default();
        ranks.for_each(|(at, rank)| ranking.put(at, rank));
        ranking
    }

    fn put(&mut self, at: usize, rank: f64) {
        self.remove(at);
        self.ranks.insert(at, rank);
        self.order.insert(Ranked(rank, at));
    }

    fn remove(&mut self, at: usize) {
        if let Some(rank) = self.ranks.remove(&at) {
            self.order.remove(&Ranked(rank, at));
        }
    }

    fn has(&self, at: usize) -> bool {
        self.ranks.contains_key(&at)
    }
}

/// Balances until everybody is within `aim` (a fraction: 0.01 is 1 %) of its share, or nothing helps any more.
/// Does nothing when everybody is within `threshold` already.
pub(crate) fn balance(bearers: &[Bearer], threshold: f64, aim: f64) -> Balance {
    let mut work = Work::new(bearers);
    if work.worst() > threshold {
        work.level(aim);
    }
    let stuck = work.stuck(threshold);
    let Work { transfers, loads: after, wanted, .. } = work;
    Balance { transfers: neighbours_together(&shortest(&transfers)), after, wanted, stuck }
}

struct Work {
    slots: Vec<BTreeSet<SlotCost>>,
    loads: Vec<f64>,
    wanted: Vec<f64>,
    room: Vec<f64>,
    /// Somebody shall carry something.
    shared: bool,
    /// Who may take, by surplus.
    targets: Ranking,
    /// Whom each source gave to last.
    last: Vec<Option<usize>>,
    transfers: Vec<SlotTransfer>,
}

impl Work {
    fn new(bearers: &[Bearer]) -> Self {
        let slots: Vec<BTreeSet<SlotCost>> =
            bearers.iter().map(|bearer| bearer.slots.iter().map(|&(slot, cost)| Ranked(cost.max(0.0), slot)).collect()).collect();
        let loads: Vec<f64> = slots.iter().map(|slots| 0.0 + slots.iter().map(|cost| cost.0).sum::<f64>()).collect();
        let whole: f64 = loads.iter().sum();
        let weights: f64 = bearers.iter().map(|bearer| bearer.weight).sum();
        let target = |bearer: &Bearer| if weights > 0.0 { whole * bearer.weight / weights } else { 0.0 };
        let wanted: Vec<f64> = bearers.iter().map(target).collect();
        let mut work = Self {
            shared: wanted.iter().any(|&target| target > 0.0),
            room: bearers.iter().map(|bearer| bearer.room.unwrap_or(f64::INFINITY)).collect(),
            targets: Ranking::default(),
            last: vec![None; bearers.len()],
            slots,
            loads,
            wanted,
            transfers: Vec::new(),
        };
        (0..bearers.len()).for_each(|at| work.rank(at));
        work
    }

    /// Its place among those who may take.
    fn rank(&mut self, at: usize) {
        if Self::of(&self.wanted, at) > 0.0 && Self::of(&self.room, at) > 0.0 {
            self.targets.put(at, self.surplus(at));
        } else {
            self.targets.remove(at);
        }
    }

    fn of(list: &[f64], at: usize) -> f64 {
        list.get(at).copied().unwrap_or(0.0)
    }

    /// How far a bearer is above its share (negative: below).
    fn surplus(&self, at: usize) -> f64 {
        Self::of(&self.loads, at) - Self::of(&self.wanted, at)
    }

    /// The mean share, the measure of "a percent of".
    fn scale(&self) -> f64 {
        let carrying = self.wanted.iter().filter(|&&target| target > 0.0).count().max(1);
        (self.wanted.iter().sum::<f64>() / carrying as f64).max(f64::MIN_POSITIVE)
    }

    /// The largest distance from a share, as a fraction of the mean share. One who shall keep nothing and has anything
    /// (even slots that cost nothing) is infinitely far from it.
    fn worst(&self) -> f64 {
        let scale = self.scale();
        let distance = |at: usize| if self.drains(at) { f64::INFINITY } else { self.surplus(at).abs() / scale };
        (0..self.loads.len()).map(distance).fold(0.0, f64::max)
    }

    /// It shall keep nothing, and owns something.
    fn drains(&self, at: usize) -> bool {
        self.shared && Self::of(&self.wanted, at) <= 0.0 && self.slots.get(at).is_some_and(|slots| !slots.is_empty())
    }

    fn level(&mut self, aim: f64) {
        let slack = aim * self.scale();
        let mut sources = Ranking::of((0..self.loads.len()).map(|at| (at, self.urgency(at))));
        while let Some(&Ranked(urgency, from)) = sources.order.last()
            && urgency > slack
        {
            match self.give(from) {
                None => sources.remove(from),
                Some(to) => {
                    for at in [from, to] {
                        if sources.has(at) {
                            sources.put(at, self.urgency(at));
                        }
                    }
                }
            }
        }
        self.feed(slack);
    }

    /// Who gives first: whoever shall keep nothing, then the one furthest above its share.
    fn urgency(&self, at: usize) -> f64 {
        if self.drains(at) { f64::INFINITY } else { self.surplus(at) }
    }

    /// One slot of this source, to one of those furthest below their share; who took it.
    fn give(&mut self, from: usize) -> Option<usize> {
        let drains = self.drains(from);
        let fits = |to: usize| {
            let gap = if drains { -self.surplus(to) } else { self.surplus(from).min(-self.surplus(to)) };
            Some((self.pick(from, to, gap.max(0.0), drains)?, to))
        };
        let targets = self.targets.order.iter().map(|target| target.1).filter(|&to| to != from);
        let same = || self.last.get(from).copied().flatten().filter(|&to| drains && self.targets.has(to)).and_then(fits);
        // A source that gives everything fills one target after the other: few pairs move more at a time.
        let (cost, to) = match same().filter(|(cost, to)| cost.0 <= -self.surplus(*to)) {
            Some(again) => again,
            None => targets.take(if drains { usize::MAX } else { 3 }).find_map(fits)?,
        };
        self.hand(cost, from, to);
        if let Some(last) = self.last.get_mut(from) {
            *last = Some(to);
        }
        Some(to)
    }

    /// The slot to hand over: of the largest that fits the gap and the smallest that does not but still makes the pair
    /// more equal, the one that leaves less of the gap.
    fn pick(&self, from: usize, to: usize, gap: f64, drains: bool) -> Option<SlotCost> {
        let slots = self.slots.get(from)?;
        let room = Self::of(&self.room, to);
        let useful = |cost: &SlotCost| drains || cost.0 > 0.0;
        let fits = slots.range(..=Ranked(gap.min(room) + f64::EPSILON, u16::MAX)).next_back().copied().filter(useful);
        let equals = |cost: &SlotCost| drains || self.surplus(to) + cost.0 < self.surplus(from);
        let passes = slots.range(Ranked(gap, 0)..).find(|cost| useful(cost)).copied().filter(|cost| cost.0 <= room && equals(cost));
        match (fits, passes) {
            (Some(below), Some(above)) if above.0 - gap < gap - below.0 => Some(above),
            (below, above) => below.or(above),
        }
    }

    /// Givers are level; whoever is still below its share takes from the fullest, as long as that makes both more equal.
    fn feed(&mut self, slack: f64) {
        for _ in 0..usize::from(crate::cluster::SLOTS) {
            let hungry = (0..self.loads.len()).filter(|&at| Self::of(&self.wanted, at) > 0.0);
            let Some(to) = hungry.min_by(|&a, &b| self.surplus(a).total_cmp(&self.surplus(b))) else { return };
            if -self.surplus(to) <= slack {
                return;
            }
            let full = (0..self.loads.len()).filter(|&at| at != to).max_by(|&a, &b| self.surplus(a).total_cmp(&self.surplus(b)));
            let Some(from) = full else { return };
            // Half the distance between the two makes them equal; anything below the whole distance makes them more equal.
            let distance = self.surplus(from) - self.surplus(to);
            let Some(cost) = self.pick(from, to, distance / 2.0, false).filter(|cost| cost.0 > 0.0 && cost.0 < distance) else {
                return;
            };
            self.hand(cost, from, to);
        }
    }

    fn hand(&mut self, cost: SlotCost, from: usize, to: usize) {
        if let Some(slots) = self.slots.get_mut(from) {
            slots.remove(&cost);
        }
        if let Some(slots) = self.slots.get_mut(to) {
            slots.insert(cost);
        }
        for (at, change) in [(from, -cost.0), (to, cost.0)] {
            if let Some(load) = self.loads.get_mut(at) {
                *load += change;
            }
            if let Some(room) = self.room.get_mut(at) {
                *room -= change;
            }
            self.rank(at);
        }
        self.transfers.push(SlotTransfer { slot: cost.1, from, to, cost: cost.0 });
    }

    fn stuck(&self, threshold: f64) -> Option<(usize, u16, f64)> {
        let scale = self.scale();
        let above = (0..self.loads.len()).filter(|&at| self.surplus(at) / scale > threshold);
        let at = above.max_by(|&a, &b| self.surplus(a).total_cmp(&self.surplus(b)))?;
        let largest = self.slots.get(at)?.iter().next_back()?;
        Some((at, largest.1, largest.0))
    }
}

/// A slot that was handed on more than once goes straight from its first owner to its last; one that came home stays.
fn shortest(transfers: &[SlotTransfer]) -> Vec<SlotTransfer> {
    let mut last: BTreeMap<u16, SlotTransfer> = BTreeMap::new();
    for transfer in transfers {
        last.entry(transfer.slot).and_modify(|known| known.to = transfer.to).or_insert(*transfer);
    }
    last.into_values().filter(|transfer| transfer.from != transfer.to).collect()
}

/// Slots of equal cost are interchangeable: they are assigned anew so that each source has few targets and each target gets
/// neighbours, since every node writes and reads slots as ranges.
fn neighbours_together(transfers: &[SlotTransfer]) -> Vec<SlotTransfer> {
    let mut alike: BTreeMap<u64, Vec<SlotTransfer>> = BTreeMap::new();
    for transfer in transfers {
        alike.entry(transfer.cost.to_bits()).or_default().push(*transfer);
    }
    let deal = |mut alike: Vec<SlotTransfer>| {
        let mut targets: Vec<usize> = alike.iter().map(|transfer| transfer.to).collect();
        targets.sort_unstable();
        alike.sort_unstable_by_key(|transfer| (transfer.from, transfer.slot));
        alike.into_iter().zip(targets).map(|(transfer, to)| SlotTransfer { to, ..transfer })
    };
    let mut dealt: Vec<SlotTransfer> = alike.into_values().flat_map(deal).filter(|transfer| transfer.from != transfer.to).collect();
    dealt.sort_by_key(|transfer| transfer.slot);
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn even(count: u16, from: u16) -> Vec<(u16, f64)> {
        (from..from + count).map(|slot| (slot, 1.0)).collect()
    }

    fn bearer(weight: f64, slots: Vec<(u16, f64)>) -> Bearer {
        Bearer { weight, slots, room: None }
    }

    /// The bearers as they are after the transfers.
    fn apply(bearers: &[Bearer], balance: &Balance) -> Vec<Bearer> {
        let mut after = bearers.to_vec();
        for transfer in &balance.transfers {
            let at = after[transfer.from].slots.iter().position(|slot| slot.0 == transfer.slot).expect("the source has it");
            let slot = after[transfer.from].slots.remove(at);
            after[transfer.to].slots.push(slot);
        }
        after
    }

    #[test]
    fn an_empty_master_gets_a_quarter_of_all_slots() {
        let bearers =
            [bearer(1.0, even(5461, 0)), bearer(1.0, even(5462, 5461)), bearer(1.0, even(5461, 10923)), bearer(1.0, vec![])];
        let balance = balance(&bearers, 0.02, 0.0);
        assert_eq!(balance.transfers.len(), 4096);
        assert_eq!(balance.after, [4096.0; 4]);
        assert!(balance.transfers.iter().all(|transfer| transfer.to == 3));
    }

    #[test]
    fn who_takes_from_one_source_takes_neighbours() {
        let bearers = [bearer(1.0, even(9000, 0)), bearer(1.0, even(1000, 9000)), bearer(1.0, vec![]), bearer(1.0, vec![])];
        let balance = balance(&bearers, 0.02, 0.0);
        assert_eq!(balance.after, [2500.0; 4]);
        let changes = balance.transfers.windows(2).filter(|two| two[0].to != two[1].to || two[0].slot + 1 != two[1].slot).count();
        assert_eq!((balance.transfers.len(), changes), (6500, 2), "a range for each target");
    }

    #[test]
    fn each_source_deals_with_few_targets() {
        let mut bearers: Vec<Bearer> = (0..8).map(|at| bearer(0.0, even(100, at * 100))).collect();
        bearers.extend((0..8).map(|at| bearer(1.0 + f64::from(at), vec![])));
        let balance = balance(&bearers, 0.02, 0.0);
        let pairs: BTreeSet<(usize, usize)> = balance.transfers.iter().map(|transfer| (transfer.from, transfer.to)).collect();
        assert_eq!(balance.transfers.len(), 800);
        assert!(pairs.len() < 16, "{pairs:?}");
    }

    #[test]
    fn who_gives_everything_deals_with_few_targets_whatever_slots_cost() {
        let costs = |at: u16| (at * 100..at * 100 + 100).map(|slot| (slot, f64::from(slot % 37 + 20))).collect();
        let mut bearers: Vec<Bearer> = (0..8).map(|at| bearer(0.0, costs(at))).collect();
        bearers.extend((0..8).map(|_| bearer(1.0, vec![])));
        let balance = balance(&bearers, 0.02, 0.01);
        let pairs: BTreeSet<(usize, usize)> = balance.transfers.iter().map(|transfer| (transfer.from, transfer.to)).collect();
        assert_eq!(balance.transfers.len(), 800);
        assert!(pairs.len() <= 3 * 8, "{pairs:?}");
        let (mean, loads) = (balance.wanted[15], &balance.after[8..]);
        assert!(loads.iter().all(|load| (load / mean - 1.0).abs() < 0.03), "{loads:?} of {mean}");
    }

    #[test]
    fn two_hundred_big_slots_are_shared_and_stay_shared() {
        let big = (0..200).map(|slot| (slot, 1.1e6)).chain((200..5461).map(|slot| (slot, 400.0))).collect();
        let small = |from: u16| (from..from + 5461).map(|slot| (slot, 400.0)).collect::<Vec<_>>();
        let bearers = [bearer(1.0, big), bearer(1.0, small(5461)), bearer(1.0, small(10923))];
        let first = balance(&bearers, 0.02, 0.01);
        let mean = first.after.iter().sum::<f64>() / 3.0;
        assert!(first.after.iter().all(|load| load / mean < 1.02), "{:?}", first.after);
        assert!(first.transfers.len() < 250, "{} moves", first.transfers.len());
        assert!(balance(&apply(&bearers, &first), 0.02, 0.01).transfers.is_empty());
    }

    #[test]
    fn one_slot_that_is_too_big_is_named() {
        let bearers = [bearer(1.0, vec![(2705, 97.0), (1, 1.0)]), bearer(1.0, vec![(9000, 1.0)]), bearer(1.0, vec![(9001, 1.0)])];
        let balance = balance(&bearers, 0.02, 0.01);
        assert_eq!(balance.stuck.map(|(at, slot, _)| (at, slot)), Some((0, 2705)));
        assert!(balance.transfers.iter().all(|transfer| transfer.slot != 2705));
    }

    #[test]
    fn weight_zero_gives_everything_away_even_what_costs_nothing() {
        let bearers = [bearer(0.0, vec![(1, 0.0), (2, 5.0)]), bearer(1.0, vec![(3, 5.0)]), bearer(1.0, vec![(4, 5.0)])];
        let after = apply(&bearers, &balance(&bearers, 0.02, 0.01));
        assert!(after[0].slots.is_empty());
        assert_eq!(after.iter().map(|bearer| bearer.slots.len()).sum::<usize>(), 4);
    }

    #[test]
    fn nobody_takes_more_than_there_is_room_for() {
        let mut bearers = [bearer(1.0, (0..100).map(|slot| (slot, 1.0)).collect()), bearer(1.0, vec![])];
        bearers[1].room = Some(10.0);
        assert_eq!(balance(&bearers, 0.02, 0.01).after, [90.0, 10.0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn it_never_gets_worse_loses_no_slot_and_ends(costs in prop::collection::vec((0u8..6, 0u32..2000), 1..300), masters in 1usize..6) {
            let mut bearers: Vec<Bearer> = (0..masters).map(|_| bearer(1.0, vec![])).collect();
            for (slot, (at, cost)) in costs.iter().enumerate() {
                bearers[usize::from(*at) % masters].slots.push((u16::try_from(slot).unwrap(), f64::from(*cost)));
            }
            let result = balance(&bearers, 0.02, 0.01);
            let before: Vec<f64> = bearers.iter().map(|bearer| bearer.slots.iter().map(|slot| slot.1).sum()).collect();
            let most = |loads: &[f64]| loads.iter().copied().fold(0.0, f64::max);
            prop_assert!(most(&result.after) <= most(&before) + 1e-6);
            let after = apply(&bearers, &result);
            prop_assert_eq!(after.iter().map(|bearer| bearer.slots.len()).sum::<usize>(), costs.len());
            for (bearer, load) in after.iter().zip(&result.after) {
                prop_assert!((bearer.slots.iter().map(|slot| slot.1).sum::<f64>() - load).abs() < 1e-3);
            }
            // No master exceeds its share by more than the largest slot it could not hand on.
            let largest = costs.iter().map(|(_, cost)| f64::from(*cost)).fold(0.0, f64::max);
            for (load, target) in result.after.iter().zip(&result.wanted) {
                prop_assert!(load - target <= largest + target * 0.02 + 1e-6, "{} over {}", load, target);
            }
            prop_assert!(balance(&after, 0.02, 0.01).transfers.len() <= result.transfers.len() / 4 + 2);
        }
    }
}
