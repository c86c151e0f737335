//! IO. Reads single rooms where they live, for whoever asks for a few by name: two questions, and no scan.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::describe::{ValueKind, told};
use super::template::Template;
use crate::cluster::{Address, RoomFound};
use crate::link::{Command, Failure, Lane, Link, Links, Reply};

/// Asks each owner for its rooms, all at once. Rooms of which nobody told are left out: their slot is on the move, or the
/// owner does not answer or does not let this user read.
pub async fn look_up(
    links: &Links,
    key: &str,
    rooms: BTreeMap<Address, Vec<String>>,
    timeout: Duration,
) -> BTreeMap<String, RoomFound> {
    let Some(template) = Template::read(key) else { return BTreeMap::new() };
    let asked = rooms.into_iter().map(|(owner, codes)| {
        let (link, template) = (links.get(&owner, Lane::Probe), &template);
        async move { of_one(&link, template, codes, timeout).await.unwrap_or_default() }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn of_one(
    link: &Link,
    template: &Template,
    codes: Vec<String>,
    timeout: Duration,
) -> Result<Vec<(String, RoomFound)>, Failure> {
    let keys: Vec<[Vec<u8>; 2]> = codes.iter().map(|code| [template.state(code), template.players(code)]).collect();
    // Types first: the wrong question would be an error on the server's account.
    let questions: Vec<Command> = keys.iter().flatten().map(|key| Command::new([b"TYPE".as_slice(), key])).collect();
    let types = link.pipeline(&questions, timeout).await?;
    let types: Vec<&[Reply]> = types.chunks(2).collect();
    let (mut questions, mut kinds) = (Vec::new(), Vec::new());
    for ([state_key, players_key], types) in keys.iter().zip(&types) {
        let (state, players) = (types.first().map(ValueKind::read), types.get(1).map(ValueKind::read));
        let state_question = state.and_then(|kind| kind.ask_state(state_key));
        let players_question = players.and_then(|kind| kind.ask_count(players_key));
        kinds.push((state.filter(|_| state_question.is_some()), players_question.is_some()));
        questions.extend(state_question.into_iter().chain(players_question));
    }
    let mut replies = link.pipeline(&questions, timeout).await?.into_iter();
    let mut found = Vec::new();
    for ((code, types), (state, counted)) in codes.into_iter().zip(types).zip(kinds) {
        let told = state.and_then(|kind| Some(told(kind, &replies.next()?))).unwrap_or_default();
        let counted = if counted { replies.next().and_then(|reply| reply.int()) } else { None };
        let players = told.players.or_else(|| u32::try_from(counted?).ok());
        match types.first() {
            Some(Reply::Bytes(word)) if word == b"none" => found.push((code, RoomFound::NotThere)),
            Some(Reply::Bytes(_)) => found.push((code, RoomFound::There { phase: told.phase, players })),
            _ => {}
        }
    }
    Ok(found)
}
