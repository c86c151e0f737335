//! PURE. How long a cluster takes to replace a dead master: one table by server and version, never one constant.

use std::time::Duration;

use crate::cluster::Server;

/// What an election takes, beside the node timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From the last answer until a majority of masters calls the node failed: from, to.
    pub detect: (Duration, Duration),
    /// From then until the first replica stands for election: from, to.
    pub delay: (Duration, Duration),
    /// Added for every replica that has more of the data.
    pub per_rank: Duration,
    /// From an election until the same replica can win another: before, it counts the old votes as new ones and is no
    /// master for long, or stands for none while its master holds writes back.
    pub again: Duration,
}

/// The table. An unknown server counts as Redis.
pub fn timing(server: Option<&Server>, node_timeout: Duration) -> Timing {
    let fast = server.is_some_and(|server| server.is_valkey() && server.release() >= (9, 0));
    // Valkey 9 scales the delay down with the node timeout; before, it is half a second and up to another.
    let base = if fast { (node_timeout / 30).min(Duration::from_millis(500)) } else { Duration::from_millis(500) };
    Timing {
        // Suspicion comes one to one and a half timeouts after the last answer, agreement by gossip up to a second later.
        detect: (node_timeout, node_timeout * 3 / 2 + Duration::from_secs(1)),
        delay: (base, base * 2),
        per_rank: Duration::from_secs(1),
        // Twice the time that an election may take. Seen on Redis 7.0 and 8.0; Valkey 9.1 has no such time.
        again: if fast { Duration::ZERO } else { (node_timeout * 2).max(Duration::from_secs(2)) * 2 },
    }
}

impl Timing {
    /// From the master's last answer until its replica of this rank is master: from, to.
    pub fn promoted(&self, rank: u32) -> (Duration, Duration) {
        let wait = self.per_rank * rank;
        // A vote is a round trip on the bus; a tenth of a second is plenty of it.
        (self.detect.0 + self.delay.0 + wait, self.detect.1 + self.delay.1 + wait + Duration::from_millis(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_holds_what_was_measured() {
        // Redis 7.0, node timeout 3 s: 4.9 s after kill -9, 5.87 s after SIGSTOP; 2 s: 4.3 to 4.5 s.
        for (timeout, measured) in [(3, 4900), (3, 5870), (2, 4300), (2, 4500)] {
            let (from, to) = timing(None, Duration::from_secs(timeout)).promoted(0);
            let measured = Duration::from_millis(measured);
            assert!(from <= measured && measured <= to, "{from:?} {measured:?} {to:?}");
        }
    }

    #[test]
    fn valkey_9_does_not_wait_half_a_second() {
        let server = |name: &str, version: &str| Server { name: name.into(), version: version.into() };
        let delay = |server: &Server| timing(Some(server), Duration::from_secs(3)).delay.0;
        assert_eq!(delay(&server("valkey", "9.1.2")), Duration::from_millis(100));
        assert_eq!(delay(&server("valkey", "8.1.0")), Duration::from_millis(500));
        assert_eq!(delay(&server("redis", "8.2.0")), Duration::from_millis(500));
    }
}
