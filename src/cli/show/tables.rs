//! IO. The commands that look once and print: status, check, nodes, slots, rooms, locate.

use crate::cli::args::{Format, Global, Measure, ShellCommand};
use crate::cli::context::exit::{CommandResult, Exit, Stop};
use crate::cli::context::look::Sight;
use crate::cli::context::out;
use crate::cli::context::paint::Paint;
use crate::cli::show::check;
use crate::cli::show::locate;
use crate::cli::show::nodes;
use crate::cli::show::rooms;
use crate::cli::show::slots;
use crate::cli::show::status;

pub(crate) async fn run(verb: &ShellCommand, global: &Global) -> CommandResult {
    if matches!(verb, ShellCommand::Status(_)) && global.format == Format::Csv {
        return Err(Stop::usage("status is no table: --format text or json (`nodes --format csv` is one)"));
    }
    let sight = Sight::take(global, measure(verb)).await?;
    let picture = sight.picture();
    let unreachable = sight.unreachable();
    let rooms = match verb {
        ShellCommand::Locate { codes } => sight.look_up(&codes.iter().map(|asked| locate::code(asked)).collect::<Vec<_>>()).await,
        _ => locate::FoundRooms::new(),
    };
    let paint = Paint(out::colours());
    // A dashboard that asks for JSON gets the document even when it has to say that nothing is known.
    if let Some(stop) = unreachable {
        if matches!(verb, ShellCommand::Status(_)) && global.format == Format::Json {
            out::json(&status::json(&picture));
        }
        return Err(stop);
    }
    if matches!(verb, ShellCommand::Status(_) | ShellCommand::Check(_)) {
        sight.tell_unfinished().await;
    }
    let text = match (verb, global.format) {
        (ShellCommand::Check(_), Format::Text) => check::text(&picture, paint),
        (ShellCommand::Check(_), Format::Json) => line(&check::json(&picture)),
        (ShellCommand::Check(_), Format::Csv) => check::as_csv(&picture),
        (ShellCommand::Nodes { .. }, Format::Text) => nodes::text(&picture),
        (ShellCommand::Nodes { .. }, Format::Json) => line(&nodes::json(&picture)),
        (ShellCommand::Nodes { .. }, Format::Csv) => nodes::as_csv(&picture),
        (ShellCommand::Slots { .. }, Format::Text) => slots::text(&picture),
        (ShellCommand::Slots { .. }, Format::Json) => line(&slots::json(&picture)),
        (ShellCommand::Slots { .. }, Format::Csv) => slots::as_csv(&picture),
        (ShellCommand::Rooms, Format::Text) => rooms::text(&picture),
        (ShellCommand::Rooms, Format::Json) => line(&rooms::json(&picture)),
        (ShellCommand::Rooms, Format::Csv) => rooms::as_csv(&picture),
        (ShellCommand::Locate { codes }, Format::Text) => locate::text(&picture, &rooms, codes),
        (ShellCommand::Locate { codes }, Format::Json) => line(&locate::json(&picture, &rooms, codes)),
        (ShellCommand::Locate { codes }, Format::Csv) => locate::as_csv(&picture, &rooms, codes),
        (_, Format::Json) => line(&status::json(&picture)),
        _ => status::text(&picture, paint),
    };
    match global.format {
        // Written by `line` and `csv`, which escape what they hold in their own way.
        Format::Json => out::own(&text),
        Format::Text | Format::Csv | Format::Prometheus => out::painted(&text),
    };
    Ok(if matches!(verb, ShellCommand::Status(_) | ShellCommand::Check(_)) { Exit::of(picture.verdict) } else { Exit::Done })
}

/// What takes longer than an answer of every node is measured where it is asked for, or is all that is asked for.
fn measure(verb: &ShellCommand) -> Measure {
    match verb {
        ShellCommand::Status(measure) | ShellCommand::Check(measure) => *measure,
        ShellCommand::Nodes { rates } => Measure { rates: *rates, rooms: false },
        ShellCommand::Slots { rooms } => Measure { rates: false, rooms: *rooms },
        ShellCommand::Rooms => Measure { rates: false, rooms: true },
        _ => Measure::default(),
    }
}

fn line(json: &serde_json::Value) -> String {
    format!("{}\n", out::json_text(json))
}
