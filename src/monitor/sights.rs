//! PURE. First sights: since when what does not hold has been seen, from one run of the program to the next.
//!
//! Who looks once cannot wait until something has stood for long enough. What was seen at the look before, and is seen again,
//! has stood since then; what a look did not find in between begins anew.

use std::collections::BTreeSet;

use super::LOOKED_AT_AGAIN;
use crate::alerts::{AlertLog, Finding, Phase, Subject, rule};
use crate::cluster::{Model, Sighting, Time, age};

/// A rule and its subject.
type Key = (String, String);

#[derive(Clone, Debug, Default)]
pub(super) struct Sights {
    /// Found when conclusions were last drawn.
    found: BTreeSet<Key>,
    /// Not found meanwhile: what was remembered of it is over.
    over: BTreeSet<Key>,
}

impl Sights {
    /// What was seen at the look before is dated from then.
    pub(super) fn date(&mut self, findings: &mut [Finding], model: &Model, now: Time) {
        let found: BTreeSet<Key> = findings.iter().map(key).collect();
        self.over.extend(self.found.difference(&found).cloned());
        if is_whole(model) {
            let remembered = model.history().sightings().iter().map(remembered);
            self.over.extend(remembered.filter(|key| !found.contains(key)));
        }
        for finding in findings.iter_mut().filter(|finding| finding.hold > LOOKED_AT_AGAIN) {
            let key = key(finding);
            let sighting = model.history().sightings().iter().find(|sighting| remembered(sighting) == key);
            if let Some(sighting) = sighting.filter(|sighting| !self.over.contains(&key) && still_says(sighting, now)) {
                finding.since = Some(finding.since.map_or(sighting.first, |since| since.min(sighting.first)));
            }
        }
        self.found = found;
    }

    /// For whoever looks next: what does not hold, and what could not be looked for.
    pub(super) fn note(&self, log: &AlertLog, model: &mut Model, now: Time) {
        let here = log.alerts().iter().filter(|alert| {
            let held = alert.finding.hold > LOOKED_AT_AGAIN;
            alert.phase != Phase::Resolved && held && self.found.contains(&key(&alert.finding))
        });
        let here = here.map(|alert| {
            let (rule, subject) = key(&alert.finding);
            Sighting { rule, subject, first: alert.since, last: now }
        });
        let before = model.history().sightings().iter().filter(|sighting| {
            let key = remembered(sighting);
            !self.found.contains(&key) && !self.over.contains(&key) && still_says(sighting, now)
        });
        let all: Vec<Sighting> = here.chain(before.cloned()).collect();
        model.sight(all);
    }
}

fn key(finding: &Finding) -> Key {
    let subject = match &finding.subject {
        Subject::Cluster => String::new(),
        Subject::Node(id) => id.to_string(),
        Subject::Shard(name) => name.to_string(),
        Subject::Slots(slots) => slots.to_string(),
    };
    (finding.rule.to_owned(), subject)
}

fn remembered(sighting: &Sighting) -> Key {
    (sighting.rule.clone(), sighting.subject.clone())
}

/// It is not older than what it may be taken for, and its clock was not another one.
fn still_says(sighting: &Sighting, now: Time) -> bool {
    let lasts = rule(&sighting.rule).map(|rule| rule.lasts());
    sighting.first <= sighting.last && sighting.last <= now && lasts.is_some_and(|lasts| age(now, sighting.last) <= lasts)
}

/// Everybody has answered: what is not found is not there.
fn is_whole(model: &Model) -> bool {
    let members = || model.nodes().filter(|node| node.id.is_member());
    members().next().is_some() && members().all(|node| node.health.is_well() && node.view.is_some())
}
