//! IO. One node's task: heartbeats, full rounds, and the facts that come of them.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use super::latest_queue::LatestQueue;
use super::poll::{Question, Round, ask};
use super::rooms::Scans;
use super::schedule;
use super::settings;
use crate::cluster::{Address, Fact, Health, Info, Member, NodeRole, Observation, Server, Trouble, View};
use crate::link::{Clock, Command, Failure, Link, Reply};

/// A question that was forbidden is asked again after this long: permissions change, ACL logs fill.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Between two tries of a link that only stands by.
const STAND_BY: Duration = Duration::from_secs(2);
/// Between two rounds with everything: what is dear to the server and changes slowly.
const FULL_EVERY: Duration = Duration::from_secs(10);

/// What the supervisor lets a poller say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mute {
    No,
    /// Answers are facts, silence is none yet: another seed may do.
    Troubles,
    /// Stands by for another link to the same node.
    All,
}

/// What the supervisor sets while a poller runs.
#[derive(Debug)]
pub(super) struct PollerControl {
    mute: AtomicU8,
    views_every_ms: AtomicU64,
    beat_ms: AtomicU64,
    /// How the address answers that the node announces, while it is reached at this one.
    announced: Mutex<Option<Health>>,
    /// A full round now, please.
    pub(super) poke: Notify,
}

impl PollerControl {
    pub(super) fn new(mute: Mute) -> Self {
        let (views_every_ms, beat_ms) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { mute: AtomicU8::new(mute as u8), views_every_ms, beat_ms, announced: Mutex::default(), poke: Notify::new() }
    }

    pub(super) fn mute(&self) -> Mute {
        match self.mute.load(Ordering::Relaxed) {
            0 => Mute::No,
            1 => Mute::Troubles,
            _ => Mute::All,
        }
    }

    /// Who may speak again speaks at once.
    pub(super) fn set_mute(&self, mute: Mute) {
        let before = self.mute.swap(mute as u8, Ordering::Relaxed);
        if mute == Mute::No && before != mute as u8 {
            self.poke.notify_one();
        }
    }

    pub(super) fn set_announced(&self, health: Option<Health>) {
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *announced, health) != health {
            self.poke.notify_one();
        }
    }

    fn announced(&self) -> Option<Health> {
        *self.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a node of a cluster of this size is asked.
    pub(super) fn set_size(&self, nodes: usize, interval: Duration) {
        let millis = |every: Duration| u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        self.views_every_ms.store(millis(schedule::between_views(nodes, interval)), Ordering::Relaxed);
        self.beat_ms.store(millis(schedule::heartbeat(nodes, interval)), Ordering::Relaxed);
    }

    fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.beat_ms.load(Ordering::Relaxed).max(1))
    }

    fn views_every(&self) -> Duration {
        Duration::from_millis(self.views_every_ms.load(Ordering::Relaxed))
    }
}

/// What a poller tells the supervisor.
#[derive(Debug)]
pub(super) enum PollerNews {
    /// It answers; with its view when that says something new.
    Alive(Option<Arc<View>>),
    /// It does not, or only with an error. Told once.
    Trouble(Health),
    /// Where a seed's name leads.
    Places(Vec<Address>),
}

/// What a poller is given.
pub(super) struct PollerConfig {
    pub(super) link: Link,
    pub(super) clock: Clock,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) standalone: bool,
    pub(super) queue: LatestQueue,
    pub(super) supervisor: mpsc::Sender<(Address, PollerNews)>,
    pub(super) control: Arc<PollerControl>,
    pub(super) scans: Option<Scans>,
}

/// How the last heartbeat went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heartbeat {
    Nothing,
    Pong,
    /// An error reply: it lives, and need not be asked as often.
    Error(Health),
    Silence(Health),
}

struct NodePoller {
    config: PollerConfig,
    heard: Heartbeat,
    view: Option<Arc<View>>,
    /// The supervisor has this view and knows that the node answers.
    told: bool,
    view_due: Instant,
    full_due: Instant,
    /// It says `cluster_state:ok`, and its view has not changed since.
    cluster_ok: bool,
    counts: Arc<BTreeMap<Arc<str>, (u64, u64)>>,
    standalone: bool,
    run_id: Option<Arc<str>>,
    /// Something happened that its settings may be behind.
    settings_due: bool,
    copies: Option<u64>,
    /// Its settings, as long as they have not been told.
    settings: Option<Fact>,
    /// What it has told of the announced address.
    announced: Option<Health>,
    denied: Vec<(Question, Instant)>,
    /// What is wrong although PING is answered; said in place of every pong until a round is good again.
    wrong: Option<Trouble>,
}

/// Watches one node for ever.
pub(super) async fn watch(config: PollerConfig) {
    let now = Instant::now();
    let standalone = config.standalone;
    let mut task = NodePoller {
        config,
        heard: Heartbeat::Nothing,
        view: None,
        told: false,
        view_due: now,
        full_due: now,
        cluster_ok: false,
        counts: Arc::default(),
        standalone,
        run_id: None,
        settings_due: false,
        copies: None,
        settings: None,
        announced: None,
        denied: Vec::new(),
        wrong: None,
    };
    task.run(now).await;
}

impl NodePoller {
    async fn run(&mut self, start: Instant) {
        let interval = self.config.interval;
        let phase = interval.mul_f64(schedule::phase(&self.config.link.address().to_string()));
        let (mut beat_due, mut round_due) = (start, start);
        loop {
            let poked = tokio::select! {
                () = self.config.control.poke.notified() => true,
                () = sleep_until(beat_due) => false,
            };
            let now = Instant::now();
            let full = poked || now >= round_due || self.heard == Heartbeat::Nothing;
            if now >= round_due {
                // The first round is at once, the second spreads the nodes over the interval.
                round_due =
                    if round_due == start { start + interval / 2 + phase } else { (round_due + interval).max(now + interval / 2) };
            }
            let questions = if full { self.questions(now, poked) } else { Vec::new() };
            self.beat(&questions).await;
            beat_due = (now + self.pace()).max(Instant::now());
        }
    }

    /// How soon to try again.
    fn pace(&self) -> Duration {
        let interval = self.config.interval;
        match self.heard {
            _ if self.config.control.mute() == Mute::All => interval.max(STAND_BY),
            Heartbeat::Error(_) => interval,
            _ => self.config.control.heartbeat(),
        }
    }

    fn questions(&mut self, now: Instant, poked: bool) -> Vec<Question> {
        if matches!(self.heard, Heartbeat::Error(Health::NoAuth | Health::Busy)) {
            return Vec::new();
        }
        self.denied.retain(|(_, until)| now < *until);
        let full = now >= self.full_due;
        let mut questions = vec![Question::Info { full }];
        if !self.standalone {
            questions.extend((poked || now >= self.view_due).then_some(Question::Nodes));
            questions.extend((poked || full || !self.cluster_ok).then_some(Question::ClusterInfo));
            questions.extend(self.misses_somebody().then_some(Question::Links));
        }
        questions.retain(|question| !self.denied.iter().any(|(denied, _)| denied.is_like(*question)));
        questions
    }

    /// A connection of its own to another node is gone, and nobody has condemned that one.
    fn misses_somebody(&self) -> bool {
        let missing = |member: &Member| !member.link_up && !member.flags.failed && !member.flags.noaddr;
        self.view.as_ref().is_some_and(|view| view.members.iter().any(missing))
    }

    /// One heartbeat, with a full round behind it when there are questions.
    async fn beat(&mut self, questions: &[Question]) {
        let (link, timeout) = (self.config.link.clone(), self.config.timeout);
        if let Err(failure) = link.open().await {
            return self.failed(&failure).await;
        }
        // The round goes out right behind PING, and may take longer: a large view over a slow line is no silence.
        // The first one asks for the settings, too: a look that ends when every node has answered has them. So does every
        // full one: settings are changed while servers run.
        let full = questions.contains(&Question::Info { full: true });
        let unknown =
            !questions.is_empty() && !self.standalone && (self.run_id.is_none() || full || std::mem::take(&mut self.settings_due));
        let settings = async { if unknown { settings::ask(&link, timeout).await } else { None } };
        let mut round = pin!(join(ask(&link, questions, timeout * 4), settings));
        let (pong, early) = {
            let mut ping = pin!(ping(&link, timeout));
            tokio::select! {
                biased;
                pong = &mut ping => (pong, None),
                round = &mut round => (ping.await, Some(round)),
            }
        };
        match pong {
            Ok(rtt) => self.pong(rtt).await,
            Err(failure) => {
                self.failed(&failure).await;
                if failure.server().is_none() {
                    return;
                }
            }
        }
        if questions.is_empty() {
            return;
        }
        let (round, settings) = match early {
            Some(round) => round,
            None => round.await,
        };
        match round {
            Ok(round) => self.round(questions, round, settings).await,
            Err(failure) if self.heard == Heartbeat::Pong => self.failed(&failure).await,
            Err(_) => {}
        }
    }

    async fn pong(&mut self, rtt: Duration) {
        self.heard = Heartbeat::Pong;
        match self.wrong.clone() {
            Some(trouble) => self.say(Fact::Trouble(trouble)),
            None => self.say(Fact::Pong(rtt)),
        }
        if self.standalone && !self.told {
            self.told = true;
            self.tell(PollerNews::Alive(None)).await;
        }
    }

    async fn failed(&mut self, failure: &Failure) {
        let trouble = failure.trouble();
        let health = trouble.health;
        let heard = if failure.server().is_some() { Heartbeat::Error(trouble.health) } else { Heartbeat::Silence(trouble.health) };
        let begins = std::mem::replace(&mut self.heard, heard) != heard;
        self.told = false;
        self.say(Fact::Trouble(trouble));
        if begins {
            self.tell(PollerNews::Trouble(health)).await;
        }
    }

    async fn round(&mut self, questions: &[Question], mut round: Round, mut settings: Option<Fact>) {
        let now = Instant::now();
        let info = round.info.take().map(|info| self.with_counts(info, now));
        // INFO comes last: whoever has heard it of this round has heard all of it.
        for fact in round.facts() {
            self.say(fact);
        }
        if let Some(info) = &info {
            // Another process: what the old one could not do, this one may.
            if self.run_id != info.run_id {
                let asked = self.run_id.is_none();
                self.run_id.clone_from(&info.run_id);
                self.standalone = self.config.standalone;
                self.denied.clear();
                if !round.standalone && !asked {
                    settings = settings::ask(&self.config.link, self.config.timeout).await;
                }
            }
            self.settings_due |= self.copies.is_some_and(|copies| info.sync_full.is_some_and(|more| more > copies));
            self.copies = info.sync_full;
            // What was learnt while another link spoke is told when this one may.
            self.settings = settings.take().or(self.settings.take());
            if self.config.control.mute() != Mute::All
                && let Some(fact) = self.settings.take()
            {
                self.say(fact);
            }
            let announced = self.config.control.announced();
            if std::mem::replace(&mut self.announced, announced) != announced {
                self.say(Fact::Announced(announced));
            }
            self.say(Fact::Info(info.clone()));
        }
        self.standalone |= round.standalone;
        if let Some(said) = &round.cluster_info {
            self.cluster_ok = said.ok;
        }
        self.scan(info.as_deref(), round.view.as_deref());
        self.denied.extend(round.denied.iter().map(|question| (*question, now + ASK_AGAIN)));
        // A question that is not asked while it is denied is still denied.
        self.wrong = round.trouble.or_else(|| self.wrong.take().filter(|_| !self.denied.is_empty()));
        if let Some(trouble) = &self.wrong
            && self.heard == Heartbeat::Pong
        {
            self.say(Fact::Trouble(trouble.clone()));
        }
        if questions.contains(&Question::Nodes) && (round.view.is_some() || round.standalone) {
            self.view_due = now + self.config.control.views_every().saturating_sub(self.config.interval / 2);
        }
        let news = match (round.view, &self.view) {
            (Some(view), Some(old)) if self.told && old.says_the_same(&view) => None,
            (Some(view), _) => Some(Some(view)),
            (None, _) if round.standalone && !self.told => Some(None),
            (None, _) => None,
        };
        self.cluster_ok &= news.is_none();
        if let Some(view) = news
            && !matches!(self.heard, Heartbeat::Error(_))
        {
            self.told = true;
            self.view.clone_from(&view);
            self.tell(PollerNews::Alive(view)).await;
        }
    }

    /// A short INFO is completed with the counts of the last full one.
    fn with_counts(&mut self, mut info: Info, now: Instant) -> Arc<Info> {
        if info.commands.is_empty() {
            info.commands = self.counts.clone();
        } else {
            self.counts = info.commands.clone();
            self.full_due = now + FULL_EVERY - self.config.interval.min(FULL_EVERY) / 2;
        }
        Arc::new(info)
    }

    /// Masters with slots are scanned for rooms, by the link that speaks for them.
    fn scan(&mut self, info: Option<&Info>, view: Option<&View>) {
        let Some(scans) = &mut self.config.scans else { return };
        if self.config.control.mute() == Mute::All {
            return scans.stop();
        }
        let Some(info) = info else { return };
        let no_touch = info.server.as_ref().is_some_and(Server::reads_untouched);
        let (node, run_id) = (self.config.link.address(), info.run_id.clone());
        match view.and_then(View::myself) {
            Some(me) if me.role == NodeRole::Master && !me.slots.is_empty() => {
                scans.run(node, Some(me.slots.clone()), no_touch, run_id)
            }
            Some(_) => scans.stop(),
            None if self.standalone && info.role == Some(NodeRole::Master) => scans.run(node, None, no_touch, run_id),
            None if self.standalone => scans.stop(),
            None => {}
        }
    }

    fn say(&self, fact: Fact) {
        let muted = match self.config.control.mute() {
            Mute::No => false,
            Mute::Troubles => matches!(fact, Fact::Trouble(_)),
            Mute::All => true,
        };
        if !muted {
            let source = self.config.link.address().clone();
            self.config.queue.push(Observation { source, at: self.config.clock.now(), fact });
        }
    }

    async fn tell(&self, news: PollerNews) {
        // Without a supervisor there is nobody to tell, and this task is about to end.
        let _ = self.config.supervisor.send((self.config.link.address().clone(), news)).await;
    }
}

/// The round trip of one PING.
async fn ping(link: &Link, timeout: Duration) -> Result<Duration, Failure> {
    let began = Instant::now();
    match link.call_within(&Command::words("PING"), timeout).await? {
        Reply::Bytes(word) if word.eq_ignore_ascii_case(b"PONG") => Ok(began.elapsed()),
        other => {
            let shown: String = format!("{other:?}").chars().take(60).collect();
            Err(Failure::Unknown(Trouble::new(Health::Garbage, format!("answered PING with {shown}"))))
        }
    }
}
