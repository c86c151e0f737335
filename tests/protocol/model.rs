//! PURE. Servers and consoles together, in every order in which things can happen.

use crate::protocol::Direction;
use stateright::{Model, Property};

use super::console::{Console, Outcome, Phase, Task, evidence};
use super::server::{A, Cluster, KEYS, NODES, Rules, SLOTS};

/// One bad thing that may happen at any moment, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    None,
    /// A console dies.
    Crash,
    /// a dies, and its replica is elected.
    Failover,
    /// Somebody has a's replica take over.
    Takeover,
}

/// What is checked: servers, a start, consoles, and what may happen.
pub struct Scenario {
    pub rules: Rules,
    pub start: Cluster,
    pub tasks: Vec<Task>,
    pub fault: Fault,
    /// Keys may be lost that no order of commands can keep: then it must be said.
    pub may_lose: bool,
    /// Whether `fix` alone is tried from every state.
    pub repairs: bool,
    /// Each console begins when the one before it is done, as on another machine right after it.
    pub in_turn: bool,
    /// How often a state is come to before it is enough, nearest first; 0: never.
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub cluster: Cluster,
    pub consoles: Vec<Console>,
    pub faults: u8,
    /// The foreign takeover has been.
    pub taken_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A console does the next thing.
    Console(usize),
    Crash(usize),
    /// A message arrives.
    Deliver(usize),
    /// A ping is sent and arrives.
    Gossip(usize, usize),
    Kill,
    Elect,
    TakeOver,
}

impl Model for Scenario {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        let consoles = self.tasks.iter().map(Console::new).collect();
        vec![State { cluster: self.start.clone(), consoles, faults: 0, taken_over: false }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Event>) {
        for (nth, console) in state.consoles.iter().enumerate().filter(|(_, console)| !console.is_over()) {
            if self.in_turn && state.consoles.iter().take(nth).any(|before| !before.is_over()) {
                break;
            }
            actions.push(Event::Console(nth));
            if self.fault == Fault::Crash && state.faults == 0 && console.at > 0 {
                actions.push(Event::Crash(nth));
            }
        }
        actions.extend(state.cluster.arriving().map(Event::Deliver));
        for from in 0..NODES {
            // A replica has nothing to say that its master does not.
            if state.cluster.nodes[from].is_master() || from == A {
                actions.extend((0..NODES).filter(|&to| to != from).map(|to| Event::Gossip(from, to)));
            }
        }
        match self.fault {
            Fault::Failover if state.faults == 0 => actions.push(Event::Kill),
            Fault::Failover if state.faults == 1 => actions.push(Event::Elect),
            Fault::Takeover if state.faults == 0 => actions.push(Event::TakeOver),
            _ => {}
        }
    }

    fn next_state(&self, last: &State, event: Event) -> Option<State> {
        let mut state = last.clone();
        match event {
            Event::Console(nth) => {
                let outcome = state.consoles[nth].act(&self.tasks[nth], self.rules, &mut state.cluster);
                if outcome == Outcome::Fence {
                    state.consoles.iter_mut().enumerate().filter(|(other, _)| *other != nth).for_each(|(_, other)| other.forget());
                }
            }
            Event::Crash(nth) => {
                state.consoles[nth] = Console::new(&self.tasks[nth]);
                state.consoles[nth].phase = Phase::Crashed;
                state.faults = 1;
            }
            Event::Deliver(nth) => state.cluster.deliver(self.rules, nth),
            Event::Gossip(from, to) => state.cluster.gossip(self.rules, from, to),
            Event::Kill => {
                state.cluster.kill();
                state.faults = 1;
            }
            Event::Elect => {
                if state.cluster.elect() {
                    state.faults = 2;
                }
            }
            Event::TakeOver => {
                state.cluster.take_over();
                state.faults = 1;
                state.taken_over = true;
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no key is lost", |model: &Self, state: &State| {
                state.taken_over || model.may_lose || state.cluster.is_lossless()
            }),
            Property::always("what is lost is said", |_: &Self, state: &State| {
                let over = state.consoles.iter().all(Console::is_over);
                let died = state.consoles.iter().any(|console| console.phase == Phase::Crashed);
                let said = died || state.consoles.iter().any(|console| console.said);
                !over || state.cluster.is_lossless() || said
            }),
            Property::always("fix alone ends with nothing open", |model: &Self, state: &State| {
                !model.repairs || model.fix_ends(state)
            }),
        ]
    }
}

impl Scenario {
    /// A way, event by event, with what each did.
    pub fn show(&self, path: &stateright::Path<State, Event>) -> String {
        let steps = path.clone().into_vec();
        let mut text = String::new();
        for (state, event) in &steps {
            text.push_str(&self.line(state));
            if let Some(event) = event {
                let next = match event {
                    Event::Console(nth) => state.consoles[*nth].next_step(&self.tasks[*nth], self.rules),
                    Event::Deliver(nth) => format!("{:?}", state.cluster.wire[*nth]),
                    _ => String::new(),
                };
                text.push_str(&format!("\n  {event:?} {next}\n"));
            }
        }
        text
    }

    fn line(&self, state: &State) -> String {
        let mark = |node: u8| if node == super::server::NOBODY { "-".into() } else { node.to_string() };
        let nodes = state.cluster.nodes.iter().enumerate().map(|(nth, node)| {
            let owner: Vec<String> = node.owner.iter().map(|&owner| mark(owner)).collect();
            let marks: Vec<String> =
                (0..SLOTS).map(|slot| format!("<{}>{}", mark(node.importing[slot]), mark(node.migrating[slot]))).collect();
            format!(
                "{nth}{}: owners {} marks {} keys {:?} epochs {:?}/{} unclaimed {:b}",
                if node.alive { if node.is_master() { "" } else { "(replica)" } } else { "(dead)" },
                owner.join(""),
                marks.join(" "),
                node.keys,
                node.epochs,
                node.current,
                node.unclaimed
            )
        });
        let nodes: Vec<String> = nodes.collect();
        let consoles: Vec<String> = state.consoles.iter().map(|console| format!("{:?}@{}", console.phase, console.at)).collect();
        format!("    {}\n    {} wire {}", nodes.join("\n    "), consoles.join(", "), state.cluster.wire.len())
    }

    /// Every console is gone, the servers have heard each other, and one `fix` runs alone.
    pub fn fix_ends(&self, state: &State) -> bool {
        self.fixed(state).is_ok()
    }

    pub fn fixed(&self, state: &State) -> Result<(), String> {
        let mut cluster = state.cluster.clone();
        cluster.settle(self.rules);
        if !cluster.nodes[A].alive {
            cluster.elect();
            cluster.settle(self.rules);
        }
        fix_alone(self.rules, &mut cluster, Direction::On, state.taken_over || self.may_lose || !state.cluster.is_lossless())
    }
}

/// Carries out `fix` to its end, the servers gossiping all the while.
pub fn fix_alone(rules: Rules, cluster: &mut Cluster, direction: Direction, may_lack: bool) -> Result<(), String> {
    let task = Task::Fix(direction);
    let mut console = Console::new(&task);
    for _ in 0..200 {
        if console.is_over() {
            break;
        }
        console.act(&task, rules, cluster);
        cluster.settle(rules);
    }
    if console.phase != Phase::Done {
        return Err(format!("fix did not end: {console:?}"));
    }
    let masters: Vec<usize> = (0..NODES).filter(|&node| cluster.nodes[node].alive && cluster.nodes[node].is_master()).collect();
    for slot in 0..SLOTS {
        let found = evidence(cluster, slot);
        if found.owners.len() != 1 || !found.migrating.is_empty() || !found.importing.is_empty() {
            return Err(format!("slot {slot} after fix: {found:?}"));
        }
        let owners: Vec<u8> = masters.iter().map(|&node| cluster.nodes[node].owner[slot]).collect();
        if owners.windows(2).any(|two| two[0] != two[1]) {
            return Err(format!("slot {slot} after fix: masters name {owners:?}"));
        }
        let home = owners[0] as usize;
        if !may_lack && cluster.nodes[home].keys[slot] != KEYS {
            return Err(format!("slot {slot} after fix: its owner does not hold all keys"));
        }
    }
    Ok(())
}
