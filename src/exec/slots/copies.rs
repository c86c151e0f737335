//! IO. A key on both sides of an open slot: overwritten only after both copies were compared, by their content.

use std::time::Duration;

use super::batch::Key;
use super::content::{self, SlotContent};
use super::databases;
use crate::cluster::Address;
use crate::exec::context::said;
use crate::link::{Command, Lane, Links, Reply};

const WITHIN: Duration = Duration::from_secs(5);

/// What the two copies of a key are to each other.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::exec) enum Copies {
    /// One side has it, or neither any more.
    Single,
    Same,
    /// What differs, as a phrase: "12 B on 10.0.0.3:7002, 15 B on 10.0.0.4:7003 (as DUMP)".
    Different(String),
}

/// One side's copy as far as a first look shows it.
struct KeyCopy {
    kind: String,
    dump: Vec<u8>,
    /// Milliseconds; negative: it does not expire.
    ttl: i64,
}

/// Looks at one key on both sides. DUMP is a quick yes only: the order of a hash or a set in it depends on the process.
pub(in crate::exec) async fn compare(links: &Links, source: &Address, target: &Address, key: &Key) -> Result<Copies, String> {
    let (Some(ours), Some(theirs)) = (look(links, source, key).await?, look(links, target, key).await?) else {
        return Ok(Copies::Single);
    };
    if !content::expire_alike(ours.ttl, theirs.ttl) {
        let says = |ttl: i64| if ttl < 0 { "does not expire".into() } else { format!("expires in {ttl} ms") };
        return Ok(Copies::Different(format!("it {} on {source}, and {} on {target}", says(ours.ttl), says(theirs.ttl))));
    }
    if ours.kind == theirs.kind && ours.dump == theirs.dump {
        return Ok(Copies::Same);
    }
    let sizes = format!("{} B on {source}, {} B on {target} (as DUMP)", ours.dump.len(), theirs.dump.len());
    if ours.kind != theirs.kind {
        return Ok(Copies::Different(format!("a {} on {source}, a {} on {target}", ours.kind, theirs.kind)));
    }
    match (content(links, source, key, &ours.kind).await?, content(links, target, key, &theirs.kind).await?) {
        (SlotContent::Known(ours), SlotContent::Known(theirs)) if ours.is_same(&theirs) => Ok(Copies::Same),
        (SlotContent::Known(_), SlotContent::Known(_)) => Ok(Copies::Different(sizes)),
        (SlotContent::Unknown(why), _) | (_, SlotContent::Unknown(why)) => {
            Ok(Copies::Different(format!("{sizes}; what is in them could not be compared: {why}")))
        }
    }
}

/// The replies to commands on one key. Either side may be the one that imports; a node that does not passes over ASKING.
/// None: it is giving the slot away and has not this key any more.
async fn ask(links: &Links, at: &Address, database: u32, commands: Vec<Command>) -> Result<Option<Vec<Reply>>, String> {
    let asked: Vec<Command> = commands.into_iter().flat_map(|command| [Command::words("ASKING"), command]).collect();
    let answer = databases::within(&links.get(at, Lane::Work), database, asked, WITHIN).await;
    let replies = answer.map_err(|why| format!("{at} does not show a key: {why}"))?;
    let replies: Vec<Reply> = replies.into_iter().skip(1).step_by(2).collect();
    let asks = |reply: &Reply| matches!(reply, Reply::Error(error) if error.code == "ASK");
    Ok((!replies.iter().any(asks)).then_some(replies))
}

async fn look(links: &Links, at: &Address, key: &Key) -> Result<Option<KeyCopy>, String> {
    let commands = ["DUMP", "TYPE", "PTTL"].map(|word| Command::words(word).arg(&key.name)).to_vec();
    let Some(replies) = ask(links, at, key.database, commands).await? else { return Ok(None) };
    match replies.as_slice() {
        [Reply::Nil, ..] => Ok(None),
        [Reply::Bytes(dump), Reply::Bytes(kind), Reply::Int(ttl)] => {
            Ok(Some(KeyCopy { kind: String::from_utf8_lossy(kind).into_owned(), dump: dump.clone(), ttl: *ttl }))
        }
        replies => {
            let odd = replies.iter().find(|reply| matches!(reply, Reply::Error(_))).or(replies.first());
            Err(format!("{at} does not show a key: {}", odd.map_or("no reply".into(), said)))
        }
    }
}

async fn content(links: &Links, at: &Address, key: &Key, kind: &str) -> Result<SlotContent, String> {
    let Some(question) = content::question(kind, &key.name) else {
        return Ok(SlotContent::Unknown(format!("{kind} is a type of a module")));
    };
    let Some(replies) = ask(links, at, key.database, vec![question]).await? else {
        return Ok(SlotContent::Unknown(format!("{at} gives it away at this moment")));
    };
    let Some(reply) = replies.into_iter().next() else { return Err(format!("{at} does not show a key: no reply")) };
    let fields = content::fields(kind, &reply);
    // Hashes may have fields that expire; a server that knows no such thing has none.
    let expiring = match content::expiry_question(kind, &key.name, &fields) {
        Some(question) => ask(links, at, key.database, vec![question]).await?.and_then(|replies| replies.into_iter().next()),
        None => None,
    };
    Ok(content::read(kind, reply, expiring))
}
