//! PURE. What the top of the screen advises: the key that begins it, under whatever key it is, and the words it is told in.

use super::*;
use crate::plan::Mode;

fn advised(bench: &Bench) -> String {
    bench.app.advised(bench.app.monitor.headline.next.as_deref().unwrap_or_default())
}

#[test]
fn what_is_advised_has_a_key_and_is_begun_by_it() {
    let mut bench = Bench::new(Settings::default());
    press(&mut bench, "r");
    assert!(bench.app.dialog.is_none(), "while all is well nothing is advised");
    bench.sample.kill(2);
    bench.happen(Happens::Seconds(3));
    let replica = bench.sample.address(5).to_string();
    let says = advised(&bench);
    assert!(says.contains(&format!("`r` (`:failover {replica} --mode force`)")) && !says.contains("rgc-tui"), "{says}");
    let effects = press(&mut bench, "r");
    assert_eq!(effects, [Effect::Plan(Intent::Failover { node: replica.clone(), mode: Mode::Force })]);
    // Another key, another word; none, and there is the line alone.
    bench.app.dialog = None;
    bench.app.keymap = Keymap::with([("remedy", "ctrl-r"), ("command", "ctrl-p")]).unwrap();
    assert!(advised(&bench).contains(&format!("`ctrl-r` (`ctrl-p failover {replica} --mode force`)")), "{}", advised(&bench));
    bench.app.keymap = Keymap::with([("remedy", ""), ("command", "")]).unwrap();
    assert!(advised(&bench).contains(&format!("`rgc-tui failover {replica} --mode force`")), "{}", advised(&bench));
}

#[test]
fn where_a_word_is_missing_the_line_waits_for_it() {
    let mut bench = Bench::of(Sample::new(3, 0), Settings::default());
    bench.happen(Happens::Seconds(4));
    let master = bench.sample.address(0).to_string();
    assert!(advised(&bench).contains(&format!("`r` (`:node add HOST:PORT --replica-of {master}`)")), "{}", advised(&bench));
    assert!(press(&mut bench, "r").is_empty());
    assert_eq!(bench.app.screen.prompt.take().unwrap().text, format!("node add --replica-of {master} "));
}

#[test]
fn what_has_a_key_of_its_own_is_told_by_that() {
    let bench = Bench::new(Settings::default());
    let says = bench.app.advised("look; then `rgc-tui ack`, or `rgc-tui fix --dry-run`");
    assert_eq!(says, "look; then `a`, or `r` (`:fix`)");
    assert_eq!(bench.app.typed("`rgc-tui fix` and `redis-cli PING`"), "`:fix` and `redis-cli PING`");
}

#[test]
fn the_menu_of_a_dead_former_master_begins_with_what_can_be_done() {
    let mut bench = Bench::new(Settings::default());
    bench.sample.kill(2);
    bench.happen(Happens::Seconds(3));
    // Before anybody has taken over, its replica can be promoted from here.
    let offered = |bench: &Bench| -> Vec<&str> {
        let items = bench.app.node_menu(bench.sample.id(2));
        items.into_iter().filter(|item| item.disabled.is_none()).map(|item| item.word).collect()
    };
    assert_eq!(offered(&bench), ["look", "back", "copy", "force", "takeover", "forget", "replace"]);
    bench.sample.promote(5);
    bench.happen(Happens::Seconds(3));
    assert_eq!(offered(&bench), ["look", "back", "copy", "forget", "replace"]);
    let items = bench.app.node_menu(bench.sample.id(2));
    let (can, cannot) = items.split_at(5);
    assert!(can.iter().all(|item| item.disabled.is_none()) && cannot.iter().all(|item| item.disabled.is_some()), "{items:?}");
    assert!(items[1].says.contains("on 10.0.0.3: start it again"), "{items:?}");
    // It is done on its host: the command is copied.
    bench.app.dialog = Some(Dialog::new(DialogKind::NodeMenu { node: bench.sample.id(2), cursor: 0 }));
    assert_eq!(press(&mut bench, "b"), [Effect::Copy("redis-server redis.conf".into())]);
}
