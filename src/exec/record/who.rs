//! IO. Who is at the keyboard, for journals, the ledger and other consoles.

/// Who is at the keyboard, as far as the environment tells.
pub(crate) fn who() -> String {
    let name = |variable: &str| std::env::var(variable).ok().filter(|value| !value.is_empty());
    let user = name("USER").or_else(|| name("LOGNAME")).or_else(uid).unwrap_or_else(|| "unknown".into());
    match name("SSH_CONNECTION").and_then(|connection| connection.split(' ').next().map(str::to_owned)) {
        Some(from) => format!("{user} from {from}"),
        None => user,
    }
}

/// `uid 1000`, where the system has files that say so: services and containers often have no names in their environment.
fn uid() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let real = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?;
    Some(format!("uid {real}"))
}
