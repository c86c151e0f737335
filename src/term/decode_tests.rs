//! PURE. Tests of the decoder: what a terminal says by itself is no key, whatever pieces it comes in.

use crossterm::event::MouseEventKind;
use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Feeds pieces, each so long after the one before, and gives what comes out once everything has settled.
fn through<'a>(pieces: impl IntoIterator<Item = (&'a [u8], Duration)>) -> Vec<Event> {
    let mut decoder = Decoder::new();
    let mut at = Duration::from_secs(1);
    for (bytes, gap) in pieces {
        at += gap;
        // As the loop does: what is due comes before what follows.
        while let Some(due) = decoder.deadline().filter(|due| *due <= at) {
            decoder.expire(due);
        }
        decoder.feed(bytes, at);
    }
    while let Some(due) = decoder.deadline() {
        decoder.expire(due);
    }
    std::iter::from_fn(|| decoder.next()).collect()
}

fn at_once(bytes: &[u8]) -> Vec<Event> {
    through([(bytes, MS)])
}

/// Byte by byte, so far apart.
fn slowly(bytes: &[u8], gap: Duration) -> Vec<Event> {
    through(bytes.chunks(1).map(|byte| (byte, gap)))
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn typed(text: &str) -> Vec<Event> {
    text.chars().map(|c| Event::Key(if c == '\x1b' { keys::control(0x1b) } else { keys::character(c) })).collect()
}

/// What terminals say by themselves.
const REPLIES: &[&[u8]] = &[
    b"\x1b]52;c;Rk1YeA==\x07",
    b"\x1b]52;c;Rk1YeA==\x1b\\",
    b"\x1b]11;rgb:1e1e/1e1e/2e2e\x07",
    b"\x1b]10;rgb:ffff/FFFF/ffff\x1b\\",
    b"\x1bP>|XTerm(370)\x1b\\",
    b"\x1bP1$r0m\x1b\\",
    b"\x1bP!|00000000\x1b\\",
    b"\x1b_Gi=31;OK\x1b\\",
    b"\x1b^private F\x1b\\",
    b"\x1bXstart F\x1b\\",
    b"\x1b[?1;2c",
    b"\x1b[>0;276;0c",
    b"\x1b[12;40R",
    b"\x1b[?2026;2$y",
    b"\x1b[?997;1n",
    b"\x1b[8;40;120t",
    b"\x1b[I",
    b"\x1b[O",
    b"\x1b[?31u",
    b"\xc2\x9d11;rgb:00/00/00\xc2\x9c",
    b"\x9b?62;1c",
    "\u{1b}]0;日本 F\u{7}".as_bytes(),
];

#[test]
fn replies_are_no_keys() {
    for reply in REPLIES {
        assert_eq!(at_once(reply), [], "{:?}", String::from_utf8_lossy(reply));
        let then = [reply, &b"j"[..]].concat();
        assert_eq!(at_once(&then), typed("j"), "{:?}", String::from_utf8_lossy(reply));
    }
}

#[test]
fn replies_in_single_bytes_are_no_keys_but_the_escape_that_nobody_waits_for() {
    for reply in REPLIES {
        for gap in [MS, 30 * MS, 60 * MS, 300 * MS, 499 * MS] {
            let events = slowly(reply, gap);
            assert!(
                events.iter().all(|event| *event == typed("\x1b")[0]),
                "{gap:?} {:?}: {events:?}",
                String::from_utf8_lossy(reply)
            );
            assert!(gap >= ALONE || events.is_empty());
        }
    }
}

#[test]
fn keys_are_keys() {
    let none = KeyModifiers::NONE;
    for (bytes, code, modifiers) in [
        (&b"\r"[..], KeyCode::Enter, none),
        (b"\t", KeyCode::Tab, none),
        (b"\x7f", KeyCode::Backspace, none),
        (b"\x03", KeyCode::Char('c'), KeyModifiers::CONTROL),
        (b"\x1c", KeyCode::Char('4'), KeyModifiers::CONTROL),
        (b"\x00", KeyCode::Char(' '), KeyModifiers::CONTROL),
        (b"F", KeyCode::Char('F'), KeyModifiers::SHIFT),
        (b"\xc3\xbc", KeyCode::Char('ü'), none),
        (b"\x1b[A", KeyCode::Up, none),
        (b"\x1bOA", KeyCode::Up, none),
        (b"\x1b[1;5F", KeyCode::End, KeyModifiers::CONTROL),
        (b"\x1b[5~", KeyCode::PageUp, none),
        (b"\x1b[3;2~", KeyCode::Delete, KeyModifiers::SHIFT),
        (b"\x1b[Z", KeyCode::BackTab, KeyModifiers::SHIFT),
        (b"\x1bOP", KeyCode::F(1), none),
        (b"\x1b[[B", KeyCode::F(2), none),
        (b"\x1b[15~", KeyCode::F(5), none),
        (b"\x1b[24~", KeyCode::F(12), none),
        (b"\x1b[97;5u", KeyCode::Char('a'), KeyModifiers::CONTROL),
        (b"\x1b[27;5;97~", KeyCode::Char('a'), KeyModifiers::CONTROL),
        (b"\x1bj", KeyCode::Char('j'), KeyModifiers::ALT),
        (b"\x1b[", KeyCode::Char('['), KeyModifiers::ALT),
        (b"\x1b", KeyCode::Esc, none),
    ] {
        assert_eq!(at_once(bytes), [key(code, modifiers)], "{:?}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(at_once(b"\x1b[97;1:3u"), []);
}

#[test]
fn people_are_slower_than_terminals() {
    for text in ["\x1b[", "\x1bO", "\x1b]", "\x1bP", "\x1b\x1b", "\x1bj", "[[", "jjj", "\x1bX"] {
        assert_eq!(slowly(text.as_bytes(), 600 * MS), typed(text), "{text:?}");
    }
    for text in ["\x1bj", "\x1b]]", "\x1b\x1b", "[<64"] {
        assert_eq!(slowly(text.as_bytes(), 150 * MS), typed(text), "{text:?}");
    }
}

#[test]
fn a_sequence_without_an_end_does_not_take_the_keyboard() {
    // Ctrl-C and Enter get through, and so does Esc and what follows it.
    assert_eq!(at_once(b"\x1b]52;c;abc\x03j"), [vec![key(KeyCode::Char('c'), KeyModifiers::CONTROL)], typed("j")].concat());
    let escaped = through([(&b"\x1b]52;c;abc"[..], MS), (b"\x1b", 100 * MS), (b"j", 200 * MS)]);
    assert_eq!(escaped, typed("\x1bj"));
    let waited = through([(&b"\x1b]52;c;abc"[..], MS), (b"j", 6000 * MS)]);
    assert_eq!(waited, typed("j"));
    assert_eq!(at_once(b"\x1b[?1;2\x03"), [key(KeyCode::Char('c'), KeyModifiers::CONTROL)]);
    let cut = through([(&b"\x1b[200~text"[..], MS), (b"", 6000 * MS), (b"j", MS)]);
    assert_eq!(cut, [vec![Event::Paste("text".into())], typed("j")].concat());
}

#[test]
fn a_paste_is_text() {
    let paste = b"\x1b[200~F\r\x1b[A\x1b]52;x\x07\x1b[201~";
    for gap in [MS, 300 * MS] {
        let events = slowly(paste, gap);
        let text: Vec<_> = events.into_iter().filter(|event| *event != typed("\x1b")[0]).collect();
        assert_eq!(text, [Event::Paste("F\r\x1b[A\x1b]52;x\x07".into())]);
    }
}

#[test]
fn the_mouse_is_told() {
    let kinds = |bytes: &[u8]| match at_once(bytes).as_slice() {
        [Event::Mouse(mouse)] => Some((mouse.kind, mouse.column, mouse.row)),
        _ => None,
    };
    assert_eq!(kinds(b"\x1b[<64;10;5M"), Some((MouseEventKind::ScrollUp, 9, 4)));
    assert_eq!(kinds(b"\x1b[<0;33;7m"), Some((MouseEventKind::Up(crossterm::event::MouseButton::Left), 32, 6)));
    assert_eq!(at_once(b"\x1b[M !!"), []);
    // One that is cut off does not take the keys after it.
    let ctrl_c = key(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(at_once(b"\x1b[M\x03"), std::slice::from_ref(&ctrl_c));
    assert_eq!(at_once(b"\x9bM \x03"), std::slice::from_ref(&ctrl_c));
    assert_eq!(at_once(b"\x1b[[\x03"), [ctrl_c]);
}

proptest! {
    #[test]
    fn replies_in_any_pieces_and_company_are_no_action(
        replies in proptest::collection::vec(0..REPLIES.len(), 1..6),
        cuts in proptest::collection::vec((1usize..9, 0u64..499), 1..60),
    ) {
        let bytes: Vec<u8> = replies.iter().flat_map(|nth| REPLIES[*nth]).copied().collect();
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        let mut cuts = cuts.into_iter().cycle();
        while !rest.is_empty() {
            let (length, gap) = cuts.next().unwrap();
            let (piece, after) = rest.split_at(length.min(rest.len()));
            pieces.push((piece, Duration::from_millis(gap)));
            rest = after;
        }
        let events = through(pieces);
        prop_assert!(events.iter().all(|event| *event == typed("\x1b")[0]), "{:?}", events);
    }

    #[test]
    fn no_bytes_take_the_keyboard_for_good(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut decoder = Decoder::new();
        decoder.feed(&bytes, Duration::from_secs(1));
        decoder.feed(b"j", Duration::from_secs(8));
        decoder.feed(b"\x03", Duration::from_secs(9));
        decoder.feed(b"\x03", Duration::from_secs(10));
        let events: Vec<Event> = std::iter::from_fn(|| decoder.next()).collect();
        prop_assert_eq!(events.last(), Some(&key(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    }
}
