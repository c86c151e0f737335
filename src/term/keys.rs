//! PURE. What whole sequences of a terminal mean: keys and the mouse. Everything else that a terminal says is no key.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// A control character: the key that sends it.
pub(super) fn control(byte: u8) -> KeyEvent {
    let (code, modifiers) = match byte {
        b'\r' => (KeyCode::Enter, KeyModifiers::NONE),
        b'\t' => (KeyCode::Tab, KeyModifiers::NONE),
        0x7f => (KeyCode::Backspace, KeyModifiers::NONE),
        0x1b => (KeyCode::Esc, KeyModifiers::NONE),
        0x00 => (KeyCode::Char(' '), KeyModifiers::CONTROL),
        0x01..=0x1a => (KeyCode::Char(char::from(byte - 1 + b'a')), KeyModifiers::CONTROL),
        _ => (KeyCode::Char(char::from((byte & 0x1f) - 0x1c + b'4')), KeyModifiers::CONTROL),
    };
    KeyEvent::new(code, modifiers)
}

pub(super) fn character(c: char) -> KeyEvent {
    let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    KeyEvent::new(KeyCode::Char(c), shift)
}

fn arrow(byte: u8) -> Option<KeyCode> {
    Some(match byte {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'P' => KeyCode::F(1),
        b'Q' => KeyCode::F(2),
        b'S' => KeyCode::F(4),
        _ => return None,
    })
}

/// After `Esc O`.
pub(super) fn ss3(byte: u8) -> Option<Event> {
    let code = match byte {
        // After CSI it is where the cursor is.
        b'R' => KeyCode::F(3),
        b'M' => KeyCode::Enter,
        _ => arrow(byte)?,
    };
    Some(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

/// After `Esc [ [`, on the Linux console.
pub(super) fn console(byte: u8) -> Option<Event> {
    let number = matches!(byte, b'A'..=b'E').then(|| byte - b'A' + 1)?;
    Some(Event::Key(KeyEvent::new(KeyCode::F(number), KeyModifiers::NONE)))
}

/// A whole CSI: what is between `Esc [` and its last byte, and that. None for whatever is no key and no mouse.
pub(super) fn csi(parameters: &[u8], last: u8) -> Option<Event> {
    let text = std::str::from_utf8(parameters).ok()?;
    if let (Some(mouse), b'M' | b'm') = (text.strip_prefix('<'), last) {
        return self::mouse(mouse, last == b'm');
    }
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')) {
        return None;
    }
    let mut fields = text.split(';');
    let first: u32 = fields.next().map(whole)?;
    let (modifiers, kind) = modifiers(fields.next());
    let third: u32 = fields.next().map_or(0, whole);
    if kind == Some(3) {
        // A key that is let go.
        return None;
    }
    let (code, modifiers) = match last {
        b'Z' => (KeyCode::BackTab, modifiers | KeyModifiers::SHIFT),
        b'u' => return unicode(first, modifiers),
        b'~' if first == 27 => return unicode(third, modifiers),
        b'~' => (tilde(first)?, modifiers),
        // With another parameter in front these are reports.
        _ if first > 1 => return None,
        _ => (arrow(last)?, modifiers),
    };
    Some(Event::Key(KeyEvent::new(code, modifiers)))
}

/// The number before a colon; 0 where there is none.
fn whole(field: &str) -> u32 {
    field.split(':').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Modifiers, and the kind of the event (1 down, 2 again, 3 up).
fn modifiers(field: Option<&str>) -> (KeyModifiers, Option<u32>) {
    let Some(field) = field else { return (KeyModifiers::NONE, None) };
    let bits = whole(field).saturating_sub(1);
    let all = [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL), (8, KeyModifiers::SUPER)];
    let modifiers = all.iter().filter(|(bit, _)| bits & bit != 0).fold(KeyModifiers::NONE, |all, (_, one)| all | *one);
    (modifiers, field.split(':').nth(1).and_then(|kind| kind.parse().ok()))
}

fn tilde(number: u32) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(u8::try_from(number).ok()? - 10),
        17..=21 => KeyCode::F(u8::try_from(number).ok()? - 11),
        23 | 24 => KeyCode::F(u8::try_from(number).ok()? - 12),
        _ => return None,
    })
}

/// A key told by its character.
fn unicode(number: u32, modifiers: KeyModifiers) -> Option<Event> {
    let c = char::from_u32(number)?;
    let key = match u8::try_from(number) {
        Ok(byte @ (b'\r' | b'\t' | 0x1b | 0x7f)) => control(byte),
        _ if c.is_control() => return None,
        _ => character(c),
    };
    Some(Event::Key(KeyEvent::new(key.code, key.modifiers | modifiers)))
}

/// `B;X;Y` of the mouse, `up` when its last letter is small.
fn mouse(text: &str, up: bool) -> Option<Event> {
    let mut numbers = text.split(';').map(|number| number.parse::<u16>().ok());
    let (bits, x, y) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let button = |bits: u16| match bits & 3 {
        0 => Some(MouseButton::Left),
        1 => Some(MouseButton::Middle),
        2 => Some(MouseButton::Right),
        _ => None,
    };
    let kind = match bits & 0b1110_0000 {
        0b0000_0000 if up => MouseEventKind::Up(button(bits)?),
        0b0000_0000 => MouseEventKind::Down(button(bits)?),
        0b0010_0000 => button(bits).map_or(MouseEventKind::Moved, MouseEventKind::Drag),
        0b0100_0000 => match bits & 3 {
            0 => MouseEventKind::ScrollUp,
            1 => MouseEventKind::ScrollDown,
            2 => MouseEventKind::ScrollLeft,
            _ => MouseEventKind::ScrollRight,
        },
        _ => return None,
    };
    let all = [(4, KeyModifiers::SHIFT), (8, KeyModifiers::ALT), (16, KeyModifiers::CONTROL)];
    let modifiers = all.iter().filter(|(bit, _)| bits & bit != 0).fold(KeyModifiers::NONE, |all, (_, one)| all | *one);
    Some(Event::Mouse(MouseEvent { kind, column: x.saturating_sub(1), row: y.saturating_sub(1), modifiers }))
}
