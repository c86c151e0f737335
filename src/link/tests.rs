//! IO. A link against scripted servers in the same runtime, on a paused clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use super::memory::MemoryNetwork;
use super::*;
use crate::cluster::{Address, Health};

/// What a scripted server does with a command.
enum ServerAct {
    Say(&'static str),
    /// After this long.
    SayLate(Duration, &'static str),
    Hang,
    Close,
}

/// Plays one connection: `script(number of the connection, number of the command, first word)`.
async fn play(mut stream: DuplexStream, number: usize, script: impl Fn(usize, usize, &str) -> ServerAct) {
    let mut buffer = Vec::new();
    let mut count = 0;
    while stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&buffer).into_owned();
        let commands: Vec<&str> = text.split('*').skip(1).filter_map(|command| command.split("\r\n").nth(2)).collect();
        buffer.clear();
        for word in commands {
            let act = match word {
                "CLIENT" => ServerAct::Say("+OK\r\n"),
                "PING" if count == 0 => ServerAct::Say("+PONG\r\n"),
                word => {
                    count += 1;
                    script(number, count, word)
                }
            };
            match act {
                ServerAct::Say(words) => stream.write_all(words.as_bytes()).await.unwrap(),
                ServerAct::SayLate(late, words) => {
                    tokio::time::sleep(late).await;
                    let _ = stream.write_all(words.as_bytes()).await;
                }
                ServerAct::Hang => std::future::pending().await,
                ServerAct::Close => return,
            }
        }
    }
}

const PORT: u16 = 7000;

/// A server that follows a script, on a network of its own; the counter is of accepted connections.
fn server<F>(script: F) -> (MemoryNetwork, Arc<AtomicUsize>)
where
    F: Fn(usize, usize, &str) -> ServerAct + Clone + Send + 'static,
{
    let network = MemoryNetwork::default();
    let mut listener = network.listen(PORT);
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = accepted.clone();
    tokio::spawn(async move {
        loop {
            let stream = listener.accept().await;
            let number = counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(play(stream, number, script.clone()));
        }
    });
    (network, accepted)
}

fn probe(network: &MemoryNetwork) -> Link {
    network.links().get(&Address::new("10.0.0.1", PORT), Lane::Probe)
}

fn get() -> Command {
    Command::words("GET k")
}

#[tokio::test(start_paused = true)]
async fn replies_of_every_kind_come_through_and_errors_keep_their_words() {
    let (network, accepted) = server(|_, _, word| {
        ServerAct::Say(match word {
            "A" => "*3\r\n:1\r\n$2\r\n\r\n\r\n*-1\r\n",
            "B" => "-MOVED 866 10.0.0.1:7000\r\n",
            _ => "$-1\r\n",
        })
    });
    let link = probe(&network);
    let array = Reply::Array(vec![Reply::Int(1), Reply::Bytes(b"\r\n".to_vec()), Reply::Nil]);
    assert_eq!(link.call(&Command::words("A")).await, Ok(array.clone()));
    let moved = ServerError { code: "MOVED".into(), detail: "866 10.0.0.1:7000".into() };
    assert_eq!(link.call(&Command::words("B")).await, Err(Failure::Server(moved.clone())));
    let all = [Command::words("A"), Command::words("B"), Command::words("C")];
    let replies = link.pipeline(&all, Duration::from_secs(1)).await;
    assert_eq!(replies, Ok(vec![array, Reply::Error(moved), Reply::Nil]));
    assert_eq!(accepted.load(Ordering::SeqCst), 1, "one connection serves all calls");
}

#[tokio::test(start_paused = true)]
async fn a_refused_node_fails_at_once_and_is_seen_within_a_second_when_it_is_back() {
    let network = MemoryNetwork::default();
    let link = probe(&network);
    for _ in 0..50 {
        let began = Instant::now();
        let Err(Failure::NotSent(trouble)) = link.call(&get()).await else { panic!("a closed port answered") };
        assert_eq!(trouble.health, Health::Refused, "{trouble}");
        assert!(trouble.detail.contains("refused"), "{trouble}");
        assert!(began.elapsed() < Duration::from_millis(500));
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let mut listener = network.listen(PORT);
    tokio::spawn(async move {
        let stream = listener.accept().await;
        play(stream, 0, |_, _, _| ServerAct::Say("+OK\r\n")).await;
    });
    let began = Instant::now();
    while link.call(&get()).await.is_err() {
        tokio::time::advance(Duration::from_millis(50)).await;
    }
    assert!(began.elapsed() <= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_accepts_and_says_nothing_is_frozen_and_nothing_was_sent() {
    let network = MemoryNetwork::default();
    let mut listener = network.listen(PORT);
    let link = probe(&network);
    let began = Instant::now();
    let Err(Failure::NotSent(trouble)) = link.call(&get()).await else { panic!("nobody answers here") };
    assert_eq!(trouble.health, Health::Frozen, "{trouble}");
    assert!(began.elapsed() <= Duration::from_millis(501), "{:?}", began.elapsed());
    // Thawed: the attempt that waited is answered, no other was made.
    let stream = listener.accept().await;
    tokio::spawn(play(stream, 0, |_, _, _| ServerAct::Say("+OK\r\n")));
    assert!(link.call(&get()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_overdue_reply_is_unknown_and_never_answers_a_later_call() {
    let (network, accepted) = server(|connection, count, _| match (connection, count) {
        (0, 1) => ServerAct::SayLate(Duration::from_millis(700), "$4\r\nlate\r\n"),
        _ => ServerAct::Say("$3\r\nnew\r\n"),
    });
    let link = probe(&network);
    let began = Instant::now();
    let Err(Failure::Unknown(trouble)) = link.call(&get()).await else { panic!("the reply was overdue") };
    assert_eq!(trouble.health, Health::Slow, "a new connection is answered: {trouble}");
    assert!(trouble.detail.contains("GET") && trouble.detail.contains("500 ms"), "{trouble}");
    assert!(began.elapsed() < Duration::from_millis(750), "{:?}", began.elapsed());
    for _ in 0..5 {
        assert_eq!(link.call(&get()).await, Ok(Reply::Bytes(b"new".to_vec())));
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_freezes_under_a_call_is_frozen() {
    let network = MemoryNetwork::default();
    let mut listener = network.listen(PORT);
    // The one accepted connection hangs; later ones are never accepted, as with a stopped process.
    tokio::spawn(async move {
        let stream = listener.accept().await;
        play(stream, 0, |_, _, _| ServerAct::Hang).await;
        drop(listener);
    });
    let Err(Failure::Unknown(trouble)) = probe(&network).call(&get()).await else { panic!("no reply was sent") };
    assert_eq!(trouble.health, Health::Frozen, "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn one_overdue_call_does_not_take_the_connection_from_another() {
    let (network, _) = server(|connection, _, word| match (connection, word) {
        (0, "MIGRATE") => ServerAct::SayLate(Duration::from_secs(3), "+OK\r\n"),
        _ => ServerAct::Say("+PONG\r\n"),
    });
    let link = probe(&network);
    let migrate = Command::words("MIGRATE h 1 k 0 5");
    let scan = Command::words("SCAN 0");
    link.open().await.unwrap();
    let (long, short) = tokio::join!(link.call_within(&migrate, Duration::from_secs(10)), link.call(&scan));
    assert_eq!(long, Ok(Reply::Bytes(b"OK".to_vec())));
    assert!(matches!(short, Err(Failure::Unknown(_))), "{short:?}");
    assert!(link.is_idle());
}

#[tokio::test(start_paused = true)]
async fn connections_that_end_under_a_call_leave_it_unknown_with_the_reason() {
    let (network, _) = server(|_, _, word| match word {
        "GET" => ServerAct::Close,
        _ => ServerAct::Say("!surprise\r\n"),
    });
    let link = probe(&network);
    let Err(Failure::Unknown(trouble)) = link.call(&get()).await else { panic!("the server closed") };
    assert_eq!(trouble.health, Health::Closed, "{trouble}");
    let Err(Failure::Unknown(trouble)) = link.call(&Command::words("X")).await else { panic!("that is no reply") };
    assert_eq!(trouble.health, Health::Garbage, "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_told_every_time_and_tried_rarely() {
    let (network, accepted) = server(|_, _, word| match word {
        "AUTH" => ServerAct::Say("-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
        _ => ServerAct::Say("-NOAUTH Authentication required.\r\n"),
    });
    let settings = LinkSettings { password: Some(SecretString::from("hunter2")), ..network.settings() };
    let link = Links::new(settings, Clock::start()).get(&Address::new("10.0.0.1", PORT), Lane::Probe);
    for _ in 0..240 {
        let Err(failure) = link.call(&get()).await else { panic!("the password is wrong") };
        assert_eq!(failure.trouble().health, Health::WrongPass);
        assert!(failure.to_string().contains("WRONGPASS invalid") && !format!("{failure:?}").contains("hunter2"));
        tokio::time::advance(Duration::from_millis(250)).await;
    }
    let tries = accepted.load(Ordering::SeqCst);
    assert!((3..=6).contains(&tries), "{tries} tries in a minute");
}

#[tokio::test(start_paused = true)]
async fn names_that_do_not_resolve_and_links_of_a_closed_set_say_so() {
    let link = MemoryNetwork::default().links().get(&Address::new("no-such-host.invalid", PORT), Lane::Probe);
    let Err(Failure::NotSent(trouble)) = link.call(&get()).await else { panic!("it cannot resolve") };
    assert_eq!(trouble.health, Health::Unresolved, "{trouble}");
    assert!(matches!(link.call(&get()).await, Err(Failure::NotSent(_))));
}
