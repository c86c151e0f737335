//! PURE. Failover plans and refusals, case by case.

use crate::cluster::{Fact, Health, Model, Observation, ServerSettings, Trouble};

use crate::plan::testing::{address, at, id, info_text, nodes_text, speak, three_shards};
use crate::plan::{Danger, Facts, Intent, Mode, Plan, Refusal, plan};

fn failover(model: &Model, node: &str, mode: Mode) -> Result<Plan, Refusal> {
    plan(&Intent::Failover { node: node.into(), mode }, &Facts::of(model), at(5))
}

fn refused(model: &Model, node: &str, mode: Mode) -> String {
    failover(model, node, mode).unwrap_err().to_string()
}

fn down(model: &mut Model, node: &str) {
    let fact = Fact::Trouble(Trouble::new(Health::Refused, ""));
    model.apply(&Observation { source: address(node), at: at(1), fact });
    model.settle(at(1));
}

fn with_info(n: usize, more: &str) -> Model {
    let mut model = three_shards();
    speak(&mut model, n, &nodes_text(n, ""), &info_text(n, more), 0);
    model.settle(at(0));
    model
}

#[test]
fn a_graceful_failover_is_one_command_on_the_replica() {
    let model = three_shards();
    let plan = failover(&model, "10.0.0.4:7003", Mode::Graceful).unwrap();
    assert_eq!(plan.steps[0].commands, ["CLUSTER FAILOVER"]);
    assert_eq!(plan.steps[0].address, address("10.0.0.4:7003"));
    assert_eq!((plan.danger, plan.prediction.bytes_at_risk, plan.impact.slots.len()), (Danger::Normal, Some(0), 5461));
    assert_eq!(plan.intent.to_string(), "failover 10.0.0.4:7003");
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn a_shard_means_its_best_replica_and_a_master_is_one_already() {
    let mut model = three_shards();
    let by_replica = failover(&model, "10.0.0.5:7004", Mode::Graceful).unwrap();
    assert_eq!(failover(&model, "B", Mode::Graceful).unwrap(), by_replica);
    let already = failover(&model, "10.0.0.2:7001", Mode::Graceful).unwrap_err();
    assert!(already.fulfilled && already.to_string().contains("`failover --shard B`"), "{already}");
    // One that is gone is no success.
    down(&mut model, "10.0.0.2:7001");
    let gone = nodes_text(1, "").replacen(" 0 1 2 connected", " 0 1 2 disconnected", 1);
    speak(&mut model, 1, &gone, &info_text(1, ""), 1);
    model.settle(at(1));
    let gone = failover(&model, "10.0.0.2:7001", Mode::Force).unwrap_err();
    assert!(!gone.fulfilled && gone.to_string().contains("10.0.0.5:7004"), "{gone}");
}

/// The masters that are left are no longer connected to these.
fn doubted(model: &mut Model, gone: &[usize]) {
    for speaker in (1..=3).filter(|speaker| !gone.contains(speaker)) {
        let is_gone = |text: &str| gone.iter().any(|n| text.starts_with(&id(*n)));
        let doubt = |text: &str| if is_gone(text) { text.replace(" connected", " disconnected") } else { text.to_owned() };
        let said: Vec<String> = nodes_text(speaker, "").lines().map(doubt).collect();
        speak(model, speaker, &(said.join("\n") + "\n"), &info_text(speaker, ""), 1);
    }
    model.settle(at(1));
}

#[test]
fn what_reachable_masters_call_healthy_is_taken_over_from_only_against_their_word() {
    let mut model = three_shards();
    down(&mut model, "10.0.0.1:7000");
    let agreed = |model: &Model| failover(model, "10.0.0.4:7003", Mode::Takeover).unwrap();
    let Danger::Contradicted(contradiction) = agreed(&model).danger else { panic!("nobody contradicts") };
    let says = contradiction.refusal("prod").to_string();
    assert!(says.contains("10.0.0.2:7001 and 10.0.0.3:7002 are connected to it and call it healthy"), "{says}");
    assert!(says.contains("--confirm prod --override node_is_healthy"), "{says}");
    // With the master's help nothing is lost, and it needs no help of ours.
    let graceful = failover(&model, "10.0.0.4:7003", Mode::Graceful).unwrap();
    assert!(!matches!(graceful.danger, Danger::Contradicted(_)), "{graceful:?}");
    let forget = plan(&Intent::Forget { node: "10.0.0.1:7000".into() }, &Facts::of(&model), at(5));
    assert!(forget.is_err(), "it has slots and a replica");
    doubted(&mut model, &[1]);
    let typed = agreed(&model);
    assert_eq!(typed.danger, Danger::Typed);
    // Agreed to before somebody was well again: not done any more.
    let mut model = three_shards();
    down(&mut model, "10.0.0.1:7000");
    let refused = crate::plan::drift(&typed, &model, at(5)).unwrap_err().to_string();
    assert!(refused.contains("node_is_healthy"), "{refused}");
}

#[test]
fn the_loud_modes_ask_for_the_name() {
    let model = three_shards();
    for mode in [Mode::Force, Mode::Takeover] {
        let plan = failover(&model, "A", mode).unwrap();
        // Its master answers, and the name alone is not enough.
        assert!(matches!(plan.danger, Danger::Contradicted(_)) && plan.danger.is_typed());
        assert_eq!(plan.danger.words("prod").as_deref(), Some("prod node_is_healthy"));
        assert_eq!(plan.prediction.bytes_at_risk, Some(100));
        assert!(!plan.warnings.is_empty());
        assert_eq!(plan.intent.to_string(), format!("failover 10.0.0.4:7003 --mode {}", mode.word()));
    }
}

#[test]
fn a_broken_replication_link_is_refused_with_what_would_happen() {
    let text = refused(&with_info(4, "master_link_status:down\r\nmaster_link_down_since_seconds:12\r\n"), "A", Mode::Graceful);
    assert!(text.contains("10.0.0.4:7003 to 10.0.0.1:7000 has been down for 12 s"), "{text}");
    assert!(text.contains("stop writes for 5 s"), "{text}");
    let never = with_info(4, "master_link_status:down\r\nmaster_link_down_since_seconds:-1\r\n");
    let text = refused(&never, "10.0.0.4:7003", Mode::Graceful);
    assert!(text.contains("has never been up since it was started"), "{text}");
    let text = refused(&with_info(4, "master_link_status:down\r\n"), "10.0.0.4:7003", Mode::Graceful);
    assert!(text.contains("is down, since when is not known"), "{text}");
    let text = refused(&with_info(4, "master_last_io_seconds_ago:11\r\n"), "A", Mode::Graceful);
    assert!(text.contains("nothing from its master for 11 s"), "{text}");
    let text = refused(&with_info(4, "master_replid:other\r\n"), "A", Mode::Graceful);
    assert!(text.contains("different replication histories"), "{text}");
    let text = refused(&with_info(4, "master_sync_in_progress:1\r\n"), "10.0.0.4:7003", Mode::Graceful);
    assert!(text.contains("still copying"), "{text}");
    let text = refused(&with_info(1, "master_repl_offset:999999999\r\n"), "A", Mode::Graceful);
    assert!(text.contains("954 MB behind"), "{text}");
}

/// The replica asks for one of its own.
fn wants_a_replica(model: &mut Model) {
    let node_timeout = Some(std::time::Duration::from_secs(2));
    let settings = ServerSettings { node_timeout, min_replicas: Some(1), ..ServerSettings::default() };
    model.apply(&Observation { source: address("10.0.0.4:7003"), at: at(1), fact: Fact::Settings(settings.into()) });
    model.settle(at(1));
}

#[test]
fn who_will_refuse_writes_for_want_of_replicas_is_said_before() {
    let mut model = three_shards();
    wants_a_replica(&mut model);
    let graceful = failover(&model, "A", Mode::Graceful).unwrap();
    assert_eq!(graceful.warnings, Vec::<String>::new(), "its old master follows it");
    assert!(graceful.prediction.notes.iter().any(|note| note.contains("takes writes once 1 replica")), "{graceful:?}");
    down(&mut model, "10.0.0.1:7000");
    doubted(&mut model, &[1]);
    let warnings = failover(&model, "A", Mode::Force).unwrap().warnings.join("\n");
    assert!(
        warnings.contains("10.0.0.4:7003 will refuse every write (NOREPLICAS)") && warnings.contains("have none"),
        "{warnings}"
    );
}

#[test]
fn a_dead_master_needs_force_and_force_needs_votes() {
    let mut model = three_shards();
    down(&mut model, "10.0.0.1:7000");
    doubted(&mut model, &[1]);
    let refusal = failover(&model, "A", Mode::Graceful).unwrap_err();
    let text = refusal.to_string();
    assert!(text.contains("10.0.0.1:7000 refuses connections") && text.contains("--mode force"), "{text}");
    assert_eq!(refusal.reasons[0].code.word(), "master_down");
    assert!(failover(&model, "A", Mode::Force).unwrap().warnings.iter().any(|warning| warning.contains("quorum is thin")));
    down(&mut model, "10.0.0.2:7001");
    doubted(&mut model, &[1, 2]);
    let text = refused(&model, "A", Mode::Force);
    assert!(text.contains("2 of 3 masters with slots, and 1 answer"), "{text}");
    assert!(failover(&model, "A", Mode::Takeover).is_ok());
}

#[test]
fn a_master_without_a_replica_that_can_take_over_is_refused() {
    let mut model = three_shards();
    down(&mut model, "10.0.0.4:7003");
    let text = refused(&model, "A", Mode::Graceful);
    assert!(text.contains("none of its replicas") && text.contains("10.0.0.4:7003 refuses connections"), "{text}");
    let text = refused(&model, "10.0.0.4:7003", Mode::Force);
    assert!(text.contains("started on the replica itself"), "{text}");
}

#[test]
fn an_open_slot_stops_a_graceful_failover_where_promotion_forgets_it() {
    let mut model = three_shards();
    let own = format!(" [7->-{}]", id(2));
    speak(&mut model, 1, &nodes_text(1, &own), &info_text(1, ""), 1);
    model.settle(at(1));
    let text = refused(&model, "A", Mode::Graceful);
    assert!(text.contains("1 slot is open on shard A") && text.contains("fix 7"), "{text}");
    let text = refused(&model, "B", Mode::Graceful);
    assert!(text.contains("open on shard B"), "{text}");
    let valkey = "server_name:valkey\r\nvalkey_version:8.1.0\r\n";
    speak(&mut model, 4, &nodes_text(4, ""), &info_text(4, valkey), 2);
    assert!(failover(&model, "A", Mode::Graceful).is_ok());
}

#[test]
fn nobody_wins_twice_within_the_time_of_an_election() {
    let mut model = three_shards();
    // 1 and 4 change places, and back.
    let swapped = |me: usize| {
        nodes_text(me, "")
            .replace(&format!("master - 0 1 1 connected 0-5460\n{}", id(2)), &format!("slave {} 0 1 7 connected\n{}", id(4), id(2)))
            .replace(&format!("slave {} 0 1 1 connected", id(1)), "master - 0 1 7 connected 0-5460")
    };
    for n in [1, 4] {
        speak(&mut model, n, &swapped(n), &info_text(n, ""), 1);
    }
    model.settle(at(1));
    assert!(failover(&model, "10.0.0.1:7000", Mode::Graceful).is_err(), "the stand-in's INFO says nothing of its new place");
    for n in [1, 4] {
        speak(&mut model, n, &nodes_text(n, ""), &info_text(n, ""), 2);
    }
    model.settle(at(2));
    let intent = Intent::Failover { node: "A".into(), mode: Mode::Graceful };
    let text = plan(&intent, &Facts::of(&model), at(4)).unwrap_err().to_string();
    assert!(text.contains("only 3.0 s ago, and these servers do not get through another within 8.0 s: wait 5.0 s"), "{text}");
    assert!(plan(&intent, &Facts::of(&model), at(10)).is_ok());
}

#[test]
fn the_fingerprint_holds_still_until_the_roles_or_slots_change() {
    let one = failover(&three_shards(), "A", Mode::Graceful).unwrap().fingerprint;
    let more_written = with_info(1, "master_repl_offset:6000\r\n");
    assert_eq!(failover(&more_written, "A", Mode::Graceful).unwrap().fingerprint, one);
    let mut moved = three_shards();
    speak(&mut moved, 1, &nodes_text(1, "").replace(" 0-5460", " 0-5459"), &info_text(1, ""), 1);
    moved.settle(at(1));
    assert_ne!(failover(&moved, "A", Mode::Graceful).unwrap().fingerprint, one);
}

#[test]
fn an_unknown_node_is_a_mistake_in_the_request() {
    let refusal = failover(&three_shards(), "10.0.0.9:7003", Mode::Graceful).unwrap_err();
    assert!(refusal.usage && refusal.to_string().contains("did you mean 10.0.0."), "{refusal}");
}
