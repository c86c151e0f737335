//! IO. Before a slot opens: does the source reach the target, and may it log in there? One key is sent with COPY, which a
//! target that neither owns nor imports the slot turns down. Nothing changes, and nothing is blocked for long.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use crate::cluster::{Address, Model, NodeId, key_slot};
use crate::exec::context::OperationContext;
use crate::exec::read::{self, survey};
use crate::exec::slots::batch::Key;
use crate::exec::slots::migrate;
use crate::link::{Command, Failure, Lane, Reply};
use crate::plan::{self, Code, Engine, Plan, Reason};

/// The source stands still for so long when nobody answers there.
const PATIENCE: Duration = Duration::from_secs(1);
/// A key of more than this is not sent to try.
const SMALL: u64 = 64 * 1024;
/// Slots in which a key is looked for.
const LOOKED: usize = 64;

/// Where each server is reached by others, as far as they say; for what is moved key by key also tried. The reasons say
/// why nothing should be begun.
pub(crate) async fn routes(context: &OperationContext, plan: &Plan, model: &Model) -> Vec<Reason> {
    for node in model.nodes() {
        if let Some(best) = plan::server_addresses(model, node).into_iter().next() {
            context.reaches(&node.address, best);
        }
    }
    let others = changed(context, plan).await;
    if plan.engine != Some(Engine::Keys) || !others.is_empty() {
        return others;
    }
    let mut by_source: BTreeMap<NodeId, Vec<&plan::Move>> = BTreeMap::new();
    for part in &plan.moves {
        by_source.entry(part.from).or_default().push(part);
    }
    // One after the other on each source: it stands still for each.
    let tried = by_source.values().map(|parts| async move {
        let mut reasons = Vec::new();
        for part in parts {
            reasons.extend(pair(context, model, part).await);
        }
        reasons
    });
    join_all(tried).await.into_iter().flatten().collect()
}

/// Targets at whose address another node answers by now: the others learn that late, and the target's log tells nothing.
async fn changed(context: &OperationContext, plan: &Plan) -> Vec<Reason> {
    let targets: BTreeMap<NodeId, &Address> = plan.moves.iter().map(|part| (part.to, &part.to_address)).collect();
    let asked = targets.into_iter().map(|(id, at)| async move {
        let view = read::view(&context.links, at, PATIENCE).await.ok()?;
        let now = view.myself().map(|me| me.id).filter(|now| *now != id)?;
        Some(Code::ClusterChanged.because(format!(
            "{at} is another node now ({}, not {}): it was reset (CLUSTER RESET HARD) or replaced, and is no member; `node add {at}` makes it \
             one; no slot was opened",
            now.short(),
            id.short()
        )))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Tries one pair; why it must not be begun.
async fn pair(context: &OperationContext, model: &Model, part: &plan::Move) -> Option<Reason> {
    let (from, to) = (&part.from_address, &part.to_address);
    let key = match key(context, model, part).await {
        Ok(Some(key)) => key,
        // Nothing to move, nothing to try.
        Ok(None) => return None,
        Err(why) => return Some(Code::NotCounted.because(why)),
    };
    let target = model.node(part.to)?;
    let credentials = migrate::credentials(context.links.settings());
    let mut failed = Vec::new();
    for at in plan::server_addresses(model, target) {
        let mut command = migrate::command(&at, PATIENCE, false, &credentials, std::slice::from_ref(&key));
        // After host, port, key, database and timeout.
        command.0.insert(6, b"COPY".to_vec());
        let answer = context.links.get(from, Lane::Work).call_within(&command, PATIENCE * 3).await;
        let reply = answer.as_ref().map_or_else(ToString::to_string, crate::exec::context::said);
        context.transcript.add(from, &command.to_string(), &reply);
        match answer {
            // Turned down by the target itself; or the key was gone before it could be sent; or it holds the slot by now,
            // which is seen before anything opens.
            Err(Failure::Server(error)) if ["MOVED", "ASK ", "BUSYKEY"].iter().any(|word| error.detail.contains(word)) => {
                context.reaches(to, at);
                return None;
            }
            Ok(_) => return None,
            Err(Failure::Server(error)) if error.code == "IOERR" => failed.push(at),
            Err(Failure::Server(error)) => return Some(Code::TargetRefuses.because(refusal(from, to, &error.to_string()))),
            Err(failure) => {
                return Some(Code::NoReply.because(format!(
                    "{from} gave no reply when it was tried whether it reaches {to}: {failure}; no slot was opened"
                )));
            }
        }
    }
    let places: Vec<String> = failed.iter().map(ToString::to_string).collect();
    Some(Code::NoRoute.because(format!(
        "{from} does not reach {to} at {} (tried with one key and COPY, which changes nothing): open the way between the two \
         hosts, or let {to} announce an address that servers reach (cluster-announce-ip); no slot was opened",
        places.join(" or ")
    )))
}

/// The target's words, or the source's own.
fn refusal(from: &Address, to: &Address, text: &str) -> String {
    let what = text.split_once("replied with error: ").map_or(text, |(_, words)| words).trim();
    let next = match what.split(' ').next().unwrap_or_default() {
        _ if !text.contains("Target instance") => "give this user the rights that the README lists",
        "NOAUTH" | "WRONGPASS" => "both need the same users and passwords: set the same there",
        "NOPERM" => "give the user the same rights there as here",
        "CLUSTERDOWN" => "it takes no slot for served: look at CLUSTER NODES there, it may have been reset (CLUSTER RESET)",
        "LOADING" => "wait until it has loaded its data",
        "MISCONF" => "look at its disk and its log",
        _ => "look at its log",
    };
    let who = if text.contains("Target instance") { to } else { from };
    format!("{who} would refuse the keys of {from}: {what}; {next}; no slot was opened")
}

/// A small key of the source, best of what is to be moved; None where it has none.
async fn key(context: &OperationContext, model: &Model, part: &plan::Move) -> Result<Option<Key>, String> {
    let link = context.links.get(&part.from_address, Lane::Work);
    let asked = part.slots.iter().take(LOOKED).map(|slot| Command::words(&format!("CLUSTER GETKEYSINSLOT {slot} 1")));
    let listed = survey::pipelined(&link, asked).await;
    if let Some(Reply::Error(error)) = listed.iter().find(|reply| matches!(reply, Reply::Error(_))) {
        return Err(format!("{} does not list the keys of its slots: {error}; no slot was opened", part.from_address));
    }
    let mut names: Vec<Vec<u8>> = listed.iter().flat_map(survey::keys).take(8).collect();
    if names.is_empty()
        && let Ok(Reply::Bytes(name)) = link.call(&Command::words("RANDOMKEY")).await
    {
        let owned = model.topology().owner(key_slot(&name)) == Some(part.from);
        names.extend(owned.then_some(name));
    }
    let sizes = survey::pipelined(&link, names.iter().map(|name| Command::words("MEMORY USAGE").arg(name))).await;
    let sized = names
        .into_iter()
        .zip(&sizes)
        .filter_map(|(name, reply)| Some(Key { name, bytes: u64::try_from(reply.int()?).ok()?, database: 0 }));
    Ok(sized.filter(|key| key.bytes <= SMALL).min_by_key(|key| key.bytes))
}
