//! What real servers look like over the wire: every way to be in trouble has its name, others are not disturbed,
//! members are followed, rooms are found.

#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use common::{Cluster, server, wait_until};
use rgc_tui::cluster::{Address, Fact, Health, Model, NodeRole, Observation, key_slot};
use rgc_tui::link::{Clock, Command, Lane, LinkSettings, Links, Reply, TlsSettings};
use rgc_tui::local::{Fault, LocalServer, ask};
use rgc_tui::session::{ClusterSpec, Session};
use rgc_tui::watch::WatchSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

/// A session that feeds a model and remembers who has said what.
struct Watching {
    session: Session,
    model: Model,
    pongs: BTreeMap<Address, u64>,
    sources: BTreeSet<Address>,
}

impl Watching {
    fn open(seeds: &[Address], rooms: bool, link: LinkSettings) -> Self {
        let rooms = rooms.then(|| "room:{CODE}:state".to_owned());
        let spec = ClusterSpec {
            name: "test".to_owned(),
            topology: rgc_tui::cluster::TopologyKind::Cluster,
            link,
            watch: WatchSettings { seeds: seeds.to_vec(), interval: Duration::from_millis(500), rooms, ..WatchSettings::default() },
            journal_dir: PathBuf::new(),
            memory_dir: None,
            lock: rgc_tui::exec::Lock::Open,
        };
        Self {
            session: Session::open(spec, Clock::start()),
            model: Model::new("test"),
            pongs: BTreeMap::new(),
            sources: BTreeSet::new(),
        }
    }

    fn plain(seeds: &[Address]) -> Self {
        Self::open(seeds, false, LinkSettings::default())
    }

    fn take(&mut self, observation: &Observation) {
        self.sources.insert(observation.source.clone());
        if matches!(observation.fact, Fact::Pong(_)) {
            *self.pongs.entry(observation.source.clone()).or_default() += 1;
        }
        self.model.apply(observation);
        self.model.settle(self.session.clock().now());
    }

    /// Takes facts in until the condition holds.
    async fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition(self) {
            let Ok(observation) = tokio::time::timeout_at(deadline, self.session.next()).await else {
                let nodes: Vec<String> = self
                    .model
                    .nodes()
                    .map(|node| format!("{} {} {} {:?}", node.address, node.role, node.health, node.trouble))
                    .collect();
                panic!("not within 30 s: {what}; rooms {:?}; nodes:\n{}", self.model.rooms().total(), nodes.join("\n"));
            };
            self.take(&observation.unwrap());
        }
    }

    /// Every one of these answers PING this many times more.
    async fn until_all_pong(&mut self, nodes: &[Address], times: u64) {
        let count = |watching: &Self, node: &Address| watching.pongs.get(node).copied().unwrap_or(0);
        let before: Vec<u64> = nodes.iter().map(|node| count(self, node)).collect();
        self.until("the others go on answering", |watching| {
            nodes.iter().zip(&before).all(|(node, before)| count(watching, node) >= before + times)
        })
        .await;
    }

    fn health(&self, address: &Address) -> Option<Health> {
        self.model.node_at(address).map(|node| node.health)
    }

    fn detail(&self, address: &Address) -> String {
        self.model.node_at(address).and_then(|node| node.trouble.as_ref()).map(ToString::to_string).unwrap_or_default()
    }
}

async fn told(server: &LocalServer, words: &str) -> Reply {
    ask(server.address(), None, &Command::words(words), Duration::from_secs(5)).await.unwrap()
}

fn here(port: u16) -> Address {
    Address::new("127.0.0.1", port)
}

async fn listener() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = here(listener.local_addr().unwrap().port());
    (listener, address)
}

/// A port that drops packets: its queue of connections is full, and nobody empties it.
async fn silent() -> (TcpListener, Vec<TcpStream>, Address) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let place = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(300), TcpStream::connect(place)).await {
        fillers.push(stream.unwrap());
    }
    (listener, fillers, here(place.port()))
}

/// A web server.
async fn web() -> Address {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 512];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        }
    });
    address
}

/// A port that hangs up on everybody.
async fn hangs_up() -> Address {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    address
}

#[tokio::test]
async fn every_trouble_is_shown_by_its_name_and_disturbs_nobody_else() {
    let cluster = Cluster::start(3, 1).await;
    let frozen = cluster.at(5);
    let refused = {
        let (_listener, address) = listener().await;
        address
    };
    let (_listener, _fillers, silent) = silent().await;
    let (web, hangs_up) = (web().await, hangs_up().await);
    let unresolved = Address::new("no-such-host.invalid", 7000);

    let locked = server(&["--requirepass", "secret"]).await;
    let full = server(&["--maxclients", "1"]).await;
    let _guest = TcpStream::connect(full.address().to_string()).await.unwrap();
    let busy = server(&["--busy-reply-threshold", "50"]).await;
    let _ = ask(busy.address(), None, &Command::new(["EVAL", "while true do end", "0"]), Duration::from_millis(20)).await;
    let orphan = server(&[]).await;
    assert!(told(&orphan, "CONFIG SET replica-serve-stale-data no").await.is_ok());
    assert!(told(&orphan, "REPLICAOF 127.0.0.1 1").await.is_ok());
    // Where its file should go there is a folder.
    let unsaved = server(&["--dbfilename", "in-the-way"]).await;
    std::fs::create_dir(unsaved.folder().join("in-the-way")).unwrap();
    assert!(told(&unsaved, "SET k v").await.is_ok());
    let save = Command::new(["CONFIG", "SET", "save", "3600 1"]);
    assert!(ask(unsaved.address(), None, &save, Duration::from_secs(5)).await.unwrap().is_ok());
    told(&unsaved, "BGSAVE").await;
    let loading = server(&["--enable-debug-command", "yes"]).await;
    for words in ["DEBUG POPULATE 200000", "CONFIG SET loading-process-events-interval-bytes 1024", "CONFIG SET key-load-delay 100"]
    {
        assert!(told(&loading, words).await.is_ok(), "{words}");
    }
    let _ = ask(loading.address(), None, &Command::words("DEBUG RELOAD"), Duration::from_millis(20)).await;
    cluster.fault(&frozen, Fault::Freeze).await.unwrap();

    let expected = [
        (frozen.clone(), Health::Frozen, "accepts"),
        (refused, Health::Refused, "refused"),
        (silent, Health::Silent, "no answer"),
        (web, Health::Garbage, "HTTP/1.1 400 Bad Request"),
        (hangs_up, Health::Closed, ""),
        (unresolved, Health::Unresolved, "no-such-host.invalid"),
        (locked.address().clone(), Health::NoAuth, "NOAUTH Authentication required."),
        (full.address().clone(), Health::Full, "max number of clients reached"),
        (busy.address().clone(), Health::Busy, "BUSY"),
        (orphan.address().clone(), Health::MasterDown, "MASTERDOWN"),
        (unsaved.address().clone(), Health::Misconf, "MISCONF"),
        (loading.address().clone(), Health::Loading, "LOADING"),
    ];
    let seeds: Vec<Address> = std::iter::once(cluster.at(0)).chain(expected.iter().map(|(address, ..)| address.clone())).collect();
    let mut watching = Watching::plain(&seeds);
    for (address, health, words) in &expected {
        watching
            .until(&format!("{address} is {health} ({words})"), |watching| {
                watching.health(address) == Some(*health) && watching.detail(address).contains(words)
            })
            .await;
    }
    let healthy: Vec<Address> = (0..5).map(|n| cluster.at(n)).collect();
    watching.until_all_pong(&healthy, 8).await;
    for address in &healthy {
        assert!(watching.model.node_at(address).unwrap().info.is_some(), "{address}");
    }
    // Back to life, one after the other.
    cluster.fault(&frozen, Fault::Thaw).await.unwrap();
    told(&loading, "CONFIG SET key-load-delay 0").await;
    watching.until("the frozen node answers again", |watching| watching.health(&frozen).is_some_and(Health::is_well)).await;
}

#[tokio::test]
async fn wrong_passwords_and_missing_permissions_are_told_in_the_servers_words() {
    let server = server(&[]).await;
    assert!(told(&server, "ACL SETUSER rgc on >right ~* +ping").await.is_ok());
    let as_rgc = |password: &str| LinkSettings {
        username: Some("rgc".to_owned()),
        password: Some(password.to_owned().into()),
        ..LinkSettings::default()
    };
    let address = server.address().clone();
    let mut wrong = Watching::open(std::slice::from_ref(&address), false, as_rgc("wrong"));
    wrong.until("WRONGPASS is shown", |watching| watching.health(&address) == Some(Health::WrongPass)).await;
    assert!(wrong.detail(&address).contains("WRONGPASS invalid username-password pair"), "{}", wrong.detail(&address));
    let mut limited = Watching::open(std::slice::from_ref(&address), false, as_rgc("right"));
    limited.until("NOPERM is shown", |watching| watching.health(&address) == Some(Health::NoPerm)).await;
    assert!(limited.detail(&address).contains("info"), "{}", limited.detail(&address));
    assert!(told(&server, "ACL SETUSER rgc +info +cluster").await.is_ok());
    limited.until("what is allowed now is seen", |watching| watching.health(&address).is_some_and(Health::is_well)).await;

    let log = told(&server, "ACL LOG 100").await;
    let entries = log.array().unwrap().len();
    assert!(entries <= 12, "{entries} entries: the server's log is not to be filled");
}

#[tokio::test]
async fn a_killed_master_is_seen_its_successor_followed_and_its_return() {
    let cluster = Cluster::start(3, 1).await;
    let mut watching = Watching::plain(&[cluster.at(1)]);
    let all = cluster.addresses();
    watching.until_all_pong(&all, 1).await;
    let (master, successor) = (cluster.at(0), cluster.at(3));
    cluster.fault(&master, Fault::Kill).await.unwrap();
    watching.until("the dead master is refused", |watching| watching.health(&master) == Some(Health::Refused)).await;
    watching
        .until("the successor owns the slots", |watching| {
            watching.model.node_at(&successor).is_some_and(|node| node.role == NodeRole::Master && node.slot_count == 5461)
        })
        .await;
    cluster.fault(&master, Fault::Restart).await.unwrap();
    watching
        .until("the old master is back as a replica", |watching| {
            watching.model.node_at(&master).is_some_and(|node| node.health.is_well() && node.role == NodeRole::Replica)
        })
        .await;
}

#[tokio::test]
async fn a_seed_by_another_name_is_one_node_with_one_link() {
    let cluster = Cluster::start(3, 0).await;
    let seed = Address::new("localhost", cluster.at(0).port);
    let mut watching = Watching::plain(std::slice::from_ref(&seed));
    watching.until_all_pong(&cluster.addresses(), 2).await;
    assert_eq!(watching.model.nodes().count(), 3);
    watching.sources.clear();
    watching.until_all_pong(&cluster.addresses(), 4).await;
    assert!(!watching.sources.contains(&seed), "the seed's own link has ended: {:?}", watching.sources);
    // All of them gone at once and back: still one node each.
    for node in cluster.addresses() {
        cluster.fault(&node, Fault::Freeze).await.unwrap();
    }
    watching.until("all are frozen", |watching| watching.model.nodes().all(|node| node.health == Health::Frozen)).await;
    for node in cluster.addresses() {
        cluster.fault(&node, Fault::Thaw).await.unwrap();
    }
    watching.until_all_pong(&cluster.addresses(), 4).await;
    assert_eq!(watching.model.nodes().count(), 3);
}

#[tokio::test]
async fn announced_addresses_that_cannot_be_reached_leave_the_seed_its_voice() {
    let announced = here(listener().await.1.port);
    let port = announced.port.to_string();
    let cluster = Cluster::start_with(1, 0, &["--cluster-announce-port", &port]).await;
    let seed = cluster.at(0);
    let mut watching = Watching::plain(std::slice::from_ref(&seed));
    watching.until_all_pong(std::slice::from_ref(&seed), 12).await;
    assert_eq!(watching.model.nodes().count(), 1);
    let node = watching.model.nodes().next().unwrap();
    assert_eq!((&node.address, node.health.is_well()), (&announced, true), "{:?}", node.trouble);

    let mut link = LinkSettings::default();
    link.address_map.add(&announced.to_string(), &seed.to_string()).unwrap();
    let mut mapped = Watching::open(std::slice::from_ref(&announced), false, link);
    mapped.until_all_pong(std::slice::from_ref(&announced), 3).await;
}

#[tokio::test]
async fn nodes_that_join_and_leave_are_followed() {
    let cluster = Cluster::start(3, 0).await;
    let guest = server(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]).await;
    let guest_at = guest.address().clone();
    let mut watching = Watching::plain(&[cluster.at(0)]);
    watching.until_all_pong(&cluster.addresses(), 1).await;
    cluster.ok(&cluster.at(0), &format!("CLUSTER MEET 127.0.0.1 {}", guest_at.port)).await;
    watching.until_all_pong(std::slice::from_ref(&guest_at), 2).await;
    assert_eq!(watching.model.nodes().count(), 4);
    let id = told(&guest, "CLUSTER MYID").await.text().unwrap();
    wait_until("everybody has forgotten the guest", async || {
        let mut left = 0;
        for node in cluster.addresses() {
            let reply = cluster.ask(&node, &format!("CLUSTER FORGET {id}")).await;
            left += usize::from(reply.is_ok());
        }
        left == 0
    })
    .await;
    watching.until("the guest has left the picture", |watching| watching.model.nodes().count() == 3).await;
}

/// Keys and certificates for tests only, for the name `redis.test`.
fn tls_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

#[tokio::test]
async fn tls_works_with_its_own_ca_name_and_certificate_and_says_what_is_wrong() {
    let port = {
        let (_listener, address) = listener().await;
        address.port
    };
    let [ca, cert, key] = ["ca.pem", "server.pem", "server.key"].map(|name| tls_file(name).display().to_string());
    let server =
        server(&["--tls-port", &port.to_string(), "--tls-ca-cert-file", &ca, "--tls-cert-file", &cert, "--tls-key-file", &key])
            .await;
    let good = TlsSettings {
        ca: Some(tls_file("ca.pem")),
        cert: Some(tls_file("client.pem")),
        key: Some(tls_file("client.key")),
        server_name: Some("redis.test".to_owned()),
    };
    let call = async |port: u16, tls: Option<TlsSettings>| {
        let links = Links::new(LinkSettings { tls, ..LinkSettings::default() }, Clock::start());
        links.get(&here(port), Lane::Probe).call_within(&Command::words("PING"), Duration::from_secs(5)).await
    };
    assert_eq!(call(port, Some(good.clone())).await, Ok(Reply::Bytes(b"PONG".to_vec())));
    let nameless = TlsSettings { server_name: None, ..good.clone() };
    // Through a tunnel the certificate is for who is at its other end, and a wrong one there is found out.
    let through = async |announced: &str| {
        let announced = Address::new(announced, 7000);
        let mut link = LinkSettings { tls: Some(nameless.clone()), ..LinkSettings::default() };
        link.address_map.add(&announced.to_string(), &here(port).to_string()).unwrap();
        let links = Links::new(link, Clock::start());
        links.get(&announced, Lane::Work).call_within(&Command::words("PING"), Duration::from_secs(5)).await
    };
    assert_eq!(through("redis.test").await, Ok(Reply::Bytes(b"PONG".to_vec())));
    let trouble = through("10.1.0.5").await.unwrap_err().trouble();
    assert!(trouble.health == Health::Tls && trouble.detail.contains("not valid for name"), "{trouble}");
    let anonymous = TlsSettings { cert: None, key: None, ..good.clone() };
    let stranger = TlsSettings { ca: Some(tls_file("client.pem")), ..good.clone() };
    let absent = TlsSettings { ca: Some(tls_file("absent.pem")), ..good.clone() };
    for (tls, words) in
        [(nameless.clone(), "not valid for name"), (anonymous, "ertificate"), (stranger, "certificate"), (absent, "absent.pem")]
    {
        let trouble = call(port, Some(tls)).await.unwrap_err().trouble();
        assert_eq!(trouble.health, Health::Tls, "{trouble}");
        assert!(trouble.detail.contains(words), "{trouble}");
    }
    let plain = call(port, None).await.unwrap_err().trouble();
    assert!(matches!(plain.health, Health::Closed | Health::Tls), "{plain}");
    let wrong_port = call(server.address().port, Some(good)).await.unwrap_err().trouble();
    assert!(matches!(wrong_port.health, Health::Tls | Health::Frozen), "{wrong_port}");
}

async fn write(cluster: &Cluster, key: &str, words: &[&str]) {
    let owner = cluster.owner(key_slot(key.as_bytes())).await.unwrap();
    let command = Command::new([words[0], key]);
    let command = words[1..].iter().fold(command, |command, word| command.arg(word));
    let reply = cluster.call(&owner, &command).await;
    assert!(!matches!(reply, Reply::Error(_)), "{command}: {reply:?}");
}

#[tokio::test]
async fn rooms_of_every_shape_are_found_and_gone_ones_do_not_come_back() {
    let cluster = Cluster::start(3, 1).await;
    write(&cluster, "room:{HASH}:state", &["HSET", "phase", "playing", "players", "4"]).await;
    write(&cluster, "room:{HASH}:moves", &["RPUSH", "a", "b"]).await;
    write(&cluster, "session:{HASH}:1", &["SET", "x"]).await;
    write(&cluster, "room:{TEXT}:state", &["SET", r#"{"phase":"lobby","players":["a","b"]}"#]).await;
    write(&cluster, "room:{TEXT}:state", &["EXPIRE", "5000"]).await;
    write(&cluster, "room:{SIDE}:state", &["HSET", "phase", "team_pick"]).await;
    write(&cluster, "room:{SIDE}:players", &["SADD", "a", "b", "c"]).await;
    write(&cluster, "room:{ODD}:state", &["ZADD", "1", "a"]).await;
    write(&cluster, "other:{NONE}", &["SET", "x"]).await;
    for number in 0..300 {
        write(&cluster, &format!("filler:{number}"), &["SET", "x"]).await;
    }
    let mut watching = Watching::open(&[cluster.at(0)], true, LinkSettings::default());
    watching.session.discover(&mut watching.model, Duration::from_secs(20), true).await;
    let room = |watching: &Watching, code: &str| {
        let room = watching.model.rooms().get(code)?;
        Some((room.phase.to_string(), room.players, room.keys))
    };
    assert_eq!(room(&watching, "HASH"), Some(("playing".to_owned(), 4, 3)));
    assert_eq!(room(&watching, "TEXT"), Some(("lobby".to_owned(), 2, 1)));
    assert_eq!(room(&watching, "SIDE"), Some(("team_pick".to_owned(), 3, 2)));
    assert_eq!(room(&watching, "ODD"), Some((String::new(), 0, 1)));
    assert_eq!(watching.model.rooms().len(), 4);
    let text = watching.model.rooms().get("TEXT").unwrap();
    assert_eq!(text.slot, key_slot(b"{TEXT}"));
    assert!(text.size_bytes > 40 && text.ttl.is_some_and(|ttl| ttl > Duration::from_secs(4000)), "{text:?}");
    let slot = key_slot(b"{HASH}");
    watching.until("keys are counted by slot", |watching| watching.model.slot_keys(slot) == Some(3)).await;

    write(&cluster, "room:{NEW}:state", &["HSET", "phase", "lobby", "players", "1"]).await;
    write(&cluster, "room:{TEXT}:state", &["DEL"]).await;
    write(&cluster, "room:{HASH}:state", &["HSET", "phase", "over"]).await;
    watching.until("the new room is found", |watching| room(watching, "NEW").is_some()).await;
    watching.until("the deleted room is gone", |watching| room(watching, "TEXT").is_none()).await;
    watching.until("the new phase is seen", |watching| room(watching, "HASH").unwrap().0 == "over").await;
    let mut scans = 0;
    while scans < 6 {
        let observation = watching.session.next().await.unwrap();
        if let Fact::Rooms(batch) = &observation.fact {
            assert!(batch.rooms.iter().all(|room| &*room.code != "TEXT"), "a deleted room came back");
            scans += u32::from(batch.done);
        }
        watching.take(&observation);
    }
    for node in cluster.addresses() {
        let text = cluster.text(&node, "INFO errorstats").await;
        assert!(!text.contains("errorstat_"), "{node} was made to answer with errors: {text}");
    }
}

#[tokio::test]
async fn a_survey_ends_though_a_node_hangs_and_soon_when_none_does() {
    let cluster = Cluster::start(3, 1).await;
    let mut calm = Watching::plain(&[cluster.at(0)]);
    calm.session.discover(&mut calm.model, Duration::from_secs(30), false).await;
    assert_eq!(calm.model.nodes().filter(|node| node.health.is_well() && node.info.is_some()).count(), 6);

    cluster.fault(&cluster.at(4), Fault::Freeze).await.unwrap();
    let mut troubled = Watching::plain(&[cluster.at(4), cluster.at(0)]);
    let began = Instant::now();
    troubled.session.discover(&mut troubled.model, Duration::from_secs(30), false).await;
    assert!(began.elapsed() < Duration::from_secs(30), "it ends when everybody has answered or been given up");
    assert_eq!(troubled.health(&cluster.at(4)), Some(Health::Frozen));
    assert_eq!(troubled.model.nodes().filter(|node| node.health.is_well()).count(), 5);
    assert_eq!(troubled.model.topology().assigned.len(), 16384);
}

#[tokio::test]
async fn a_server_without_cluster_mode_is_watched_without_noise() {
    let server = server(&[]).await;
    let address = server.address().clone();
    assert!(told(&server, "SET room:{A}:state x").await.is_ok());
    let mut watching = Watching::open(std::slice::from_ref(&address), true, LinkSettings::default());
    watching.session.discover(&mut watching.model, Duration::from_secs(20), true).await;
    let node = watching.model.node_at(&address).unwrap();
    assert!(node.health.is_well() && node.info.is_some(), "{:?}", node.trouble);
    let errors = told(&server, "INFO errorstats").await;
    watching.until("its room is found", |watching| watching.model.rooms().get("A").is_some()).await;
    watching.until_all_pong(std::slice::from_ref(&address), 10).await;
    assert_eq!(told(&server, "INFO errorstats").await, errors, "the question is not asked again");
}

#[tokio::test]
async fn other_servers_are_read_alike() {
    for name in ["valkey9", "valkey8", "redis8"] {
        let cluster = Cluster::start_on(name, 3, 1).await;
        write(&cluster, "room:{A}:state", &["HSET", "phase", "playing", "players", "2"]).await;
        let mut watching = Watching::open(&[cluster.at(0)], true, LinkSettings::default());
        watching.session.discover(&mut watching.model, Duration::from_secs(20), true).await;
        let model = &watching.model;
        assert_eq!(model.nodes().count(), 6, "{name}");
        for node in model.nodes() {
            let info = node.info.as_ref().unwrap();
            let server = info.server.as_ref().unwrap();
            assert_eq!(server.is_valkey(), name.starts_with("valkey"), "{server:?}");
            assert_eq!(server.release().0, name.chars().last().unwrap().to_digit(10).unwrap(), "{server:?}");
            assert!(
                node.health.is_well() && node.cluster_info.as_ref().unwrap().ok && info.cpu_seconds.is_some(),
                "{name} {node:?}"
            );
            assert_eq!(node.is_replica(), info.role == Some(NodeRole::Replica), "{name}");
        }
        assert_eq!(model.topology().shards.len(), 3, "{name}");
        assert_eq!((model.topology().served.len(), model.rooms().len()), (16384, 1), "{name}");
    }
}
