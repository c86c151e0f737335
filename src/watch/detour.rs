//! IO. Nodes that do not answer where they are announced: where else they may be, and whether the right one answers there.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Offer;
use super::poller::PollerNews;
use crate::cluster::{Address, NodeId};

/// How far the bus port is above the port for clients, unless somebody has set it.
const BUS: u16 = 10_000;
/// A place where nobody was found is tried again after this long.
const AGAIN: Duration = Duration::from_secs(15);
/// Hosts of seeds that are tried for one node.
const HOSTS: usize = 4;

/// Places that were guessed.
pub(super) struct Detours {
    offer: Offer,
    /// Who is looked for where.
    sought: BTreeMap<Address, NodeId>,
    /// When a place was last tried.
    tried: BTreeMap<Address, Instant>,
}

impl Detours {
    /// Nodes that are looked for at a time: where everybody is down, nobody is at another place.
    pub(super) const AT_ONCE: usize = 8;

    pub(super) fn new(offer: Offer) -> Self {
        Self { offer, sought: BTreeMap::new(), tried: BTreeMap::new() }
    }

    /// Where a node may be that announces `announced`: where it was once reached, on the hosts that this program was told
    /// of, at the port that goes with its bus port.
    pub(super) fn places(
        &self,
        id: NodeId,
        announced: &Address,
        bus_port: Option<u16>,
        seeds: &[Address],
    ) -> Vec<(NodeId, Address)> {
        let mut hosts = vec![announced.host.clone()];
        for seed in seeds {
            if !hosts.contains(&seed.host) && hosts.len() <= HOSTS {
                hosts.push(seed.host.clone());
            }
        }
        let by_bus = bus_port.and_then(|port| port.checked_sub(BUS)).filter(|port| *port > 0 && *port != announced.port);
        let ports = std::iter::once(announced.port).chain(by_bus);
        let guesses = ports.flat_map(|port| hosts.iter().map(move |host| Address::new(&**host, port)));
        let all = self.offer.place_of(id).into_iter().chain(guesses);
        all.filter(|place| place != announced).map(|place| (id, place)).collect()
    }

    /// It is time to look for the node there.
    pub(super) fn tries(&mut self, place: &Address, id: NodeId) -> bool {
        if self.tried.get(place).is_some_and(|at| at.elapsed() < AGAIN) {
            return false;
        }
        self.tried.insert(place.clone(), Instant::now());
        self.sought.insert(place.clone(), id);
        true
    }

    /// Nobody answers at a place that was guessed, or somebody else does.
    pub(super) fn leads_nowhere(&mut self, place: &Address, news: &PollerNews) -> bool {
        let Some(id) = self.sought.get(place) else { return false };
        let lost = match news {
            PollerNews::Alive(Some(view)) => view.myself().is_none_or(|me| me.id != *id),
            PollerNews::Alive(None) | PollerNews::Trouble(_) => true,
            PollerNews::Places(_) => false,
        };
        if lost || matches!(news, PollerNews::Alive(_)) {
            self.sought.remove(place);
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::parse;
    use std::sync::Arc;

    #[test]
    fn a_node_is_looked_for_where_the_others_are_and_at_the_port_of_its_bus() {
        let detours = Detours::new(Offer::default());
        let id: NodeId = "a".repeat(40).parse().unwrap();
        let seeds = ["10.0.0.1:7000", "10.0.0.1:7001", "10.0.0.2:7000"].map(|seed| seed.parse().unwrap());
        let places = |announced: &str, bus| -> Vec<String> {
            let found = detours.places(id, &announced.parse().unwrap(), bus, &seeds);
            found.into_iter().map(|(_, place)| place.to_string()).collect()
        };
        assert_eq!(places("10.9.9.9:7002", Some(17002)), ["10.0.0.1:7002", "10.0.0.2:7002"]);
        let wrong_port = places("10.0.0.1:9999", Some(17002));
        assert_eq!(wrong_port, ["10.0.0.2:9999", "10.0.0.1:7002", "10.0.0.2:7002"]);
    }

    #[tokio::test]
    async fn whoever_else_answers_there_is_not_asked_on() {
        let mut detours = Detours::new(Offer::default());
        let id: NodeId = "a".repeat(40).parse().unwrap();
        let place = Address::new("10.0.0.1", 7002);
        let view = |id: &str| {
            let text = format!("{} 10.9.9.9:7002@17002 myself,master - 0 0 1 connected\n", id.repeat(40));
            PollerNews::Alive(Some(Arc::new(parse::nodes(&text, &place).unwrap())))
        };
        assert!(detours.tries(&place, id) && !detours.tries(&place, id));
        assert!(detours.leads_nowhere(&place, &view("b")), "another node");
        assert!(!detours.leads_nowhere(&place, &view("b")), "it is nobody's guess any more");
        detours.sought.insert(place.clone(), id);
        assert!(!detours.leads_nowhere(&place, &view("a")));
    }
}
