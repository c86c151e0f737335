//! The real program in a real pseudo-terminal: it shows itself, gives the terminal back however it ends, and fires
//! nothing that was not pressed.

#[path = "pty/leaving.rs"]
mod leaving;
#[path = "pty/screen.rs"]
mod screen;

mod common;
mod desk;

use screen::Screen;

/// Nobody listens there: the console comes up all the same, and says so.
const NOBODY: &str = "127.0.0.1:1";

fn console(size: (u16, u16), variables: &[(&str, &str)]) -> Screen {
    let screen = Screen::start(env!("CARGO_BIN_EXE_rgc-tui"), &["--node", NOBODY], size, variables);
    screen.wait_for("Topology");
    screen.wait_for("refused");
    screen
}

#[test]
fn the_first_frame_shows_a_dead_seed_and_q_gives_the_terminal_back() {
    let mut screen = console((120, 40), &[]);
    assert!(screen.look(vt100::Screen::alternate_screen) && screen.look(vt100::Screen::bracketed_paste));
    assert_eq!(screen.look(vt100::Screen::mouse_protocol_mode), vt100::MouseProtocolMode::None);
    for pane in ["Nodes", "Slots", "Alerts", "Rooms", NOBODY] {
        screen.wait_for(pane);
    }
    screen.send("q");
    assert!(screen.end().success());
    screen.assert_restored();
}

#[test]
fn signals_end_it_and_give_the_terminal_back() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut screen = console((80, 24), &[]);
        screen.signal(signal);
        screen.end();
        screen.assert_restored();
    }
}

#[test]
fn after_a_stop_it_takes_the_terminal_again() {
    let mut screen = console((120, 40), &[]);
    screen.signal("STOP");
    screen.wait("a stop", |_| screen.is_stopped());
    // What a shell and its user do meanwhile. (`?47l` leaves the alternate screen too, and is not what the console writes.)
    screen.stty("sane");
    screen.scribble("\x1b[?47l\x1b[?2004l\x1b[?25h$ make\r\n");
    screen.wait("the shell's screen", |_| !screen.look(vt100::Screen::alternate_screen));
    screen.signal("CONT");
    screen.wait("a raw terminal", |_| {
        let settings = screen.stty("-a");
        settings.contains("-echo ") && settings.contains("-icanon")
    });
    screen.wait_for("Topology");
    assert!(screen.look(vt100::Screen::alternate_screen) && screen.look(vt100::Screen::hide_cursor));
    screen.wait("bracketed paste", |_| screen.look(vt100::Screen::bracketed_paste));
    assert!(!screen.text().contains("$ make"), "{}", screen.text());
    screen.send(":help\r");
    screen.wait_for("fail over to a replica");
    screen.send("q");
    assert!(screen.end().success());
    screen.assert_restored();
    let settings = screen.stty("-a");
    assert!(settings.contains(" echo ") && settings.contains(" icanon"), "{settings}");
}

#[test]
fn a_terminal_that_goes_away_ends_it() {
    let status = screen::hang_up(env!("CARGO_BIN_EXE_rgc-tui"), &["--node", NOBODY], "Topology");
    assert!(status.success(), "{status}");
}

#[test]
fn ctrl_c_ends_it() {
    let mut screen = console((80, 24), &[]);
    screen.send("\x03");
    assert!(screen.end().success());
    screen.assert_restored();
}

#[test]
fn paste_fires_nothing_and_goes_into_text_fields() {
    let mut screen = console((120, 40), &[]);
    // Were these keys, the console would be gone, or asking for a plan.
    screen.send("\x1b[200~:quit\rq?F\x1b[201~");
    screen.send(":");
    screen.send("\x1b[200~hel\x1b[201~");
    screen.wait_for("hel");
    screen.send("p\r");
    screen.wait_for("fail over to a replica");
    screen.send("q");
    assert!(screen.end().success());
}

#[test]
fn pieces_of_a_split_sequence_are_no_keys() {
    let mut screen = console((120, 40), &[]);
    // A mouse report whose escape comes alone: the rest would read as keys, `<` and digits among them.
    screen.send("\x1b");
    screen.send("[<64;10;5M");
    screen.send(":slots\r");
    screen.wait("the slot map alone", |text| !text.contains("Topology  ") && text.contains("Slots"));
    screen.send("q");
    assert!(screen.end().success());
}

/// What terminals answer to questions that somebody else has asked, and what they report by themselves.
#[test]
fn replies_of_the_terminal_are_no_keys() {
    let mut screen = console((120, 40), &[]);
    let replies = [
        "\x1b]52;c;OnF1aXQNcUY/\x07",
        "\x1b]52;c;OnF1aXQNcUY/\x1b\\",
        "\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\",
        "\x1bP>|XTerm(370):q\x1b\\",
        "\x1b_Gi=31;OK:q\x1b\\",
        "\x1b^:q\x1b\\",
        "\x1bX:q\x1b\\",
        "\x1b[?1;2c",
        "\x1b[>41;370;0c",
        "\x1b[?997;1n",
        "\x1b[8;40;120t",
        "\u{9d}10;rgb:0000/0000/0000\u{9c}",
    ];
    for reply in replies {
        screen.send(reply);
        for byte in reply.chars() {
            screen.send(byte.encode_utf8(&mut [0; 4]));
        }
    }
    // Were any of it keys, this would be typed into a line or a dialog.
    screen.send(":slots\r");
    screen.wait("the slot map alone", |text| !text.contains("Topology  ") && text.contains("Slots"));
    screen.send("q");
    assert!(screen.end().success());
}

#[test]
fn thousands_of_keys_at_once_do_not_kill_the_keyboard() {
    let mut screen = console((120, 40), &[]);
    // More than a terminal keeps, as a paste without brackets is typed.
    screen.send(&"j".repeat(20_000));
    screen.send(":help\r");
    screen.wait_for("fail over to a replica");
    screen.send(&"k".repeat(4096));
    screen.send("\x03");
    assert!(screen.end().success());
    screen.assert_restored();
}

#[test]
fn it_follows_the_size_of_the_terminal() {
    let mut screen = console((120, 40), &[]);
    screen.resize(80, 24);
    screen.wait("one pane and tabs", |text| !text.lines().any(|line| line.contains("Topology") && line.contains("┌ Nodes")));
    screen.resize(200, 60);
    screen.wait_for("Alerts");
    screen.resize(1, 1);
    screen.resize(100, 30);
    screen.wait_for("Topology");
    screen.send("q");
    assert!(screen.end().success());
}

#[test]
fn no_colour_when_none_is_wanted() {
    let coloured = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        ["38;2;", "48;2;", "38;5;", "48;5;", "\x1b[31m", "\x1b[32m", ";31m", ";32m"].iter().any(|code| text.contains(code))
    };
    let mut plain = console((120, 40), &[("NO_COLOR", "1")]);
    plain.send("q");
    plain.end();
    assert!(!coloured(&plain.bytes()));
    let mut colourful = console((120, 40), &[]);
    colourful.send("q");
    colourful.end();
    assert!(coloured(&colourful.bytes()));
}

#[test]
fn without_a_terminal_it_says_what_to_do_instead() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_rgc-tui")).args(["--node", NOBODY]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(says.contains("terminal") && says.contains("status"), "{says}");
}

/// This test binary again, in a terminal: the test named here does nothing but what the variable asks of it.
fn again(what: &str) -> Screen {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", "as_the_panicking_program", "--nocapture", "--test-threads=1"];
    Screen::start(&program.display().to_string(), &arguments, (80, 24), &[("RGC_TUI_TEST_PANIC", what)])
}

/// Not a test by itself: what runs in the terminal of the two below.
#[test]
fn as_the_panicking_program() {
    let Ok(what) = std::env::var("RGC_TUI_TEST_PANIC") else { return };
    rgc_tui::term::install_panic_hook();
    rgc_tui::term::install_log(log::LevelFilter::Info);
    let guard = rgc_tui::term::enter(false).unwrap();
    match what.as_str() {
        "owner" => panic!("the drawing thread fell over"),
        _ => {
            let fell = std::thread::spawn(|| panic!("a task fell over")).join();
            assert!(fell.is_err());
            print!("still drawing");
            std::io::Write::flush(&mut std::io::stdout()).unwrap();
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
        }
    }
    drop(guard);
}

#[test]
fn a_panic_of_the_drawing_thread_gives_the_terminal_back_and_is_read_on_it() {
    let mut screen = again("owner");
    assert!(!screen.end().success());
    screen.assert_restored();
    screen.wait_for("the drawing thread fell over");
}

#[test]
fn a_panic_elsewhere_leaves_the_screen_alone() {
    let mut screen = again("task");
    screen.wait_for("still drawing");
    assert!(screen.look(vt100::Screen::alternate_screen));
    assert!(!screen.text().contains("a task fell over"), "{}", screen.text());
    screen.send("\r\n\x04");
    screen.end();
    screen.assert_restored();
}
