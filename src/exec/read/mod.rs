//! IO. Reading facts for an operation: every node at once, each with its own deadline, so that none holds up the others.

pub(crate) mod agree;
pub(crate) mod survey;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::cluster::{Address, Fact, Health, Info, Model, NodeId, Observation, ServerSettings, Trouble, View, parse};
use crate::link::{Clock, Command, Failure, Lane, Links, Reply};

/// Every node of the model with its address, those nobody can reach by any address left out.
pub(crate) fn places(model: &Model) -> Vec<(NodeId, Address)> {
    model.nodes().filter(|node| !node.flags.noaddr).map(|node| (node.id, node.place().clone())).collect()
}

/// Asks every node for its view, its INFO and its settings, and takes the answers in.
pub(crate) async fn refresh(model: &mut Model, links: &Links, clock: Clock) {
    let addresses: Vec<Address> = places(model).into_iter().map(|(_, address)| address).collect();
    ask_all(model, links, clock, &addresses).await;
}

/// The same for these addresses.
pub(crate) async fn ask_all(model: &mut Model, links: &Links, clock: Clock, addresses: &[Address]) {
    let answers = join_all(addresses.iter().map(|address| observe(links, clock, address))).await;
    for observation in answers.iter().flatten() {
        model.apply(observation);
    }
    model.settle(clock.now());
}

/// What a round of questions may take: a large view over a slow line is no silence. The watch gives as much.
pub(crate) fn round(links: &Links) -> Duration {
    links.settings().timeout * 4
}

async fn observe(links: &Links, clock: Clock, address: &Address) -> Vec<Observation> {
    let commands = [
        Command::words("CLUSTER NODES"),
        Command::words("CLUSTER INFO"),
        Command::words("INFO"),
        Command::words("CONFIG GET").arg(ServerSettings::PATTERN),
    ];
    let sent = tokio::time::Instant::now();
    let link = links.get(address, Lane::Probe);
    let ping = async {
        let ping = [Command::words("PING")];
        (link.pipeline(&ping, links.settings().timeout).await, sent.elapsed())
    };
    // The round goes out right behind PING.
    let ((pong, rtt), answer) = tokio::join!(ping, link.pipeline(&commands, round(links)));
    let at = clock.now();
    let mut facts = Vec::new();
    match pong.as_deref() {
        Ok([Reply::Error(error), ..]) => facts.push(Fact::Trouble(Failure::Server(error.clone()).trouble())),
        Ok(_) => facts.push(Fact::Pong(rtt)),
        Err(failure) => facts.push(Fact::Trouble(failure.trouble())),
    }
    match answer {
        Err(failure) => facts.push(Fact::Trouble(failure.trouble())),
        Ok(replies) => {
            for (nth, reply) in replies.iter().enumerate() {
                match fact(nth, reply, address) {
                    Ok(fact) => facts.push(fact),
                    // PING tells of what keeps a server from answering anything; rights are told by the question.
                    Err(Some(trouble)) if trouble.health == Health::NoPerm && nth != SETTINGS => facts.push(Fact::Trouble(trouble)),
                    Err(Some(trouble)) if trouble.health == Health::Garbage => facts.push(Fact::Trouble(trouble)),
                    Err(_) => {}
                }
            }
        }
    }
    facts.into_iter().map(|fact| Observation { source: address.clone(), at, fact }).collect()
}

/// CONFIG GET among the questions: many users may not ask it, and predictions do without.
const SETTINGS: usize = 3;

/// The fact in the nth reply, or why there is none.
fn fact(nth: usize, reply: &Reply, address: &Address) -> Result<Fact, Option<Trouble>> {
    if let Reply::Error(error) = reply {
        return Err(Some(Failure::Server(error.clone()).trouble()));
    }
    let text = reply.text().unwrap_or_default();
    let garbage = |error: parse::ParseError| Some(Trouble::new(Health::Garbage, error.to_string()));
    Ok(match nth {
        0 => Fact::View(Arc::new(parse::nodes(&text, address).map_err(garbage)?)),
        1 => Fact::ClusterInfo(Arc::new(parse::cluster_info(&text).map_err(garbage)?)),
        2 => Fact::Info(Arc::new(parse::info(&text).map_err(garbage)?)),
        SETTINGS => Fact::Settings(Arc::new(settings(reply).ok_or(None)?)),
        _ => return Err(None),
    })
}

fn settings(reply: &Reply) -> Option<ServerSettings> {
    let words: Vec<String> = reply.array()?.iter().filter_map(Reply::text).collect();
    let pairs = words.chunks_exact(2).filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str())));
    Some(ServerSettings::read(pairs))
}

/// What one node says of the cluster now, within `limit` or the time of a round, whichever is longer.
pub(crate) async fn view(links: &Links, address: &Address, limit: Duration) -> Result<View, Trouble> {
    let limit = limit.max(round(links));
    let reply = links.get(address, Lane::Probe).call_within(&Command::words("CLUSTER NODES"), limit).await;
    let text = reply.map_err(|failure| failure.trouble())?.text().unwrap_or_default();
    parse::nodes(&text, address).map_err(|error| Trouble::new(Health::Garbage, error.to_string()))
}

/// What one node says of itself now.
pub(crate) async fn info(links: &Links, address: &Address, section: &str) -> Result<Info, Trouble> {
    let reply = links.get(address, Lane::Probe).call(&Command::words("INFO").arg(section)).await;
    let text = reply.map_err(|failure| failure.trouble())?.text().unwrap_or_default();
    parse::info(&text).map_err(|error| Trouble::new(Health::Garbage, error.to_string()))
}
