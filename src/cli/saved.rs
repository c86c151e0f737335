//! IO. Saved plans: what was planned, to be done later exactly so or not at all.

use std::path::Path;

use serde_json::Value as Json;

use super::exit::{Exit, Stop};
use crate::cluster::{Address, SlotSet};
use crate::plan::{self, Plan};

/// What of a saved plan has to be the same when it is carried out.
pub(super) struct Saved {
    pub intent: String,
    /// Which slots go where.
    pub moves: Vec<(SlotSet, Address)>,
    fingerprint: String,
}

impl Saved {
    /// The plan as it would be made now relies on the same facts.
    pub(super) fn is(&self, plan: &Plan) -> bool {
        self.fingerprint == format!("{:016x}", plan.fingerprint)
    }
}

pub(super) fn read(path: &Path) -> Result<Saved, Stop> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Stop::new(Exit::Usage, format!("{}: the plan cannot be read: {error}", path.display())))?;
    let word = |json: &Json, key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
    let json: Option<Json> = serde_json::from_str(&text).ok();
    let saved = json.and_then(|json| {
        let moves = plan::json::agreed(&json)?;
        Some(Saved { intent: word(&json, "intent")?, moves, fingerprint: word(&json, "fingerprint")? })
    });
    saved.ok_or_else(|| Stop::usage(format!("{}: this is no saved plan; --plan with a new file saves one", path.display())))
}
