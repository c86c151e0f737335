//! IO. Who is at work: an operation on slots subscribes to a channel on every master, and whoever begins one looks for such.
//!
//! Other consoles see it wherever they run. It is a courtesy: no operation rests on it, and where channels are forbidden
//! nothing is known.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::cluster::{Address, Model, Time};
use crate::exec::record::who::who;
use crate::link::{Command, Failure, Lane, Links, Reply};
use crate::plan::{CHANNELS, Other, Plan};

/// Before the JSON that says who it is.
const PREFIX: &str = "rgc-tui:";
const WITHIN: Duration = Duration::from_secs(2);
/// What is told of the operation.
const LONGEST: usize = 160;
/// Times that two who begin at once step back for each other.
const ATTEMPTS: u32 = 3;

/// Our subscriptions, on connections of their own.
#[derive(Debug)]
pub(crate) struct Presence {
    links: Links,
    at: Vec<Address>,
    channel: String,
}

fn masters(model: &Model) -> Vec<Address> {
    model.nodes().filter(|node| node.is_master() && !node.health.is_down()).map(|node| node.address.clone()).collect()
}

/// Operations of consoles, this one's included, as the masters see them; and why one does not say.
pub(crate) async fn others(links: &Links, model: &Model) -> (Vec<Other>, Vec<String>) {
    let question = Command::words("PUBSUB CHANNELS").arg(CHANNELS);
    let asked = masters(model).into_iter().map(|at| {
        let (link, question) = (links.get(&at, Lane::Probe), &question);
        async move { (link.call_within(question, WITHIN).await, at) }
    });
    let (mut all, mut unseen) = (Vec::<Other>::new(), Vec::new());
    for (answer, at) in join_all(asked).await {
        match answer {
            Ok(reply) => {
                let channels = reply.array().unwrap_or_default().iter().filter_map(Reply::text);
                for other in channels.filter_map(|channel| read(&channel, &at)) {
                    if !all.iter().any(|known| known.id == other.id) {
                        all.push(other);
                    }
                }
            }
            Err(failure) => unseen.push(format!("{at}: {}", why(&failure, "PUBSUB CHANNELS"))),
        }
    }
    (all, unseen)
}

fn read(channel: &str, at: &Address) -> Option<Other> {
    let value: Value = serde_json::from_str(channel.strip_prefix(PREFIX)?).ok()?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    Some(Other { id: text("id"), who: text("who"), what: text("what"), since: text("since"), at: at.clone() })
}

impl Presence {
    /// Lets others see this operation; or whose is under way. What keeps it from being seen is in `notes`.
    pub(crate) async fn announce(
        links: &Links,
        model: &Model,
        plan: &Plan,
        now: Time,
        notes: &mut Vec<String>,
    ) -> Result<Self, Other> {
        let id = format!("{}-{}", now.format("%Y%m%dT%H%M%S%9fZ"), std::process::id());
        let what: String = plan.intent.to_string().chars().take(LONGEST).collect();
        let since = now.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        let who = format!("{} on {}, pid {}", who(), host(), std::process::id());
        let channel = format!("{PREFIX}{}", json!({"id": id, "who": who, "what": what, "since": since}));
        let mut attempt = 0;
        loop {
            let (others, unseen) = others(links, model).await;
            if let Some(other) = others.into_iter().next() {
                return Err(other);
            }
            let own = Self::subscribe(links, model, &channel, notes).await;
            notes.extend(unseen);
            let other = self::others(links, model).await.0.into_iter().find(|other| other.id != id);
            let Some(other) = other else { return Ok(own) };
            // Both have begun at once, and both step back, not for the same time.
            own.end().await;
            attempt += 1;
            if attempt >= ATTEMPTS {
                return Err(other);
            }
            let digit =
                u64::from(id.bytes().fold(std::process::id(), |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 8);
            sleep(Duration::from_millis(40 + digit * 60 * u64::from(attempt))).await;
            notes.clear();
        }
    }

    async fn subscribe(links: &Links, model: &Model, channel: &str, notes: &mut Vec<String>) -> Self {
        // A connection that has subscribed answers little else.
        let own = Links::new(links.settings().clone(), links.clock());
        let command = Command::words("SUBSCRIBE").arg(channel);
        let asked = masters(model).into_iter().map(|at| {
            let (link, command) = (own.get(&at, Lane::Work), &command);
            async move { (link.call_within(command, WITHIN).await, at) }
        });
        let mut at = Vec::new();
        let mut refused = BTreeSet::new();
        for (answer, address) in join_all(asked).await {
            match answer {
                Ok(_) => at.push(address),
                Err(failure) => drop(refused.insert(format!("{address}: {}", why(&failure, "SUBSCRIBE to a channel")))),
            }
        }
        if !refused.is_empty() {
            let why: Vec<String> = refused.into_iter().collect();
            notes.push(format!("other consoles may not see this operation: {}", why.join("; ")));
        }
        Self { links: own, at, channel: channel.to_owned() }
    }

    /// It is over, and seen to be when this returns.
    pub(crate) async fn end(self) {
        let command = Command::words("UNSUBSCRIBE").arg(&self.channel);
        join_all(self.at.iter().map(|at| {
            let link = self.links.get(at, Lane::Work);
            let command = &command;
            async move { link.call_within(command, WITHIN).await }
        }))
        .await;
    }
}

fn why(failure: &Failure, what: &str) -> String {
    match failure.server() {
        Some(error) if error.code == "NOPERM" => format!("this user may not {what}"),
        _ => failure.to_string(),
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "an unnamed host".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_channel_says_is_read_and_strangers_are_not() {
        let at: Address = "10.0.0.1:7000".parse().unwrap();
        let channel =
            format!("{PREFIX}{}", json!({"id": "1", "who": "ann on a, pid 3", "what": "move-slots 0-9 --to B", "since": "now"}));
        let other = read(&channel, &at).unwrap();
        assert!(
            other.says().starts_with("`move-slots 0-9 --to B`, begun by ann on a, pid 3 at now, is under way"),
            "{}",
            other.says()
        );
        assert_eq!(read("rgc-tui:else", &at), None);
        assert_eq!(read("news", &at), None);
    }
}
