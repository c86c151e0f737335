//! IO. What is published on one node is heard at every other one, behind what its publisher has said before.

use crate::ground::{Ground, NAMES, on_kind};
use crate::sim::Kind;

async fn channels(on: &mut Ground) {
    for line in
        ["PUBLISH", "PUBLISH news", "PUBLISH news x y", "PUBLISH news nobody", "UNSUBSCRIBE", "UNSUBSCRIBE news", "SUBSCRIBE"]
    {
        on.ask("b", line).await;
    }
    for name in ["a", "b", "a1"] {
        on.ask(name, "SUBSCRIBE news more").await;
        on.listens(name);
        on.hear(name).await;
        for line in ["PUBSUB NUMSUB news more other", "PUBSUB CHANNELS n*", "PUBSUB FOO"] {
            on.ask(name, line).await;
        }
    }
    // The answer counts who listens at the publisher; everybody else hears it as well.
    for name in NAMES {
        on.ask(name, "PUBLISH news it-is-said").await;
        for ear in ["a", "b", "a1"] {
            on.hear(ear).await;
        }
    }
    for name in ["b1", "a"] {
        on.ask(name, "PUBLISH other nobody-listens").await;
        on.ask(name, "PUBLISH more heard-next").await;
        for ear in ["a", "b", "a1"] {
            on.hear(ear).await;
        }
    }
    // Who listens can say little else, until it listens no more.
    for line in ["SUBSCRIBE x", "GET {b}1", "CLUSTER NODES", "PUBLISH x y", "UNSUBSCRIBE x", "CLUSTER MYID"] {
        on.ask("c", line).await;
    }
    for line in ["SUBSCRIBE x", "RESET", "CLUSTER MYID"] {
        on.ask("c", line).await;
    }
    on.ask("b", "PUBSUB NUMSUB x").await;
    // It waits with the writes of a master whose writes are held.
    on.ask("c", "CLIENT PAUSE 300 WRITE").await;
    on.ask("c", "PUBLISH news late").await;
    for ear in ["a", "b", "a1"] {
        on.hear(ear).await;
    }
    // A stopped process reads it when it goes on.
    on.hang("b", true).await;
    on.ask("c", "PUBLISH news while-b-sleeps").await;
    for ear in ["a", "a1"] {
        on.hear(ear).await;
    }
    on.hang("b", false).await;
    on.hear("b").await;
    // A claim, and behind it a word: whoever has heard the word knows of the claim. But Valkey with replicas says a claim
    // only when it has read what comes next, even if that is the word: so there is something in between.
    for (slot, word) in [(12190, "one"), (12191, "two"), (12192, "three")] {
        on.ask("a", &format!("CLUSTER SETSLOT {slot} IMPORTING @c")).await;
        on.ask("a", &format!("CLUSTER SETSLOT {slot} NODE @a")).await;
        on.ask("a", "PING").await;
        on.ask("a", &format!("PUBLISH news {word}")).await;
        for ear in ["b", "a1"] {
            on.hear(ear).await;
            on.note_view(ear).await;
        }
        on.hear("a").await;
    }
}

#[test]
fn what_is_published_is_heard_everywhere() {
    on_kind(Kind::Redis7, channels, None);
}

#[test]
fn what_is_published_is_heard_everywhere_on_valkey_8() {
    on_kind(Kind::Valkey8, channels, None);
}

#[test]
fn what_is_published_is_heard_everywhere_on_valkey_9() {
    on_kind(Kind::Valkey9, channels, None);
}
