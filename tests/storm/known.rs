//! IO. Cases that once went wrong, each as small as it could be made.

use crate::case::{Act, Case, Wish};
use crate::sim::{Fault, Kind};

fn case(seed: u64, acts: Vec<(u64, Act)>) -> Case {
    Case {
        seed,
        kind: Kind::Redis7,
        databases: 1,
        latency_ms: 1,
        jitter_ms: 0,
        bus_jitter_ms: 0,
        blind: false,
        small: false,
        replica_suffers: [false; 3],
        acts,
    }
}

fn moves(from: usize, count: u16, to: usize) -> Wish {
    Wish::Move { from, at: 0, count, to }
}

/// Each with the number of consoles that it needs.
pub(crate) fn known() -> Vec<(&'static str, usize, Case)> {
    let begin = |console, wish| Act::Begin { console, wish };
    vec![
        (
            "the target does not answer when its slots are put right",
            1,
            case(
                0,
                vec![
                    (0, Act::Fault { shard: 0, fault: Fault::LoseReply("CLUSTER SETSLOT".into()) }),
                    (0, begin(0, moves(1, 2, 0))),
                    (24, Act::Fault { shard: 0, fault: Fault::Refuse }),
                ],
            ),
        ),
        (
            "a master dies, and its replica is to leave",
            1,
            case(
                0,
                vec![(0, Act::Fault { shard: 1, fault: Fault::Crash }), (0, begin(0, Wish::Remove { shard: 1, replica: true }))],
            ),
        ),
        (
            "a master gives slots while another console has it take some",
            2,
            Case {
                bus_jitter_ms: 236,
                blind: true,
                ..case(1_334_364_792_837_505_238, vec![(1982, begin(1, moves(1, 2, 0))), (0, begin(0, moves(2, 2, 1)))])
            },
        ),
        (
            "a console dies and the next one cannot reach everybody at first",
            1,
            Case {
                jitter_ms: 1,
                ..case(
                    0,
                    vec![
                        (0, begin(0, moves(0, 30, 1))),
                        (84, Act::Cut { console: 0, shard: Some(2) }),
                        (0, Act::Kill { console: 0 }),
                        (0, begin(0, moves(2, 1, 0))),
                    ],
                )
            },
        ),
    ]
}
