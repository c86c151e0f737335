//! PURE. The lines at the top of every screen, measured: cause and effect, what happens by itself, what to do next. Both who
//! places the panes below and who draws ask here, so that nothing of them is cut while there is a line for it.
//!
//! ```text
//!  prod   ✖ CRITICAL  shard C has no master · 5461 slots unserved · 65 rooms, 212 players      for 2 s   12:00:58Z
//!                     10.0.0.6:7005 is being elected, expected by 12:01:20
//!                     → nothing to do yet; at once, with what it has: `rgc-tui failover 10.0.0.6:7005 --mode force`
//! ```

use unicode_width::UnicodeWidthStr;

use crate::alerts::{Headline, Verdict};
use crate::app::App;
use crate::escape;

/// What a piece of the heading tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadingPart {
    /// Cause and effect.
    First,
    /// What else is wrong.
    Also,
    /// What has happened by itself.
    Past,
    /// What happens by itself.
    Outlook,
    Next,
    /// What could not be shown any more.
    Cut,
}

/// A mark at the right end of the first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Badge {
    Protected,
    ReadOnly,
    Unlocked,
    Frozen,
}

impl Badge {
    pub fn text(self) -> &'static str {
        match self {
            Self::Protected => " PROTECTED ",
            Self::ReadOnly => " READ-ONLY ",
            Self::Unlocked => " UNLOCKED ",
            Self::Frozen => " FROZEN SCREEN ",
        }
    }
}

/// The heading, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heading {
    pub badges: Vec<Badge>,
    /// Where the sentence begins, and where the lines below it do.
    pub start: u16,
    pub indent: u16,
    /// The time of day has a place on the first line.
    pub clock: bool,
    pub lines: Vec<Vec<(HeadingPart, String)>>,
}

/// From this width on lines go on below the sentence; narrower ones have no cell to give away.
const WIDE: u16 = 100;
/// ` 12:00:58Z`, with a gap before it.
const CLOCK: u16 = 11;

impl Heading {
    pub fn of(app: &App, frozen: bool, size: (u16, u16)) -> Self {
        let badges = badges(app, frozen);
        let taken: u16 = badges.iter().map(|badge| cells(badge.text()) + 1).sum();
        let verdict = app.monitor.verdict;
        // ` prod  ✖ CRITICAL `: the name, a seal of a glyph and a word.
        let start = cells(&escape::line(&app.model.name)).saturating_add(cells(verdict.word())).saturating_add(8);
        let indent = if size.0 >= WIDE && start <= size.0 / 3 { start } else { 2 };
        let room = |from: u16| size.0.saturating_sub(from.saturating_add(1));
        let clock = room(start) > taken + CLOCK + 20;
        let right = taken + if clock { CLOCK } else { 0 };
        let most = match (verdict, size.1) {
            (_, ..16) => 1,
            (Verdict::Ok | Verdict::Unknown, _) => 3,
            (_, ..24) => 4,
            _ => 6,
        };
        let mut headline = app.monitor.headline.clone();
        // Where there is no line for what else is wrong it is counted.
        if size.0 < WIDE || size.1 < 30 {
            let more = headline.others.len();
            headline.effect.extend((more > 0).then(|| format!("{more} more")));
            headline.others.clear();
        }
        let headline = Headline { next: headline.next.as_ref().map(|next| app.advised(next)), ..headline };
        let wrap = Wrap { first: usize::from(room(start).saturating_sub(right)), rest: usize::from(room(indent)), most };
        Self { badges, start, indent, clock, lines: wrap.lines(&headline) }
    }

    pub fn height(&self) -> u16 {
        u16::try_from(self.lines.len()).unwrap_or(1).max(1)
    }
}

fn badges(app: &App, frozen: bool) -> Vec<Badge> {
    let settings = &app.settings;
    let mut badges = Vec::new();
    if settings.protected {
        badges.push(Badge::Protected);
    }
    if app.locked() {
        badges.push(Badge::ReadOnly);
    } else if settings.read_only || settings.protected {
        badges.push(Badge::Unlocked);
    }
    if frozen {
        badges.push(Badge::Frozen);
    }
    badges
}

fn cells(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// How much room the lines have.
struct Wrap {
    first: usize,
    rest: usize,
    most: usize,
}

/// What stands between two clauses on a line, and before what to do.
const BETWEEN: &str = " · ";
const BESIDE: &str = "   ";
/// Below what to do its words go on.
const HANGING: &str = "  ";
const STEP: &str = "→ ";

impl Wrap {
    /// What happens by itself on a line of its own, beside the effect where that saves the end of what to do.
    fn lines(&self, headline: &Headline) -> Vec<Vec<(HeadingPart, String)>> {
        let mut lines = self.spread(headline, false);
        if lines.len() > self.most {
            lines = self.spread(headline, true);
        }
        self.cut(&mut lines, headline);
        lines
    }

    fn spread(&self, headline: &Headline, tight: bool) -> Vec<Vec<(HeadingPart, String)>> {
        let mut lines = vec![Vec::new()];
        let clauses = std::iter::once(&headline.cause).chain(&headline.effect);
        for (at, clause) in clauses.enumerate() {
            self.add(&mut lines, HeadingPart::First, &escape::line(clause), if at > 0 { BETWEEN } else { "" });
        }
        if self.most == 1 {
            return lines;
        }
        if let Some(also) = headline.also() {
            lines.push(Vec::new());
            self.whole_clauses(&mut lines, &also);
        }
        let below = [(HeadingPart::Past, headline.past.as_deref()), (HeadingPart::Outlook, headline.outlook.as_deref())];
        for (part, says) in below.into_iter().filter_map(|(part, says)| Some((part, escape::line(says?)))) {
            if !tight || lines.len() == 1 || self.left(&lines) < says.width() + BETWEEN.width() {
                lines.push(Vec::new());
            }
            self.add(&mut lines, part, &says, BETWEEN);
        }
        if let Some(next) = &headline.next {
            // What to do stands beside what happens by itself where both are short enough.
            let next = format!("{STEP}{}", escape::line(next));
            let beside =
                lines.len() > 1 && below.iter().any(|(_, says)| says.is_some()) && self.left(&lines) >= next.width() + BESIDE.len();
            if !beside {
                lines.push(Vec::new());
            }
            self.add(&mut lines, HeadingPart::Next, &next, BESIDE);
        }
        lines
    }

    /// As many clauses of what else is wrong as there is room for on the last line, and how many there are more.
    fn whole_clauses(&self, lines: &mut [Vec<(HeadingPart, String)>], also: &str) {
        let also = escape::line(also);
        let clauses: Vec<&str> = also.split(BETWEEN).collect();
        for shown in (1..=clauses.len()).rev() {
            let more = clauses.len() - shown;
            let end = if more > 0 { format!("{BETWEEN}{more} more") } else { String::new() };
            let text = format!("{}{end}", clauses.iter().take(shown).copied().collect::<Vec<_>>().join(BETWEEN));
            if text.width() <= self.left(lines) || shown == 1 {
                return put(lines, HeadingPart::Also, &text);
            }
        }
    }

    /// Cells left on the last line.
    fn left(&self, lines: &[Vec<(HeadingPart, String)>]) -> usize {
        let used: usize = lines.last().into_iter().flatten().map(|(_, text)| text.width()).sum();
        let room = if lines.len() == 1 { self.first } else { self.rest };
        room.saturating_sub(used)
    }

    /// Adds a clause to the last line, to a new one when it does not fit, and word by word when it fits on none.
    fn add(&self, lines: &mut Vec<Vec<(HeadingPart, String)>>, part: HeadingPart, text: &str, between: &str) {
        let empty = lines.last().is_some_and(Vec::is_empty);
        let lead = if empty { "" } else { between };
        if self.left(lines) >= lead.width() + text.width() {
            put(lines, part, &format!("{lead}{text}"));
            return;
        }
        if !empty && (self.rest >= text.width() || self.left(lines) < self.rest / 3) {
            lines.push(Vec::new());
        } else if !empty {
            put(lines, part, lead);
        }
        for word in words(text) {
            let gap = usize::from(lines.last().is_some_and(|line| !line.is_empty() && !ends_blank(line)));
            if self.left(lines) < gap + word.width() && lines.last().is_some_and(|line| !line.is_empty()) {
                lines.push(Vec::new());
                if part == HeadingPart::Next && self.rest > 3 * HANGING.len() {
                    put(lines, part, HANGING);
                }
            } else if gap > 0 {
                put(lines, part, " ");
            }
            put(lines, part, word);
        }
    }

    /// No more lines than there may be, none longer than there is room; what is cut off ends with a whole clause or word.
    fn cut(&self, lines: &mut Vec<Vec<(HeadingPart, String)>>, headline: &Headline) {
        let more = lines.len() > self.most;
        let rest = lines.split_off(self.most.min(lines.len()));
        // A clause that goes on there is cut as a whole.
        for (part, text) in rest.into_iter().next().into_iter().flatten().take(1) {
            if lines.last().and_then(|line| line.last()).is_some_and(|(last, _)| *last == part) && !begins(&text, headline) {
                put(lines, part, &format!(" {}", text.trim_start()));
            }
        }
        for (at, line) in lines.iter_mut().enumerate() {
            let room = if at == 0 { self.first } else { self.rest };
            let used: usize = line.iter().map(|(_, text)| text.width()).sum();
            let last = more && at + 1 == self.most;
            if used > room || last {
                shorten(line, room.saturating_sub(2));
                line.push((HeadingPart::Cut, " …".into()));
            }
        }
    }
}

/// This text is the beginning of a clause.
fn begins(text: &str, headline: &Headline) -> bool {
    let clauses = std::iter::once(&headline.cause).chain(&headline.effect);
    clauses.map(|clause| escape::line(clause).into_owned()).any(|clause| text.starts_with(&clause))
}

fn ends_blank(line: &[(HeadingPart, String)]) -> bool {
    line.last().is_some_and(|(_, text)| text.ends_with(' '))
}

fn put(lines: &mut [Vec<(HeadingPart, String)>], part: HeadingPart, text: &str) {
    let Some(line) = lines.last_mut() else { return };
    match line.last_mut() {
        Some((last, before)) if *last == part => before.push_str(text),
        _ => line.push((part, text.to_string())),
    }
}

/// The words of a text; a command in backticks is one.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut from, mut quoted) = (0, false);
    for (at, letter) in text.char_indices() {
        quoted ^= letter == '`';
        if letter == ' ' && !quoted {
            words.extend(text.get(from..at).filter(|word| !word.is_empty()));
            from = at + 1;
        }
    }
    words.extend(text.get(from..).filter(|word| !word.is_empty()));
    words
}

/// Cuts a line to so many cells: behind a clause if one fits, else behind a word, else anywhere.
fn shorten(line: &mut Vec<(HeadingPart, String)>, room: usize) {
    let mut left = room;
    let fits = line.iter().take_while(|(_, text)| {
        let fits = text.width() <= left;
        left = left.saturating_sub(text.width());
        fits
    });
    let whole = fits.count();
    let over = line.get(whole).map(|(part, text)| (*part, text.clone()));
    line.truncate(whole);
    let left = room.saturating_sub(line.iter().map(|(_, text)| text.width()).sum());
    let Some((part, text)) = over else { return };
    let heads = |sign: &str| {
        let ends = text.match_indices(sign).filter_map(|(at, _)| text.get(..at)).collect::<Vec<_>>();
        ends.into_iter().take_while(|head| head.width() <= left).last()
    };
    let head = heads("; ").or_else(|| heads(BETWEEN).filter(|head| head.width() * 2 > left)).or_else(|| heads(" "));
    let head = head.map_or_else(
        || text.char_indices().map(|(at, _)| text.get(..at).unwrap_or_default()).take_while(|head| head.width() <= left).last(),
        Some,
    );
    let head = head.unwrap_or_default().trim_end_matches([' ', '·', ',', ':']);
    if !head.is_empty() {
        line.push((part, head.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(first: usize, rest: usize, most: usize) -> Vec<String> {
        let headline = Headline {
            cause: "shard C has no master".into(),
            effect: vec!["5461 slots unserved".into(), "65 rooms, 212 players".into()],
            others: Vec::new(),
            past: None,
            outlook: Some("10.0.0.6:7005 is being elected, expected by 12:01:20".into()),
            next: Some("nothing to do yet; at once, with what it has: `rgc-tui failover 10.0.0.6:7005 --mode force`".into()),
        };
        let lines = Wrap { first, rest, most }.lines(&headline);
        lines.into_iter().map(|line| line.into_iter().map(|(_, text)| text).collect()).collect()
    }

    #[test]
    fn nothing_is_cut_while_there_are_lines() {
        assert_eq!(
            told(90, 170, 5),
            [
                "shard C has no master · 5461 slots unserved · 65 rooms, 212 players",
                "10.0.0.6:7005 is being elected, expected by 12:01:20   \
                 → nothing to do yet; at once, with what it has: `rgc-tui failover 10.0.0.6:7005 --mode force`",
            ]
        );
        assert_eq!(
            told(48, 59, 5),
            [
                "shard C has no master · 5461 slots unserved",
                "65 rooms, 212 players",
                "10.0.0.6:7005 is being elected, expected by 12:01:20",
                "→ nothing to do yet; at once, with what it has:",
                "  `rgc-tui failover 10.0.0.6:7005 --mode force`",
            ]
        );
    }

    #[test]
    fn other_causes_have_one_line_and_end_with_a_whole_clause() {
        let told = |rest: usize| {
            let others = vec![
                "10.0.0.2:7001 500 ms > 100 ms".to_string(),
                "10.0.0.4:7003 its link is down".into(),
                "slots 1-9: open".into(),
            ];
            let headline =
                Headline { cause: "shard C has no master".into(), others, next: Some("wait".into()), ..Headline::default() };
            let lines = Wrap { first: 60, rest, most: 6 }.lines(&headline);
            lines.into_iter().map(|line| line.into_iter().map(|(_, text)| text).collect::<String>()).collect::<Vec<_>>()
        };
        assert_eq!(told(100)[1], "also: 10.0.0.2:7001 500 ms > 100 ms · 10.0.0.4:7003 its link is down · slots 1-9: open");
        assert_eq!(told(80)[1], "also: 10.0.0.2:7001 500 ms > 100 ms · 10.0.0.4:7003 its link is down · 1 more");
        assert_eq!(told(50), ["shard C has no master", "also: 10.0.0.2:7001 500 ms > 100 ms · 2 more", "→ wait"]);
    }

    #[test]
    fn what_has_no_room_ends_with_a_whole_clause() {
        assert_eq!(
            told(48, 77, 4),
            [
                "shard C has no master · 5461 slots unserved",
                "65 rooms, 212 players · 10.0.0.6:7005 is being elected, expected by 12:01:20",
                "→ nothing to do yet; at once, with what it has:",
                "  `rgc-tui failover 10.0.0.6:7005 --mode force`",
            ]
        );
        assert_eq!(told(48, 77, 3)[2], "→ nothing to do yet …");
        assert_eq!(told(60, 60, 1), ["shard C has no master · 5461 slots unserved …"]);
        for first in 0..120 {
            for most in 1..6 {
                let lines = told(first, first + 9, most);
                assert!(lines.len() <= most && !lines.is_empty());
                assert!(lines[0].width() <= first.max(2), "{lines:?} in {first}");
                assert!(lines.iter().skip(1).all(|line| line.width() <= first + 9), "{lines:?} in {first}");
            }
        }
    }
}
