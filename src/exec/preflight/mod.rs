//! IO. Before anything is begun: what the servers of a plan have, what our user may do there, and who else is at work.

pub(crate) mod presence;
pub(crate) mod trial;
pub(crate) mod turn;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;

use crate::cluster::{Address, Model};
use crate::exec::read::survey;
use crate::link::{Command, Lane, Links, Reply};
use crate::plan::{self, Answers, Asked, Plan, Reason, Refusal, Right};

const WITHIN: Duration = Duration::from_secs(5);

/// The plan with what is worth knowing, or why it would fail.
pub(crate) async fn foresee(links: &Links, model: &Model, plan: Plan, sees_others: bool) -> Result<Plan, Refusal> {
    let mut asked = ask(links, model, &plan).await;
    if !sees_others {
        asked.others.clear();
    }
    plan::foresee(plan, model, &asked)
}

/// The same shortly before the first step: only what stands in the way. Who else is at work is asked by whoever begins.
pub(crate) async fn obstacles(links: &Links, model: &Model, plan: &Plan) -> Vec<Reason> {
    let mut asked = ask(links, model, plan).await;
    asked.others.clear();
    plan::obstacles(plan, model, &asked)
}

async fn ask(links: &Links, model: &Model, plan: &Plan) -> Asked {
    let user = links.settings().username.clone().unwrap_or_else(|| "default".into());
    let wanted = plan::wanted(plan);
    let rights = join_all(wanted.iter().map(|(address, wanted)| answers(links, model, address, wanted, &user)));
    let touched = plan.moves.iter().flat_map(|part| [part.from, part.to]).collect::<BTreeSet<_>>();
    let able = touched.iter().filter_map(|id| model.node(*id)).filter(|node| has_functions(model, &node.address));
    let (rights, libraries, (others, unseen)) =
        tokio::join!(rights, survey::functions_of(links, able), presence::others(links, model));
    Asked { user, rights, libraries, others, unseen }
}

/// FUNCTION and ACL DRYRUN came with the same release.
fn has_functions(model: &Model, address: &Address) -> bool {
    let server = model.node_at(address).and_then(|node| node.info.as_ref()?.server.as_ref());
    server.is_some_and(|server| server.release() >= (7, 0))
}

async fn answers(links: &Links, model: &Model, at: &Address, wanted: &[&'static Right], user: &str) -> Answers {
    let mut answers = Answers { address: Some(at.clone()), ..Answers::default() };
    if wanted.is_empty() {
        return answers;
    }
    let names: Vec<&'static str> = tops(wanted).into_iter().collect();
    let link = links.get(at, Lane::Work);
    let dryrun = |call: &str| Command::words("ACL DRYRUN").arg(user).append(&Command::words(call));
    let first = [Command::words("COMMAND INFO").append(&Command::new(&names)), dryrun("PING")];
    // A server that is no member yet has not told its version: it is asked.
    let asks_rights = has_functions(model, at) || model.node_at(at).is_none_or(|node| node.info.is_none());
    let Ok(replies) = link.pipeline(first.get(..1 + usize::from(asks_rights)).unwrap_or(&first), WITHIN).await else {
        answers.unknown = Some(format!("{at} gave no reply"));
        return answers;
    };
    if let Some(known) = replies.first().and_then(Reply::array).filter(|known| known.len() == names.len()) {
        answers.absent = names.iter().zip(known).filter(|(_, known)| is_absent(known)).map(|(name, _)| *name).collect();
    }
    match replies.get(1) {
        Some(Reply::Error(_)) => answers.unknown = Some(format!("{at} does not let it ask (ACL DRYRUN)")),
        None => answers.unknown = Some(format!("{at} is too old to be asked (ACL DRYRUN is in 7.0 and later)")),
        Some(_) => {
            let calls: Vec<Command> = wanted.iter().map(|right| dryrun(right.call)).collect();
            let replies = link.pipeline(&calls, WITHIN).await.unwrap_or_default();
            if replies.len() < calls.len() {
                answers.unknown = Some(format!("{at} gave no reply"));
            }
            let denied = |reply: &Reply| reply.text().is_some_and(|text| text.contains("no permissions to run"));
            let forbidden = wanted.iter().zip(&replies).filter(|(_, reply)| denied(reply));
            answers.forbidden = forbidden.map(|(right, _)| right.command).collect();
        }
    }
    answers
}

fn is_absent(known: &Reply) -> bool {
    matches!(known, Reply::Nil) || known.array().is_some_and(<[Reply]>::is_empty)
}

/// `cluster|setslot` is a part of `cluster`, and cannot be renamed alone.
fn tops(wanted: &[&'static Right]) -> BTreeSet<&'static str> {
    wanted.iter().map(|right| right.command.split('|').next().unwrap_or(right.command)).collect()
}
