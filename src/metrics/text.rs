//! PURE. Metrics as Prometheus's text exposition, as JSON, and as CSV.

use serde_json::{Map, Value as Json, json as value};

use super::Family;
use crate::cluster::Time;

/// Version 0.0.4 of the text format, with the cluster's name as a label of every sample.
pub fn prometheus(families: &[Family], cluster: &str) -> String {
    let mut text = String::new();
    for Family { metric, samples } in families {
        let (name, kind) = (metric.name, metric.kind.word());
        text.push_str(&format!("# HELP {name} {}\n# TYPE {name} {kind}\n", metric.help.replace('\\', "\\\\").replace('\n', "\\n")));
        for sample in samples {
            text.push_str(&format!("{name}{{cluster=\"{}\"", escaped(cluster)));
            for (label, value) in &sample.labels {
                text.push_str(&format!(",{label}=\"{}\"", escaped(value)));
            }
            text.push_str(&format!("}} {}\n", sample.value));
        }
    }
    text
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// `{"cluster": …, "at": …, "metrics": [{"name", "kind", "help", "samples": [{"labels": {…}, "value": 1}]}]}`.
pub fn json(families: &[Family], cluster: &str, at: Time) -> Json {
    let metrics: Vec<Json> = families
        .iter()
        .map(|Family { metric, samples }| {
            let sample = |sample: &super::MetricSample| {
                let labels: Map<String, Json> =
                    sample.labels.iter().map(|(name, label)| ((*name).to_owned(), label.as_str().into())).collect();
                value!({"labels": labels, "value": sample.value})
            };
            let samples: Vec<Json> = samples.iter().map(sample).collect();
            value!({"name": metric.name, "kind": metric.kind.word(), "help": metric.help, "samples": samples})
        })
        .collect();
    value!({"cluster": cluster, "at": stamp(at), "metrics": metrics})
}

const COLUMNS: [&str; 5] = ["at", "cluster", "metric", "labels", "value"];

/// The rows, below their titles when `titled`.
pub fn csv(families: &[Family], cluster: &str, at: Time, titled: bool) -> String {
    let at = stamp(at);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let rows = families.iter().flat_map(|Family { metric, samples }| samples.iter().map(move |sample| (metric.name, sample)));
    let labels = |sample: &super::MetricSample| {
        let pairs: Vec<String> = sample.labels.iter().map(|(name, label)| format!("{name}={label}")).collect();
        pairs.join(";")
    };
    // A Vec takes everything, so that these cannot fail.
    if titled {
        let _ = writer.write_record(COLUMNS);
    }
    for (name, sample) in rows {
        let _ = writer.write_record([at.as_str(), cluster, name, &labels(sample), &sample.value.to_string()]);
    }
    writer.into_inner().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn stamp(at: Time) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
