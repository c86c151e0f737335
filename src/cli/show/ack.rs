//! IO. `ack`: somebody has seen what happened; it is not said again, here or in any other window of this user.

use serde_json::{Value as Json, json};

use crate::alerts::{self, Finding, Phase};
use crate::cli::args::{Format, Global, Measure};
use crate::cli::context::exit::{CommandResult, Exit, Stop};
use crate::cli::context::look::Sight;
use crate::cli::context::out;
use crate::cli::context::picture::finding_json;

/// Acknowledges what has happened, or of it what these rules tell of.
pub(crate) async fn run(rules: &[String], global: &Global) -> CommandResult {
    if global.format == Format::Csv {
        return Err(Stop::usage("an acknowledgement is no table: --format text or json"));
    }
    let latched: Vec<&str> = alerts::RULES.iter().map(|rule| rule.id).filter(|id| alerts::is_latched(id)).collect();
    if let Some(other) = rules.iter().find(|rule| !latched.contains(&rule.as_str())) {
        return Err(Stop::usage(format!(
            "`{other}` is no rule that waits for an acknowledgement; those are: {}",
            latched.join(", ")
        )));
    }
    let mut sight = Sight::take(global, Measure::default()).await?;
    if let Some(stop) = sight.unreachable() {
        return Err(stop);
    }
    let wanted =
        |finding: &Finding| alerts::is_latched(finding.rule) && (rules.is_empty() || rules.iter().any(|id| id == finding.rule));
    let findings: Vec<Finding> = sight.picture().monitor.findings.into_iter().filter(wanted).collect();
    let now = sight.session.clock().now();
    sight.model.acknowledge(|incident| findings.iter().any(|finding| alerts::tells_of(finding, incident)), now);
    sight.session.remember_now(&sight.model).await;
    let line = |finding: &Finding| format!("acknowledged {}  {}: {}\n", finding.rule, finding.label, finding.message);
    let text = match global.format {
        Format::Json => {
            let told: Vec<Json> = findings.iter().map(|finding| finding_json(finding, Phase::Firing)).collect();
            format!("{}\n", json!({"cluster": sight.model.name, "acknowledged": told}))
        }
        _ if findings.is_empty() => "nothing waits for an acknowledgement\n".to_owned(),
        _ => findings.iter().map(line).collect(),
    };
    out::result(&text);
    Ok(Exit::Done)
}
