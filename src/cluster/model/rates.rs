//! PURE. From two INFO replies of one server to rates; a restart or a reset in between gives none.

use std::time::Duration;

use crate::cluster::{Info, Rates};

/// Fewer commands than this in the interval say nothing about an error rate.
const ENOUGH_COMMANDS: u64 = 100;

/// Rates between two replies. The server's own clock measures the interval where it tells it.
pub(super) fn between(old: &Info, new: &Info, elapsed: Duration) -> Rates {
    let by_server = || Some(Duration::from_micros(new.server_time_usec?.checked_sub(old.server_time_usec?)?));
    let seconds = by_server().filter(|span| !span.is_zero()).unwrap_or(elapsed).as_secs_f64();
    if seconds <= 0.0 || old.run_id != new.run_id {
        return Rates::default();
    }
    let delta = |field: fn(&Info) -> Option<u64>| field(new)?.checked_sub(field(old)?);
    let per_second = |field| delta(field).map(|count| count as f64 / seconds);
    let commands = delta(|info| info.total_commands);

    Rates {
        ops_per_sec: per_second(|info| info.total_commands),
        cpu_percent: cpu(old, new, seconds),
        error_percent: commands.filter(|&count| count >= ENOUGH_COMMANDS).and_then(|count| {
            let redirected = code(new, "MOVED") + code(new, "ASK");
            let redirected = redirected.checked_sub(code(old, "MOVED") + code(old, "ASK"))?;
            let errors = delta(|info| info.total_error_replies)?.saturating_sub(redirected);
            Some((errors as f64 * 100.0 / count as f64).min(100.0))
        }),
        moved_percent: commands.filter(|&count| count >= ENOUGH_COMMANDS).and_then(|count| {
            let moved = code(new, "MOVED").checked_sub(code(old, "MOVED"))?;
            // Without error statistics nothing is told, and that is not none.
            new.total_error_replies?;
            Some((moved as f64 * 100.0 / count as f64).min(100.0))
        }),
        hit_percent: match (delta(|info| info.keyspace_hits), delta(|info| info.keyspace_misses)) {
            (Some(hits), Some(misses)) if hits + misses > 0 => Some(hits as f64 * 100.0 / (hits + misses) as f64),
            _ => None,
        },
        net_in_bytes_per_sec: per_second(|info| info.net_input_bytes),
        net_out_bytes_per_sec: per_second(|info| info.net_output_bytes),
        evicted_per_sec: per_second(|info| info.evicted_keys),
        replication_bytes_per_sec: per_second(|info| info.master_offset),
    }
}

/// Times that a replica was given everything between two replies of one process.
pub(super) fn full_copies(old: &Info, new: &Info) -> u64 {
    let counted = if old.run_id == new.run_id { new.sync_full.zip(old.sync_full) } else { None };
    counted.and_then(|(new, old)| new.checked_sub(old)).unwrap_or_default()
}

fn cpu(old: &Info, new: &Info, seconds: f64) -> Option<f64> {
    let spent = new.cpu_seconds? - old.cpu_seconds?;
    (spent >= 0.0).then_some(spent * 100.0 / seconds)
}

fn code(info: &Info, code: &str) -> u64 {
    info.errors.get(code).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(commands: u64, errors: u64, moved: u64) -> Info {
        Info {
            run_id: Some("a".into()),
            total_commands: Some(commands),
            total_error_replies: Some(errors),
            errors: [("MOVED".into(), moved)].into(),
            cpu_seconds: Some(commands as f64 / 1000.0),
            ..Info::default()
        }
    }

    #[test]
    fn redirections_are_no_errors() {
        let rates = between(&info(0, 0, 0), &info(1000, 500, 450), Duration::from_secs(2));
        assert_eq!(rates.ops_per_sec, Some(500.0));
        assert_eq!(rates.error_percent, Some(5.0));
        assert_eq!(rates.moved_percent, Some(45.0));
        assert_eq!(rates.cpu_percent, Some(50.0));
        assert_eq!(rates.hit_percent, None);
    }

    #[test]
    fn a_restart_or_a_reset_gives_no_rate() {
        let second = Duration::from_secs(1);
        let restarted = Info { run_id: Some("b".into()), ..info(5000, 0, 0) };
        assert_eq!(between(&info(10, 0, 0), &restarted, second), Rates::default());
        assert_eq!(between(&info(1000, 0, 0), &info(10, 0, 0), second).ops_per_sec, None);
        assert_eq!(between(&info(0, 0, 0), &info(99, 99, 0), second).error_percent, None);
    }
}
