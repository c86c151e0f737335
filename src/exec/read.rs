//! IO. Reading facts for a deed: every node at once, each with its own deadline, so that none holds up the others.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::cluster::{Address, Fact, Info, Model, NodeId, Observation, ServerSettings, Trouble, View, parse};
use crate::link::{Clock, Command, Failure, Lane, Links, Reply};

/// Every node of the model with its address, those nobody can reach by any address left out.
pub(super) fn places(model: &Model) -> Vec<(NodeId, Address)> {
    model.nodes().filter(|node| !node.flags.noaddr).map(|node| (node.id, node.address.clone())).collect()
}

/// Asks every node for its view, its INFO and its settings, and takes the answers in.
pub(super) async fn refresh(model: &mut Model, links: &Links, clock: Clock) {
    let addresses: Vec<Address> = places(model).into_iter().map(|(_, address)| address).collect();
    ask_all(model, links, clock, &addresses).await;
}

/// The same for these addresses.
pub(super) async fn ask_all(model: &mut Model, links: &Links, clock: Clock, addresses: &[Address]) {
    let answers = join_all(addresses.iter().map(|address| observe(links, clock, address))).await;
    for observation in answers.iter().flatten() {
        model.apply(observation);
    }
    model.settle(clock.now());
}

async fn observe(links: &Links, clock: Clock, address: &Address) -> Vec<Observation> {
    let commands = [
        Command::words("PING"),
        Command::words("CLUSTER NODES"),
        Command::words("CLUSTER INFO"),
        Command::words("INFO"),
        Command::words("CONFIG GET").arg(ServerSettings::PATTERN),
    ];
    let sent = tokio::time::Instant::now();
    let answer = links.get(address, Lane::Probe).pipeline(&commands, links.settings().timeout).await;
    let rtt = sent.elapsed();
    let at = clock.now();
    let facts = match answer {
        Err(failure) => vec![Fact::Trouble(failure.trouble())],
        Ok(replies) => {
            let mut facts: Vec<Fact> = replies.iter().enumerate().filter_map(|(nth, reply)| fact(nth, reply, address)).collect();
            match replies.first() {
                Some(Reply::Error(error)) => facts.push(Fact::Trouble(Failure::Server(error.clone()).trouble())),
                _ => facts.push(Fact::Pong(rtt)),
            }
            facts
        }
    };
    facts.into_iter().map(|fact| Observation { source: address.clone(), at, fact }).collect()
}

/// The fact in the nth reply; what cannot be read is no fact.
fn fact(nth: usize, reply: &Reply, address: &Address) -> Option<Fact> {
    Some(match nth {
        1 => Fact::View(Arc::new(parse::nodes(&reply.text()?, address).ok()?)),
        2 => Fact::ClusterInfo(Arc::new(parse::cluster_info(&reply.text()?).ok()?)),
        3 => Fact::Info(Arc::new(parse::info(&reply.text()?).ok()?)),
        4 => Fact::Settings(Arc::new(settings(reply)?)),
        _ => return None,
    })
}

fn settings(reply: &Reply) -> Option<ServerSettings> {
    let words: Vec<String> = reply.array()?.iter().filter_map(Reply::text).collect();
    let pairs = words.chunks_exact(2).filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str())));
    Some(ServerSettings::read(pairs))
}

/// What one node says of the cluster now.
pub(super) async fn view(links: &Links, address: &Address, limit: Duration) -> Result<View, Trouble> {
    let reply = links.get(address, Lane::Probe).call_within(&Command::words("CLUSTER NODES"), limit).await;
    let text = reply.map_err(|failure| failure.trouble())?.text().unwrap_or_default();
    parse::nodes(&text, address).map_err(|error| Trouble::new(crate::cluster::Health::Garbage, error.to_string()))
}

/// What one node says of itself now.
pub(super) async fn info(links: &Links, address: &Address, section: &str) -> Result<Info, Trouble> {
    let reply = links.get(address, Lane::Probe).call(&Command::words("INFO").arg(section)).await;
    let text = reply.map_err(|failure| failure.trouble())?.text().unwrap_or_default();
    parse::info(&text).map_err(|error| Trouble::new(crate::cluster::Health::Garbage, error.to_string()))
}
