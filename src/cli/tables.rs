//! IO. The commands that look once and print: status, check, nodes, slots, rooms, locate.

use super::args::{Format, Global, Verb};
use super::exit::{Ended, Exit, Stop};
use super::look::Sight;
use super::paint::Paint;
use super::{check, locate, nodes, out, rooms, slots, status};

pub(super) async fn run(verb: &Verb, global: &Global) -> Ended {
    if matches!(verb, Verb::Status) && global.format == Format::Csv {
        return Err(Stop::usage("status is no table: --format text or json (`nodes --format csv` is one)"));
    }
    let with_rooms = !matches!(verb, Verb::Nodes);
    let sight = Sight::take(global, with_rooms).await?;
    let picture = sight.picture();
    let unreachable = sight.unreachable();
    let paint = Paint(out::colours());
    // A dashboard that asks for JSON gets the document even when it has to say that nothing is known.
    if let Some(stop) = unreachable {
        if matches!(verb, Verb::Status) && global.format == Format::Json {
            out::json(&status::json(&picture));
        }
        return Err(stop);
    }
    if matches!(verb, Verb::Status | Verb::Check) {
        sight.tell_unfinished();
    }
    let text = match (verb, global.format) {
        (Verb::Check, Format::Text) => check::text(&picture, paint),
        (Verb::Check, Format::Json) => line(&check::json(&picture)),
        (Verb::Check, Format::Csv) => check::as_csv(&picture),
        (Verb::Nodes, Format::Text) => nodes::text(&picture),
        (Verb::Nodes, Format::Json) => line(&nodes::json(&picture)),
        (Verb::Nodes, Format::Csv) => nodes::as_csv(&picture),
        (Verb::Slots, Format::Text) => slots::text(&picture),
        (Verb::Slots, Format::Json) => line(&slots::json(&picture)),
        (Verb::Slots, Format::Csv) => slots::as_csv(&picture),
        (Verb::Rooms, Format::Text) => rooms::text(&picture),
        (Verb::Rooms, Format::Json) => line(&rooms::json(&picture)),
        (Verb::Rooms, Format::Csv) => rooms::as_csv(&picture),
        (Verb::Locate { codes }, Format::Text) => locate::text(&picture, codes),
        (Verb::Locate { codes }, Format::Json) => line(&locate::json(&picture, codes)),
        (Verb::Locate { codes }, Format::Csv) => locate::as_csv(&picture, codes),
        (_, Format::Json) => line(&status::json(&picture)),
        _ => status::text(&picture, paint),
    };
    out::result(&text);
    Ok(if matches!(verb, Verb::Status | Verb::Check) { Exit::of(picture.verdict) } else { Exit::Done })
}

fn line(json: &serde_json::Value) -> String {
    format!("{json}\n")
}
