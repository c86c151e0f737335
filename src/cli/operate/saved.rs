//! IO. Saved plans: what was planned, to be done later exactly so or not at all.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value as Json;

use crate::cli::context::exit::{Exit, Stop};
use crate::cluster::{Address, SlotSet};
use crate::plan::{self, Intent, Plan};
use crate::{escape, private};

/// What of a saved plan has to be the same when it is carried out.
pub(crate) struct Saved {
    pub intent: String,
    /// Which slots go where.
    pub moves: Vec<(SlotSet, Address)>,
    fingerprint: String,
}

impl Saved {
    /// It is a plan of this command, whatever it names.
    pub(crate) fn is_for(&self, intent: &Intent) -> bool {
        self.intent.strip_prefix(intent.name()).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }

    /// The plan as it would be made now relies on the same facts.
    pub(crate) fn is(&self, plan: &Plan) -> bool {
        self.fingerprint == format!("{:016x}", plan.fingerprint)
    }
}

/// Writes a plan; a file that is there is overwritten when it holds one.
pub(crate) fn write(path: &Path, plan: &Json) -> Result<(), Stop> {
    if std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() > 0) && read(path).is_err() {
        return Err(Stop::usage(format!("{}: there is another file, and it is not overwritten", path.display())));
    }
    let text = escape::json(&format!("{plan:#}\n")).into_owned();
    private::write(path, &text)
        .map_err(|error| Stop::new(Exit::Refused, format!("{}: the plan cannot be saved: {error}", path.display())))
}

pub(crate) fn read(path: &Path) -> Result<Saved, Stop> {
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Stop::usage(format!("{}: there is no saved plan; --save-plan FILE writes one", path.display())),
        _ => Stop::usage(format!("{}: the plan cannot be read: {error}", path.display())),
    })?;
    let word = |json: &Json, key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
    let json: Option<Json> = serde_json::from_str(&text).ok();
    let saved = json.and_then(|json| {
        let moves = plan::json::agreed(&json)?;
        Some(Saved { intent: word(&json, "intent")?, moves, fingerprint: word(&json, "fingerprint")? })
    });
    saved.ok_or_else(|| Stop::usage(format!("{}: this is no saved plan; --save-plan FILE writes one", path.display())))
}
