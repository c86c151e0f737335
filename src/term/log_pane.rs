//! IO. The program's own log, for the pane that shows it: records go to tui-logger's buffer, without its thread.

use log::{LevelFilter, Log, Metadata, Record};
use tui_logger::Drain;

use crate::escape;

struct LogPane {
    drain: Drain,
}

impl Log for LogPane {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What libraries say below a warning is about themselves.
        metadata.target().starts_with("rgc_tui") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // Servers' words are among them.
            let text = record.args().to_string();
            let (shown, at) = (escape::line(&text), record.metadata().clone());
            let place = (record.module_path(), record.file(), record.line());
            let mut shown_record = Record::builder();
            shown_record.metadata(at).module_path(place.0).file(place.1).line(place.2);
            self.drain.log(&shown_record.args(format_args!("{shown}")).build());
        }
    }

    fn flush(&self) {}
}

/// Sends the log to the pane from now on. Does nothing when a log is installed already.
pub fn install_log(level: LevelFilter) {
    if log::set_boxed_logger(Box::new(LogPane { drain: Drain::new() })).is_ok() {
        log::set_max_level(level);
        tui_logger::set_default_level(level);
        tui_logger::set_buffer_depth(2000);
    }
}

/// Brings what was logged since the last call into the pane; call it before a frame.
pub fn collect_log() {
    tui_logger::move_events();
}
