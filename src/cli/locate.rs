//! PURE. `locate`: from a room's code or a key to slot, shard, master and replicas. A code has a slot whether or not a
//! room of that name exists.

use serde_json::{Value as Json, json};

use super::picture::Picture;
use super::table::{Table, csv};
use crate::cluster::{Room, hash_tag, key_slot};

/// What was asked for, and what is there.
struct Place<'a> {
    asked: &'a str,
    /// The hash tag: the room's code, in a key with braces.
    code: String,
    slot: u16,
    room: Option<&'a Room>,
}

fn place<'a>(picture: &'a Picture, asked: &'a str) -> Place<'a> {
    let code = String::from_utf8_lossy(hash_tag(asked.as_bytes())).into_owned();
    let room = picture.model.rooms().get(&code);
    Place { asked, slot: key_slot(asked.as_bytes()), room, code }
}

const COLUMNS: [&str; 9] = ["asked", "code", "slot", "shard", "master", "replicas", "served", "room", "players"];

fn place_json(picture: &Picture, place: &Place<'_>) -> Json {
    let topology = picture.model.topology();
    let owner = topology.owner(place.slot);
    let shard = owner.and_then(|id| topology.shard_of(id));
    let replicas: Vec<String> =
        shard.map(|shard| shard.replicas.iter().map(|id| picture.model.label(*id)).collect()).unwrap_or_default();
    // Not found in an unfinished sweep is not the same as not there.
    let exists = place.room.map(|_| true).or(picture.rooms_complete.then_some(false));
    json!({
        "asked": place.asked,
        "code": place.code,
        "slot": place.slot,
        "shard": picture.shard_of_slot(place.slot).map(|shard| shard.to_string()),
        "master": owner.map(|id| picture.model.label(id)),
        "replicas": replicas,
        "served": topology.served.contains(place.slot),
        "room": exists,
        "phase": place.room.map(|room| &*room.phase),
        "players": place.room.map(|room| room.players),
    })
}

fn rows(picture: &Picture, codes: &[String]) -> Vec<Json> {
    codes.iter().map(|code| place_json(picture, &place(picture, code))).collect()
}

pub(super) fn json(picture: &Picture, codes: &[String]) -> Json {
    json!({"cluster": picture.model.name, "places": rows(picture, codes)})
}

pub(super) fn as_csv(picture: &Picture, codes: &[String]) -> String {
    csv(&COLUMNS, &rows(picture, codes))
}

pub(super) fn text(picture: &Picture, codes: &[String]) -> String {
    let mut table = Table::new(&["asked", "slot>", "shard", "master", "replicas", "room"]);
    for row in rows(picture, codes) {
        let word = |key: &str| row.get(key).and_then(Json::as_str).unwrap_or("-").to_owned();
        let replicas: Vec<&str> =
            row.get("replicas").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        let served = row.get("served").and_then(Json::as_bool).unwrap_or(false);
        let master = match row.get("master").and_then(Json::as_str) {
            Some(master) if served => master.to_owned(),
            Some(master) => format!("{master} ✖ does not serve"),
            None => "nobody owns this slot".to_owned(),
        };
        let room = match row.get("room").and_then(Json::as_bool) {
            Some(true) => {
                let players = row.get("players").and_then(Json::as_u64).unwrap_or(0);
                format!("{} {}", word("phase"), crate::quantity::count(players, "player"))
            }
            Some(false) => "no such room".to_owned(),
            None => "not found so far".to_owned(),
        };
        table.row([
            word("asked"),
            row.get("slot").map(Json::to_string).unwrap_or_default(),
            word("shard"),
            master,
            if replicas.is_empty() { "none".to_owned() } else { replicas.join(" ") },
            room,
        ]);
    }
    table.text()
}
