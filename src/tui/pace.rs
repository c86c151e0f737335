//! IO. When to draw: a key at once, news soon, facts without news once a poll, and never too often for a slow line.

use std::time::Duration;

use tokio::time::Instant;

/// After a key press.
const FAST: Duration = Duration::from_millis(33);
/// At most ten frames a second otherwise.
const SOON: Duration = Duration::from_millis(100);
/// While the first answers come in, every one is news.
const FIRST: Duration = Duration::from_millis(1500);

#[derive(Debug)]
pub(super) struct FramePace {
    began: Instant,
    last: Instant,
    /// When to look again whether a frame is needed; None while nothing happens.
    due: Option<Instant>,
    /// The next look draws, whatever it finds.
    certain: bool,
    quiet: Duration,
    /// What a look costs: a large cluster is looked at less often.
    cost: Duration,
}

impl FramePace {
    /// `interval` is the poll interval. The first frame is due at once.
    pub(super) fn new(interval: Duration) -> Self {
        let now = Instant::now();
        let quiet = interval.clamp(SOON * 5, Duration::from_secs(2)) - Duration::from_millis(50);
        Self { began: now, last: now, due: Some(now), certain: true, quiet, cost: Duration::ZERO }
    }

    fn want(&mut self, after: Duration) {
        let at = (self.last + after).max(Instant::now());
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// The operator did something.
    pub(super) fn key(&mut self) {
        self.certain = true;
        self.want(FAST);
    }

    /// Something the operator waits for came in.
    pub(super) fn news(&mut self) {
        self.certain = true;
        self.want(SOON);
    }

    /// Facts came in: new figures, which are looked at with the next frame, or more than that.
    pub(super) fn facts(&mut self, notable: bool) {
        let first = self.began.elapsed() < FIRST;
        self.certain |= first;
        self.want(match (first, notable) {
            (true, _) => FAST,
            (_, true) => SOON.max(self.cost * 20),
            (_, false) => self.quiet,
        });
    }

    /// The clock moved: ages and toasts.
    pub(super) fn tick(&mut self) {
        self.want(SOON);
    }

    pub(super) fn wants_frame(&self) -> bool {
        self.due.is_some()
    }

    pub(super) fn due(&self) -> Instant {
        self.due.unwrap_or(self.last)
    }

    /// Is this look worth a frame? Without news only so often as polls bring new figures.
    pub(super) fn should_draw(&mut self, news: bool) -> bool {
        let now = Instant::now();
        let draw = self.certain || news || now.duration_since(self.last) >= self.quiet;
        if draw {
            self.last = now;
            self.certain = false;
        }
        draw
    }

    /// The look is over, and what it cost.
    pub(super) fn drawn(&mut self, cost: Duration) {
        self.cost = cost;
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn the_first_frame_is_due_at_once_and_keys_are_quick() {
        let mut pace = FramePace::new(Duration::from_secs(1));
        assert!(pace.due() <= Instant::now() && pace.should_draw(false));
        pace.drawn(Duration::ZERO);
        assert!(!pace.wants_frame());
        pace.key();
        assert_eq!(pace.due() - Instant::now(), FAST);
        advance(FAST).await;
        assert!(pace.should_draw(false));
    }

    #[tokio::test(start_paused = true)]
    async fn facts_without_news_are_drawn_once_a_poll() {
        let mut pace = FramePace::new(Duration::from_secs(1));
        advance(Duration::from_secs(5)).await;
        let mut frames = 0;
        for _ in 0..100 {
            pace.facts(true);
            advance(Duration::from_millis(100)).await;
            frames += i32::from(pace.should_draw(false));
            pace.drawn(Duration::from_micros(50));
        }
        assert!((9..=11).contains(&frames), "{frames} frames in ten seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn figures_are_not_looked_at_before_they_are_drawn() {
        let mut pace = FramePace::new(Duration::from_secs(1));
        advance(Duration::from_secs(5)).await;
        let mut looks = 0;
        for _ in 0..500 {
            pace.facts(false);
            advance(Duration::from_millis(20)).await;
            if pace.due() <= Instant::now() {
                looks += 1;
                assert!(pace.should_draw(false), "a look that shows nothing");
                pace.drawn(Duration::from_micros(50));
            }
        }
        assert!((9..=11).contains(&looks), "{looks} looks in ten seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn news_is_drawn_within_a_tenth_of_a_second() {
        let mut pace = FramePace::new(Duration::from_secs(1));
        pace.should_draw(false);
        pace.drawn(Duration::ZERO);
        advance(Duration::from_secs(3)).await;
        pace.facts(true);
        assert!(pace.due() <= Instant::now() && pace.should_draw(true));
        pace.drawn(Duration::ZERO);
        pace.facts(true);
        assert_eq!(pace.due() - Instant::now(), SOON);
    }
}
