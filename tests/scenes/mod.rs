//! PURE. Named screens for snapshots and pictures: made-up clusters in every condition, as the console shows them.

mod operations;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rgc_tui::app::{App, Effect, Event, Settings, Shown, update};
use rgc_tui::cluster::sample::Sample;
use rgc_tui::cluster::{Address, Fact, Observation, PlayStats, SlotRange, Time};
use rgc_tui::keys::Keymap;
use rgc_tui::plan::entry::Entry;
use rgc_tui::plan::{Facts, Unfinished, plan};
use rgc_tui::theme::Theme;

pub(crate) const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// A console over a made-up cluster: facts and keys go in as they do in life.
pub(crate) struct Scene {
    pub(crate) sample: Sample,
    pub(crate) app: App,
    pub(crate) now: Time,
    /// Its load goes up and down, as under play.
    lively: bool,
}

impl Scene {
    fn new(sample: Sample, size: (u16, u16), settings: Settings) -> Self {
        let now = sample.now;
        let themes = Theme::names().map(str::to_string).collect();
        let settings = Settings { themes, invocation: "rgc-tui --config prod.toml".into(), ..settings };
        let mut app = App::new(sample.model.clone(), settings, Keymap::default(), now);
        update(&mut app, Event::Resize(size.0, size.1), now);
        let mut scene = Self { sample, app, now, lively: false };
        let many = scene.app.model.nodes().count() > 100;
        scene.seconds(if many { 3 } else { 12 });
        scene
    }

    fn healthy(size: (u16, u16)) -> Self {
        Self::new(Sample::new(3, 1).rooms(400), size, Settings::default())
    }

    fn demo(size: (u16, u16)) -> Self {
        let mut sample = Sample::new(3, 1).rooms(200);
        sample.model.name = "demo".into();
        let mut scene = Self::new(sample, size, Settings { demo: true, ..Settings::default() });
        scene.lively = true;
        scene.seconds(40);
        scene.play(PlayStats { acknowledged: 20_411, writes_per_sec: 498.0, ..PlayStats::default() });
        scene
    }

    fn event(&mut self, event: Event) {
        self.app.saw(Shown { buttons: true, entries: (0..30).collect() });
        for effect in update(&mut self.app, event, self.now) {
            // What the session would do: plan what was asked for.
            if let Effect::Plan(intent) = effect {
                let plan = plan(&intent, &Facts::of(&self.app.model), self.now);
                update(&mut self.app, Event::Planned(intent, Box::new(plan)), self.now);
            }
        }
        self.app.settle(self.now);
    }

    /// So many polls, a second apart.
    pub(crate) fn seconds(&mut self, count: usize) {
        for _ in 0..count {
            if self.lively {
                self.sway();
            }
            let observations = self.sample.observations();
            self.now = self.sample.now;
            for observation in observations {
                update(&mut self.app, Event::Observed(Box::new(observation)), self.now);
            }
            self.event(Event::Tick);
        }
    }

    /// Loads follow slow waves, each server its own.
    fn sway(&mut self) {
        let second = f64::from(u32::try_from(self.now.timestamp() % 1000).unwrap_or(0));
        for (number, server) in (0u32..).zip(&mut self.sample.servers) {
            let phase = second / 7.0 + f64::from(number) * 1.7;
            let wave = 0.62 + 0.28 * phase.sin() + 0.1 * (phase * 2.3).cos();
            let full = if number < 3 { 640.0 } else { 300.0 };
            server.ops_per_sec = full * wave;
            server.cpu_percent = if number < 3 { 46.0 } else { 17.0 } * wave;
            server.latency = Duration::from_micros((400.0 + 900.0 * wave * wave) as u64 * if number == 4 { 4 } else { 1 });
            server.memory_bytes = (380 + u64::from(number) * 31 + (second as u64 % 60) / 2) << 20;
        }
    }

    fn play(&mut self, stats: PlayStats) {
        let observation = Observation { source: Address::new("demo", 1), at: self.now, fact: Fact::Play(stats) };
        self.event(Event::Observed(Box::new(observation)));
    }

    /// Presses keys: single characters, or names such as `enter`, `tab`, `down`, separated by blanks.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.split(' ').filter(|key| !key.is_empty()) {
            let code = match key {
                "enter" => KeyCode::Enter,
                "esc" => KeyCode::Esc,
                "tab" => KeyCode::Tab,
                "down" => KeyCode::Down,
                "up" => KeyCode::Up,
                "right" => KeyCode::Right,
                "space" => KeyCode::Char(' '),
                other => KeyCode::Char(other.chars().next().unwrap_or(' ')),
            };
            self.event(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
        self
    }

    /// Types a text, a key for each letter.
    pub(crate) fn type_in(&mut self, text: &str) -> &mut Self {
        for letter in text.chars() {
            self.event(Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)));
        }
        self
    }

    /// Types a command after `:` and runs it.
    pub(crate) fn command(&mut self, text: &str) -> &mut Self {
        self.press(":").type_in(text).press("enter")
    }

    fn id(&self, number: usize) -> String {
        self.sample.address(number).to_string()
    }
}

/// Every scene by its name.
pub(crate) const NAMES: &[&str] = &[
    "healthy",
    "demo",
    "killed",
    "promoted",
    "frozen-node",
    "election",
    "open-slots",
    "disagreement",
    "thousand",
    "nobody",
    "ascii",
    "read-only",
    "protected",
    "unlocked",
    "refused",
    "wrong-name",
    "frozen-screen",
    "lonely",
    "topology",
    "nodes",
    "slots",
    "slots-keys",
    "slots-open",
    "slots-zoom",
    "slots-range",
    "rooms",
    "alerts",
    "node",
    "node-down",
    "shard",
    "slot",
    "room",
    "operations",
    "operation",
    "operation-failed",
    "ledger",
    "views",
    "log",
    "help",
    "dialog",
    "dialog-typed",
    "dialog-rebalance",
    "dialog-replanning",
    "dialog-refused",
    "dialog-menu",
    "dialog-menu-former",
    "dialog-fault",
    "dialog-target",
    "dialog-unlock",
    "dialog-quit",
    "dialog-leftover",
    "prompt",
    "filter",
    "toast",
    "tab-nodes",
    "tab-slots",
    "tab-alerts",
    "tab-rooms",
];

pub(crate) fn scene(name: &str, size: (u16, u16)) -> Scene {
    assert!(NAMES.contains(&name), "there is no scene {name}");
    if let Some(scene) = conditions(name, size).or_else(|| views(name, size)) {
        return scene;
    }
    let mut scene = Scene::healthy(size);
    match name {
        "operations" | "operation" | "operation-failed" | "dialog-rebalance" | "dialog-replanning" => {
            operations::stage(&mut scene, name)
        }
        "dialog-refused" => {
            scene.sample.kill(5);
            scene.seconds(3);
            scene.command("failover C");
        }
        "dialog" => drop(scene.command(&format!("failover {}", scene.id(5)))),
        "dialog-typed" => {
            scene.sample.kill(2);
            scene.seconds(3);
            scene.command(&format!("failover {} --mode force", scene.id(5))).type_in("pro");
        }
        "dialog-leftover" => {
            scene.sample.open_slot(5000, 0, 1);
            scene.sample.open_slot(5003, 0, 1);
            let nodes = scene.app.model.nodes().map(|node| node.id).collect();
            let unfinished = Unfinished {
                path: "prod-20260314T115213Z.journal".into(),
                intent: format!("move-slots 4900-5460 --to {}", scene.id(1)),
                who: "ann".into(),
                began: "2026-03-14T11:52:13Z".into(),
                in_flight: [SlotRange::new(4996, 5011)].iter().collect(),
                closed: [SlotRange::new(4900, 4995)].iter().collect(),
                total: 561,
                wanted: Vec::new(),
                ended: None,
                nodes,
            };
            scene.event(Event::Unfinished(vec![unfinished]));
            scene.seconds(2);
        }
        "dialog-menu-former" => {
            scene.sample.kill(2);
            scene.seconds(3);
            scene.sample.promote(5);
            scene.seconds(9);
            scene.command(&format!("node {}", scene.id(2))).press("n");
        }
        "dialog-quit" => drop(scene.press("q")),
        "dialog-target" => drop(scene.press("5 space down space M")),
        "prompt" => drop(scene.press(":").type_in("fa")),
        "filter" => drop(scene.press("5 /").type_in("play")),
        "toast" => scene.event(Event::Told { text: "screen saved to /home/me/prod-20260314-120015.txt".into(), bad: false }),
        "tab-nodes" => drop(scene.press("2")),
        "tab-slots" => drop(scene.press("3")),
        "tab-alerts" => {
            scene.sample.kill(1);
            scene.seconds(8);
            scene.press("4");
        }
        "tab-rooms" => drop(scene.press("5")),
        _ => {}
    }
    scene
}

fn conditions(name: &str, size: (u16, u16)) -> Option<Scene> {
    let mut scene = match name {
        "healthy" => Scene::healthy(size),
        "demo" | "killed" | "promoted" | "dialog-menu" | "dialog-fault" => Scene::demo(size),
        "thousand" => {
            let mut sample = Sample::unasked(500, 1);
            // A view of a thousand nodes is a thousand lines: few of them are enough to know the cluster.
            sample.views_a_poll = 2;
            sample.poll();
            Scene::new(sample.rooms(2000), size, Settings::default())
        }
        "nobody" => Scene::new(Sample::unasked(3, 1), size, Settings::default()),
        "lonely" => Scene::new(Sample::new(3, 0).rooms(50), size, Settings::default()),
        "ascii" => Scene::new(Sample::new(3, 1).rooms(400), size, Settings { ascii: true, ..Settings::default() }),
        "read-only" => Scene::new(Sample::new(3, 1).rooms(400), size, Settings { read_only: true, ..Settings::default() }),
        "refused" => Scene::new(Sample::new(3, 1).rooms(400), size, Settings { read_only: true, ..Settings::default() }),
        "protected" | "dialog-unlock" | "unlocked" | "wrong-name" => {
            Scene::new(Sample::new(3, 1).rooms(400), size, Settings { protected: true, read_only: true, ..Settings::default() })
        }
        "frozen-node" | "election" | "open-slots" | "disagreement" | "frozen-screen" => Scene::healthy(size),
        _ => return None,
    };
    match name {
        "killed" | "ascii" | "election" => {
            scene.sample.kill(2);
            scene.seconds(3);
            if name == "killed" {
                let gap = Some(Duration::from_millis(3200));
                scene.play(PlayStats {
                    acknowledged: 20_911,
                    refused: 12,
                    unknown: 1,
                    gap,
                    writes_per_sec: 331.0,
                    ..PlayStats::default()
                });
            }
        }
        "promoted" => {
            scene.sample.kill(2);
            scene.seconds(3);
            scene.sample.promote(5);
            scene.seconds(90);
            let gap = Some(Duration::from_millis(3312));
            scene.play(PlayStats {
                acknowledged: 66_240,
                refused: 12,
                unknown: 1,
                last_gap: gap,
                worst_gap: gap,
                writes_per_sec: 502.0,
                ..PlayStats::default()
            });
        }
        "frozen-node" => {
            scene.sample.freeze(1);
            scene.seconds(6);
        }
        "open-slots" => {
            scene.sample.move_slots(SlotRange::new(3000, 3399), 0, 1);
            scene.sample.open_slot(5000, 0, 1);
            scene.sample.open_slot(9000, 1, 2);
            scene.seconds(3);
        }
        "disagreement" => {
            scene.sample.stick(3);
            scene.sample.stick(4);
            scene.sample.move_slots(SlotRange::new(0, 999), 0, 2);
            scene.seconds(4);
            scene.command("views");
        }
        "nobody" => {
            (0..6).for_each(|number| scene.sample.silence(number));
            scene.seconds(3);
        }
        "frozen-screen" => drop(scene.press("z")),
        "dialog-unlock" => drop(scene.press("u")),
        "unlocked" => drop(scene.press("u").type_in("prod").press("enter")),
        "wrong-name" => drop(scene.press("u").type_in("prop").press("enter")),
        "refused" => drop(scene.press("F")),
        "dialog-menu" => drop(scene.press("n down down")),
        "dialog-fault" => drop(scene.press("n k")),
        _ => {}
    }
    Some(scene)
}

/// What the ledger tells of the time before this console.
fn earlier_operations() -> Vec<Entry> {
    let one = |at: &str, intent: &str, outcome: &str, reasons: &[&str]| Entry {
        at: at.into(),
        who: "ann".into(),
        intent: intent.into(),
        outcome: outcome.into(),
        reasons: reasons.iter().map(ToString::to_string).collect(),
        seconds: 1.2,
        ..Entry::default()
    };
    vec![
        one("2026-03-14T11:58:02.120Z", "rebalance --by keys", "done", &[]),
        one("2026-03-14T11:52:13.007Z", "failover 10.0.0.6:7005", "refused", &["its link to the master is down"]),
    ]
}

fn views(name: &str, size: (u16, u16)) -> Option<Scene> {
    let mut scene = Scene::healthy(size);
    match name {
        "topology" | "nodes" | "rooms" | "views" | "help" => drop(scene.command(name)),
        "ledger" => {
            scene.command("ledger");
            scene.event(Event::Ledger(Ok(earlier_operations())));
        }
        "log" => {
            log::warn!("10.0.0.3:7002 refused: connection refused");
            scene.command("log");
        }
        "alerts" => {
            scene.sample.kill(1);
            scene.seconds(8);
            scene.sample.promote(4);
            scene.seconds(70);
            scene.sample.freeze(3);
            scene.seconds(5);
            scene.command("alerts");
        }
        "slots" => drop(scene.command("slots")),
        "slots-keys" | "slots-open" => {
            scene.sample.open_slot(5000, 0, 1);
            scene.sample.open_slot(9000, 1, 2);
            let counts =
                (0..16384u16).filter(|slot| slot % 7 != 0).map(|slot| (slot, u32::from(slot % 97) * u32::from(slot) / 500));
            let fact = Fact::SlotKeys(std::sync::Arc::new(counts.collect()));
            scene.event(Event::Observed(Box::new(Observation { source: scene.sample.address(0), at: scene.now, fact })));
            scene.seconds(2);
            scene.command("slots").press(if name == "slots-keys" { "L" } else { "L L" });
        }
        "slots-zoom" => drop(scene.command("slot 5461").press("esc").command("slots").press("+ + + + + +")),
        "slots-range" => drop(scene.command("slots").press("v down down right right right")),
        "node" => drop(scene.command(&format!("node {}", scene.id(0)))),
        "node-down" => {
            scene.sample.kill(2);
            scene.seconds(9);
            scene.command(&format!("node {}", scene.id(2)));
        }
        "shard" => drop(scene.command("shard C")),
        "slot" => drop(scene.command("slot 422")),
        "room" => drop(scene.press("5 enter")),
        _ => return None,
    }
    Some(scene)
}
