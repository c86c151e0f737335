//! IO. The program's own log, for the pane that shows it: records go to tui-logger's buffer, without its thread.

use log::{LevelFilter, Log, Metadata, Record};
use tui_logger::Drain;

struct Pane {
    drain: Drain,
}

impl Log for Pane {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What libraries say below a warning is about themselves.
        metadata.target().starts_with("rgc_tui") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.drain.log(record);
        }
    }

    fn flush(&self) {}
}

/// Sends the log to the pane from now on. Does nothing when a log is installed already.
pub fn install_log(level: LevelFilter) {
    if log::set_boxed_logger(Box::new(Pane { drain: Drain::new() })).is_ok() {
        log::set_max_level(level);
        tui_logger::set_default_level(level);
        tui_logger::set_buffer_depth(2000);
    }
}

/// Brings what was logged since the last call into the pane; call it before a frame.
pub fn collect_log() {
    tui_logger::move_events();
}
