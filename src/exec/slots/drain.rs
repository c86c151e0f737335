//! IO. Whether nodes have heard what they have said to each other until now.
//!
//! What a node says unasked goes to another by one connection, in order; what is published on it goes the same way. So who
//! has heard what was published now has heard everything before it. What a node answers to pings goes by the connection of
//! who asked, who has one question out at a time: once it awaits none, there is no answer from before under way.
//!
//! Valkey with replicas answers a claim before it says it on the bus, and says it when it has read what comes next: so
//! whoever is to publish is asked something first, and is past that when it has answered.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::{Address, Health, Member, NodeId};
use crate::exec::read;
use crate::link::{Clock, Command, Lane, Links};
use crate::plan::DRAINS;

/// For all of it, where servers answer at all.
const WITHIN: Duration = Duration::from_secs(2);
/// Between two looks at who awaits an answer.
const PACE: Duration = Duration::from_millis(2);
const PACE_LATER: Duration = Duration::from_millis(50);

type Nodes = BTreeMap<NodeId, Address>;

/// Waits until those have heard what these have said; the error says why that cannot be known.
pub(super) async fn has_been_heard(links: &Links, clock: Clock, of: &Nodes, by: &Nodes) -> Result<(), String> {
    let channel = format!("{DRAINS}{}-{}", std::process::id(), clock.now().format("%Y%m%dT%H%M%S%9fZ"));
    let published = async {
        let heard = timeout(WITHIN, published(links, of, by, &channel)).await;
        heard.unwrap_or_else(|_| Err("what was published on one was not heard on another".into()))
    };
    tokio::try_join!(published, nobody_awaits(links, of, by)).map(drop)
}

/// Waits until each of those has been seen to await nothing of these.
async fn nobody_awaits(links: &Links, of: &Nodes, by: &Nodes) -> Result<(), String> {
    let began = Instant::now();
    loop {
        match awaiting(links, of, by).await? {
            None => return Ok(()),
            Some(why) if began.elapsed() >= WITHIN => return Err(why),
            Some(_) => sleep(if began.elapsed() < PACE_LATER { PACE } else { PACE_LATER }).await,
        }
    }
}

async fn published(links: &Links, of: &Nodes, by: &Nodes, channel: &str) -> Result<(), String> {
    let listen = |at: Address| async move {
        let ear = links.listen(&at, channel).await.map_err(|trouble| match trouble.health {
            Health::NoPerm => format!("this user may not SUBSCRIBE at {at}"),
            _ => format!("{at} does not say what is published: {trouble}"),
        })?;
        Ok::<_, String>((at, ear))
    };
    let ears = try_join_all(by.values().map(|at| listen(at.clone()))).await?;
    let publish = |(id, at): (NodeId, Address)| async move {
        let command = Command::words(&format!("PUBLISH {channel} {}", word(id)));
        let link = links.get(&at, Lane::Work);
        let answer = match link.call_within(&Command::words("PING"), WITHIN).await {
            Err(failure) if failure.server().is_none() => Err(failure),
            _ => link.call_within(&command, WITHIN).await,
        };
        answer.map(drop).map_err(|failure| match failure.server() {
            Some(error) if error.code == "NOPERM" => format!("this user may not PUBLISH at {at}"),
            _ => format!("{at} does not publish: {failure}"),
        })
    };
    try_join_all(of.iter().map(|(id, at)| publish((*id, at.clone())))).await?;
    let all: Vec<String> = of.keys().map(|&id| word(id)).collect();
    let heard = ears.into_iter().map(|(at, mut ear)| {
        let all = &all;
        async move { ear.hear(all).await.map_err(|trouble| format!("{at} does not say what was published: {trouble}")) }
    });
    try_join_all(heard).await.map(drop)
}

fn word(id: NodeId) -> String {
    format!("heard:{id}")
}

/// Who still awaits an answer of whom, as a sentence.
async fn awaiting(links: &Links, of: &Nodes, by: &Nodes) -> Result<Option<String>, String> {
    let asked = by.iter().map(|(id, at)| async move { (id, at, read::view(links, at, WITHIN).await) });
    let mut waits = None;
    for (id, at, view) in join_all(asked).await {
        let view = view.map_err(|trouble| format!("{at} does not answer: {trouble}"))?;
        if view.myself().is_none_or(|me| me.id != *id) {
            return Err(format!("another node answers at {at}"));
        }
        let awaited = |member: &&Member| member.ping_sent_ms > 0 && member.id != *id && of.contains_key(&member.id);
        waits = waits
            .or_else(|| view.members.iter().find(awaited).map(|member| format!("{at} awaits an answer of {}", member.address)));
    }
    Ok(waits)
}
