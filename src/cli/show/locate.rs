//! PURE. `locate`: from a room's code or a key to slot, shard, master and replicas. A code has a slot whether or not a
//! room of that name exists. Both are understood as they are shown: `\xff` is a byte.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::cli::context::picture::LookPicture;
use crate::cli::show::table::{Table, csv};
use crate::cluster::{RoomFound, hash_tag, key_slot};
use crate::escape;
use crate::quantity::count;

/// What the owners of their slots say of the rooms asked for, by code.
pub(crate) type FoundRooms = BTreeMap<String, RoomFound>;

/// What was asked for, and what is there.
struct RoomPlace<'a> {
    asked: &'a str,
    /// The hash tag: the room's code, in a key with braces.
    code: String,
    slot: u16,
    /// None: nobody told.
    room: Option<&'a RoomFound>,
}

fn place<'a>(rooms: &'a FoundRooms, asked: &'a str) -> RoomPlace<'a> {
    let code = code(asked);
    RoomPlace { asked, slot: key_slot(&escape::bytes(asked)), room: rooms.get(&code), code }
}

/// The code of a room, or of the room that a key belongs to.
pub(crate) fn code(asked: &str) -> String {
    escape::name(hash_tag(&escape::bytes(asked)))
}

const COLUMNS: [&str; 9] = ["asked", "code", "slot", "shard", "master", "replicas", "served", "room", "players"];

fn place_json(picture: &LookPicture, place: &RoomPlace<'_>) -> Json {
    let topology = picture.model.topology();
    let owner = topology.owner(place.slot);
    let shard = owner.and_then(|id| topology.shard_of(id));
    let replicas: Vec<String> =
        shard.map(|shard| shard.replicas.iter().map(|id| picture.model.label(*id)).collect()).unwrap_or_default();
    let (phase, players) = match place.room {
        Some(RoomFound::There { phase, players }) => (Some(&**phase), *players),
        _ => (None, None),
    };
    json!({
        "asked": place.asked,
        "code": place.code,
        "slot": place.slot,
        "shard": picture.shard_of_slot(place.slot).map(|shard| shard.to_string()),
        "master": owner.map(|id| picture.model.label(id)),
        "replicas": replicas,
        "served": topology.served.contains(place.slot),
        "room": place.room.map(|room| *room != RoomFound::NotThere),
        "phase": phase,
        "players": players,
    })
}

fn rows(picture: &LookPicture, rooms: &FoundRooms, codes: &[String]) -> Vec<Json> {
    codes.iter().map(|code| place_json(picture, &place(rooms, code))).collect()
}

pub(crate) fn json(picture: &LookPicture, rooms: &FoundRooms, codes: &[String]) -> Json {
    json!({"cluster": picture.model.name, "places": rows(picture, rooms, codes)})
}

pub(crate) fn as_csv(picture: &LookPicture, rooms: &FoundRooms, codes: &[String]) -> String {
    csv(&COLUMNS, &rows(picture, rooms, codes))
}

pub(crate) fn text(picture: &LookPicture, rooms: &FoundRooms, codes: &[String]) -> String {
    let mut table = Table::new(&["asked", "slot>", "shard", "master", "replicas", "room"]);
    for row in rows(picture, rooms, codes) {
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
                let players = row.get("players").and_then(Json::as_u64);
                let players = players.map_or_else(|| "players unknown".to_owned(), |players| count(players, "player"));
                format!("{} {players}", word("phase"))
            }
            Some(false) => "no such room".to_owned(),
            None => "cannot be told".to_owned(),
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
