//! IO. Channels: who listens to what, and how what is published on one node gets to listeners at the others.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bus::Message;
use super::commands::{Client, unknown_subcommand};
use super::keys::{glob, text};
use super::node::Id;
use super::resp::Value;
use super::world::World;

/// What a client of RESP2 that listens may still say.
const LISTENERS_SAY: [&str; 5] = ["PING", "QUIT", "RESET", "SUBSCRIBE", "UNSUBSCRIBE"];

impl World {
    /// The answer counts who listens here. The bus takes it everywhere else, behind all that was said unasked before.
    pub(super) fn publish(&mut self, me: Id, channel: &[u8], words: &[u8]) -> Value {
        let heard = self.tell_listeners(me, channel, words);
        self.broadcast(me, &Message::Publish(Arc::new([channel.to_vec(), words.to_vec()])));
        self.pump();
        Value::Int(heard)
    }

    /// To whoever listens at this node; gives how many.
    pub(super) fn tell_listeners(&self, me: Id, channel: &[u8], words: &[u8]) -> i64 {
        let listens = |(node, client, name): &&(Id, u64, Vec<u8>)| {
            *node == me && name == channel && {
                let said = Value::Push(vec![Value::bulk("message"), Value::bulk(channel), Value::bulk(words)]);
                self.inboxes.get(client).is_some_and(|inbox| inbox.send(said).is_ok())
            }
        };
        self.channels.iter().filter(listens).count() as i64
    }

    /// Every channel has an answer of its own, with how many the client listens to now; the first one is the reply.
    pub(super) fn subscribe(&mut self, me: Id, client: &Client, name: &str, channels: &[Vec<u8>]) -> Value {
        let begins = name == "SUBSCRIBE";
        let mut wanted: Vec<Option<Vec<u8>>> = channels.iter().cloned().map(Some).collect();
        if !begins && channels.is_empty() {
            wanted = self.channels.iter().filter(|(_, of, _)| *of == client.id).map(|(_, _, name)| Some(name.clone())).collect();
            if wanted.is_empty() {
                wanted.push(None);
            }
        }
        let mut first = None;
        for channel in wanted {
            self.channels.retain(|(_, of, name)| *of != client.id || Some(name) != channel.as_ref());
            if begins && let Some(channel) = &channel {
                self.channels.push((me, client.id, channel.clone()));
            }
            let count = self.listens_to(client);
            let shown = channel.map_or(Value::Nil, Value::bulk);
            let answer = Value::Push(vec![Value::bulk(name.to_lowercase()), shown, Value::Int(count as i64)]);
            match (&first, self.inboxes.get(&client.id)) {
                (Some(_), Some(inbox)) => drop(inbox.send(answer)),
                _ => first = Some(answer),
            }
        }
        first.unwrap_or(Value::Nil)
    }

    fn listens_to(&self, client: &Client) -> usize {
        self.channels.iter().filter(|(_, of, _)| *of == client.id).count()
    }

    /// Under RESP2 a client that listens can say little else.
    pub(super) fn only_listens(&self, client: &Client, name: &str, words: &[Vec<u8>]) -> Option<String> {
        let refused = !client.resp3 && !LISTENERS_SAY.contains(&name) && self.listens_to(client) > 0;
        refused.then(|| {
            let word = words.get(1).filter(|_| ["CLIENT", "CLUSTER", "CONFIG", "MEMORY", "OBJECT", "PUBSUB"].contains(&name));
            let name = [name.to_lowercase()].into_iter().chain(word.map(|word| text(word).to_lowercase())).collect::<Vec<_>>().join("|");
            format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
            )
        })
    }

    pub(super) fn pubsub(&self, me: Id, words: &[Vec<u8>]) -> Value {
        let here = self.channels.iter().filter(|(node, _, _)| *node == me).map(|(_, _, channel)| channel);
        match text(&words[1]).to_ascii_uppercase().as_str() {
            "CHANNELS" => {
                let wanted = |channel: &&Vec<u8>| words.get(2).is_none_or(|pattern| glob(pattern, channel));
                let found: BTreeSet<_> = here.filter(wanted).collect();
                Value::bulks(found)
            }
            "NUMSUB" => Value::Array(
                words[2..]
                    .iter()
                    .flat_map(|name| {
                        [Value::bulk(name), Value::Int(here.clone().filter(|channel| *channel == name).count() as i64)]
                    })
                    .collect(),
            ),
            _ => unknown_subcommand("PUBSUB", &words[1]),
        }
    }
}
