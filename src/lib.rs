//! rgc-tui: a console for Redis and Valkey clusters that hold the rooms of an online card game.
//!
//! Two sentences explain the house:
//!
//! - **facts**: server → `link` → `watch` → `app::update` → `cluster` (+ `alerts`) → `ui` → frame
//! - **deeds**: key → `keys` → `app` → `plan` → dialog → `exec` → progress → `app::update` → `cluster`

// PURE
pub mod alerts;
pub mod app;
pub mod cluster;
pub mod config;
pub mod keys;
pub mod plan;
pub mod theme;
pub mod ui;
// IO
pub mod cli;
pub mod exec;
pub mod link;
pub mod local;
pub mod play;
pub mod session;
pub mod term;
pub mod tui;
pub mod watch;
