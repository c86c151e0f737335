//! PURE. CLUSTER INFO: `key:value` lines.

use super::ParseError;
use crate::cluster::ClusterInfo;

/// Reads a CLUSTER INFO reply; fields this version does not know are passed over.
pub fn cluster_info(text: &str) -> Result<ClusterInfo, ParseError> {
    let mut info = ClusterInfo::default();
    let mut stated = false;
    for line in text.lines() {
        let Some((key, value)) = line.trim_end().split_once(':') else { continue };
        let number = || value.parse::<u64>().unwrap_or(0);
        let slots = || u16::try_from(number()).unwrap_or(u16::MAX);
        let nodes = || u32::try_from(number()).unwrap_or(u32::MAX);
        match key {
            "cluster_state" => {
                stated = true;
                info.ok = value == "ok";
            }
            "cluster_slots_assigned" => info.slots_assigned = slots(),
            "cluster_slots_ok" => info.slots_ok = slots(),
            "cluster_slots_pfail" => info.slots_pfail = slots(),
            "cluster_slots_fail" => info.slots_fail = slots(),
            "cluster_known_nodes" => info.known_nodes = nodes(),
            "cluster_size" => info.size = nodes(),
            "cluster_current_epoch" => info.current_epoch = number(),
            "cluster_my_epoch" => info.my_epoch = number(),
            _ => {}
        }
    }
    if stated { Ok(info) } else { Err(ParseError::new("CLUSTER INFO", "no cluster_state", text)) }
}
