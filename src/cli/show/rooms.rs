//! PURE. `rooms`: one line a room, in the order of their codes.

use serde_json::{Value as Json, json};

use crate::cli::context::picture::LookPicture;
use crate::cli::show::table::{Table, csv};
use crate::cluster::Room;
use crate::quantity::{bytes, span};

const COLUMNS: [&str; 10] = ["code", "phase", "players", "slot", "shard", "master", "keys", "size_bytes", "ttl_seconds", "served"];

fn room_json(picture: &LookPicture, room: &Room) -> Json {
    let topology = picture.model.topology();
    json!({
        "code": &*room.code,
        "phase": &*room.phase,
        "players": room.players,
        "slot": room.slot,
        "shard": picture.shard_of_slot(room.slot).map(|shard| shard.to_string()),
        "master": topology.owner(room.slot).map(|id| picture.model.label(id)),
        "keys": room.keys,
        "size_bytes": room.size_bytes,
        "ttl_seconds": room.ttl.map(|ttl| ttl.as_secs()),
        "served": topology.served.contains(room.slot),
    })
}

fn rows(picture: &LookPicture) -> Vec<Json> {
    picture.model.rooms().iter().map(|room| room_json(picture, room)).collect()
}

pub(crate) fn json(picture: &LookPicture) -> Json {
    let total = picture.model.rooms().total();
    json!({
        "cluster": picture.model.name,
        "total": total.rooms,
        "players": total.players,
        "complete": picture.measured.rooms_complete,
        "rooms": rows(picture),
    })
}

pub(crate) fn as_csv(picture: &LookPicture) -> String {
    csv(&COLUMNS, &rows(picture))
}

pub(crate) fn text(picture: &LookPicture) -> String {
    let mut table = Table::new(&["code", "phase", "players>", "slot>", "shard", "master", "keys>", "size>", "ttl>"]);
    for room in picture.model.rooms().iter() {
        let topology = picture.model.topology();
        let lost = if topology.served.contains(room.slot) { "" } else { " ✖ unserved" };
        let master = topology.owner(room.slot).map_or_else(|| "nobody".to_owned(), |id| picture.model.label(id));
        table.row([
            room.code.to_string(),
            room.phase.to_string(),
            room.players.to_string(),
            room.slot.to_string(),
            picture.shard_of_slot(room.slot).map_or_else(|| "-".into(), |shard| shard.to_string()),
            format!("{master}{lost}"),
            room.keys.to_string(),
            bytes(room.size_bytes),
            room.ttl.map_or_else(|| "none".into(), span),
        ]);
    }
    let sum = format!("{}\n", picture.rooms_text());
    if table.is_empty() { sum } else { format!("{}\n{sum}", table.text()) }
}
