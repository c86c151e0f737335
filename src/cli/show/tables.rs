//! IO. The commands that look once and print: status, check, nodes, slots, rooms, locate.

use crate::cli::args::{Format, Global, Measure, Verb};
use crate::cli::context::exit::{Ended, Exit, Stop};
use crate::cli::context::look::Sight;
use crate::cli::context::out;
use crate::cli::context::paint::Paint;
use crate::cli::show::check;
use crate::cli::show::locate;
use crate::cli::show::nodes;
use crate::cli::show::rooms;
use crate::cli::show::slots;
use crate::cli::show::status;

pub(crate) async fn run(verb: &Verb, global: &Global) -> Ended {
    if matches!(verb, Verb::Status(_)) && global.format == Format::Csv {
        return Err(Stop::usage("status is no table: --format text or json (`nodes --format csv` is one)"));
    }
    let sight = Sight::take(global, measure(verb)).await?;
    let picture = sight.picture();
    let unreachable = sight.unreachable();
    let rooms = match verb {
        Verb::Locate { codes } => sight.look_up(&codes.iter().map(|asked| locate::code(asked)).collect::<Vec<_>>()).await,
        _ => locate::Rooms::new(),
    };
    let paint = Paint(out::colours());
    // A dashboard that asks for JSON gets the document even when it has to say that nothing is known.
    if let Some(stop) = unreachable {
        if matches!(verb, Verb::Status(_)) && global.format == Format::Json {
            out::json(&status::json(&picture));
        }
        return Err(stop);
    }
    if matches!(verb, Verb::Status(_) | Verb::Check(_)) {
        sight.tell_unfinished().await;
    }
    let text = match (verb, global.format) {
        (Verb::Check(_), Format::Text) => check::text(&picture, paint),
        (Verb::Check(_), Format::Json) => line(&check::json(&picture)),
        (Verb::Check(_), Format::Csv) => check::as_csv(&picture),
        (Verb::Nodes { .. }, Format::Text) => nodes::text(&picture),
        (Verb::Nodes { .. }, Format::Json) => line(&nodes::json(&picture)),
        (Verb::Nodes { .. }, Format::Csv) => nodes::as_csv(&picture),
        (Verb::Slots { .. }, Format::Text) => slots::text(&picture),
        (Verb::Slots { .. }, Format::Json) => line(&slots::json(&picture)),
        (Verb::Slots { .. }, Format::Csv) => slots::as_csv(&picture),
        (Verb::Rooms, Format::Text) => rooms::text(&picture),
        (Verb::Rooms, Format::Json) => line(&rooms::json(&picture)),
        (Verb::Rooms, Format::Csv) => rooms::as_csv(&picture),
        (Verb::Locate { codes }, Format::Text) => locate::text(&picture, &rooms, codes),
        (Verb::Locate { codes }, Format::Json) => line(&locate::json(&picture, &rooms, codes)),
        (Verb::Locate { codes }, Format::Csv) => locate::as_csv(&picture, &rooms, codes),
        (_, Format::Json) => line(&status::json(&picture)),
        _ => status::text(&picture, paint),
    };
    match global.format {
        // Written by `line` and `csv`, which escape what they hold in their own way.
        Format::Json => out::own(&text),
        Format::Text | Format::Csv | Format::Prometheus => out::painted(&text),
    };
    Ok(if matches!(verb, Verb::Status(_) | Verb::Check(_)) { Exit::of(picture.verdict) } else { Exit::Done })
}

/// What takes longer than an answer of every node is measured where it is asked for, or is all that is asked for.
fn measure(verb: &Verb) -> Measure {
    match verb {
        Verb::Status(measure) | Verb::Check(measure) => *measure,
        Verb::Nodes { rates } => Measure { rates: *rates, rooms: false },
        Verb::Slots { rooms } => Measure { rates: false, rooms: *rooms },
        Verb::Rooms => Measure { rates: false, rooms: true },
        _ => Measure::default(),
    }
}

fn line(json: &serde_json::Value) -> String {
    format!("{}\n", out::json_text(json))
}
