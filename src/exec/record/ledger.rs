//! IO. The ledger: every operation that was done or tried on this cluster, one JSON object a line, appended and never changed.
//!
//! A file that is full is put aside under the moment's date, beside the one that is begun then; none is ever removed. It is
//! read from its end, and what is not in the newest file is looked for in the one before.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::cluster::{Address, Model, Time};
use crate::plan::entry::{self, Circumstances, Entry};
use crate::plan::{Plan, Report, Unfinished};

use crate::exec::record::journal;
use crate::exec::record::who::who;
use crate::{escape, private};

/// The file's name in the folder of journals.
pub const LEDGER: &str = "ledger.jsonl";
/// What files that were put aside are called, with their date between the two.
const ASIDE: (&str, &str) = ("ledger-", ".jsonl");
/// A file of so many bytes is full.
const FULL: u64 = 16 << 20;
/// Bytes of the newest lines among which a failover of the last minute is looked for.
const NEWEST: usize = 256 << 10;
/// Bytes of the newest lines that a list is made of.
const LISTED: usize = 8 << 20;
/// Bytes that are read at a time.
const CHUNK: u64 = 64 << 10;
/// Commands that one entry keeps; a move of thousands of slots has more, and its plan has the slots.
const KEPT: usize = 400;

/// Commands and replies of one operation, as they come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript(Arc<Mutex<(Vec<Value>, usize)>>);

impl Transcript {
    pub(crate) fn add(&self, address: &Address, command: &str, reply: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0.len() < KEPT {
            kept.0.push(json!({"node": address.to_string(), "command": command, "reply": reply}));
        } else {
            kept.1 += 1;
        }
    }

    fn take(&self) -> (Vec<Value>, usize) {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How an operation ended.
pub(crate) fn entry(
    plan: &Plan,
    report: &Report,
    model: &Model,
    transcript: &Transcript,
    journal: Option<String>,
    now: Time,
) -> Value {
    let (commands, not_kept) = transcript.take();
    entry::write(plan, report, model, Circumstances { at: now, who: who(), journal, commands, not_kept })
}

/// Appends an operation of which nothing is left but its journal, unless there is a line of it.
pub(crate) fn append_afterwards(folder: &Path, unfinished: &Unfinished, cluster: &str, now: Time) -> Result<(), String> {
    let journal = journal::name(&unfinished.path);
    if tells_of(folder, &journal, &unfinished.began).map_err(|error| unreadable(folder, &error))? {
        return Ok(());
    }
    let who = unfinished.who.clone();
    let beside = Circumstances { at: now, who, journal: Some(journal), commands: Vec::new(), not_kept: 0 };
    write(folder, &entry::write_afterwards(unfinished, cluster, beside))
}

fn tells_of(folder: &Path, journal: &str, began: &str) -> io::Result<bool> {
    let named = json!({"journal": journal}).to_string();
    let named = named.trim_matches(['{', '}']);
    let began = time(began);
    for line in newest_first(folder)? {
        let line = line?;
        if line.contains(named) {
            return Ok(true);
        }
        // No line tells of what begins long after it; a clock may have been put back a little.
        let at = Entry::read(&line).and_then(|entry| time(&entry.at));
        if at.zip(began).is_some_and(|(at, began)| began - at > chrono::TimeDelta::days(2)) {
            break;
        }
    }
    Ok(false)
}

fn time(text: &str) -> Option<Time> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(Into::into)
}

/// Failovers among the newest entries that may have come to an election: who was to win, and when they ended.
pub(crate) fn failovers(folder: &Path) -> Vec<(Address, Time)> {
    let failover = |line: String| {
        let entry = Entry::read(&line).filter(|entry| matches!(entry.outcome.as_str(), "done" | "failed"))?;
        Some((entry.winner?.parse().ok()?, time(&entry.at)?))
    };
    match newest(folder, NEWEST) {
        Ok(lines) => lines.into_iter().filter_map(failover).collect(),
        Err(error) => {
            log::warn!("{}", unreadable(folder, &error));
            Vec::new()
        }
    }
}

/// The newest entries, newest first; of a line that is none, its beginning.
pub(crate) fn entries(folder: &Path, most: usize) -> Result<Vec<Entry>, String> {
    let torn = |line: &str| Entry { intent: line.chars().take(200).collect(), ..Entry::default() };
    let lines = newest(folder, LISTED).map_err(|error| unreadable(folder, &error))?;
    Ok(lines.iter().take(most).map(|line| Entry::read(line).unwrap_or_else(|| torn(line))).collect())
}

fn unreadable(folder: &Path, error: &io::Error) -> String {
    format!("the ledger {} could not be read: {error}", folder.join(LEDGER).display())
}

/// Appends an entry. The error is a sentence for the operator; the operation itself is done.
pub(crate) fn write(folder: &Path, entry: &Value) -> Result<(), String> {
    write_line(folder, &escape::json(&entry.to_string()), FULL)
        .map_err(|error| format!("the ledger {} could not be written: {error}", folder.join(LEDGER).display()))
}

/// Two consoles may do this at once: a line goes whole into the file that was opened for it, whatever that is called by now.
fn write_line(folder: &Path, line: &str, full: u64) -> io::Result<()> {
    private::folder(folder)?;
    let path = folder.join(LEDGER);
    let mut file = private::append(&path)?;
    // One that cannot be put aside grows on.
    match put_aside(&path, &file, full) {
        Ok(true) => file = private::append(&path)?,
        Ok(false) => {}
        Err(error) => log::warn!("{}: {error}", path.display()),
    }
    // What a full disk has torn stays a line of its own.
    let torn = if ends_torn(&path) { "\n" } else { "" };
    file.write_all(format!("{torn}{line}\n").as_bytes())?;
    file.sync_data()
}

/// Whether the file was put aside: it was full, and it is the one that is written to still.
fn put_aside(path: &Path, file: &File, full: u64) -> io::Result<bool> {
    let about = file.metadata()?;
    // Whoever has the lock puts it aside; nobody waits for that.
    if !about.is_file() || about.len() < full || file.try_lock().is_err() {
        return Ok(false);
    }
    let is_it = std::fs::metadata(path).is_ok_and(|now| same(&now) == same(&about));
    let date = chrono::DateTime::<chrono::Utc>::from(about.modified()?).format("%Y%m%dT%H%M%S%6fZ");
    let aside = path.with_file_name(format!("{}{date}{}", ASIDE.0, ASIDE.1));
    // Renaming would replace what is called so.
    if !is_it || aside.try_exists()? {
        return Ok(!is_it);
    }
    std::fs::rename(path, aside)?;
    Ok(true)
}

/// What tells a file from others, whatever it is called.
fn same(about: &std::fs::Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

fn ends_torn(path: &Path) -> bool {
    let mut last = [b'\n'];
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)
    });
    read.is_ok() && last != *b"\n"
}

/// The newest whole lines, newest first, that are not more than so many bytes together.
fn newest(folder: &Path, mut bytes: usize) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    for line in newest_first(folder)? {
        let line = line?;
        let Some(rest) = bytes.checked_sub(line.len() + 1) else { break };
        bytes = rest;
        lines.push(line);
    }
    Ok(lines)
}

/// All lines from the last to the first: those of the newest file, then those of the files put aside before it.
fn newest_first(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    // It is opened before the others are listed: put aside meanwhile it would be missed, and is left out of them instead.
    let current = FromEnd::open(&folder.join(LEDGER))?;
    let seen = current.as_ref().and_then(|current| Some(same(&current.file.metadata().ok()?)));
    let mut aside = aside(folder)?;
    aside.retain(|path| seen.is_none() || std::fs::metadata(path).ok().map(|about| same(&about)) != seen);
    let before = aside.into_iter().rev().flat_map(|path| {
        let (lines, error) = match FromEnd::open(&path) {
            Ok(lines) => (lines, None),
            Err(error) => (None, Some(Err(error))),
        };
        lines.into_iter().flatten().chain(error)
    });
    Ok(current.into_iter().flatten().chain(before))
}

fn aside(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_aside = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(ASIDE.0) && name.ends_with(ASIDE.1)
    };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(is_aside);
    paths.sort();
    Ok(paths)
}

/// The lines of one file, from the last to the first.
struct FromEnd {
    file: File,
    /// Where what has not been read ends.
    at: u64,
    /// What was read and not given yet, without the end of its last line.
    rest: Vec<u8>,
}

impl FromEnd {
    /// None when there is no such file.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let at = file.metadata()?.len();
        Ok(Some(Self { file, at, rest: Vec::new() }))
    }

    fn read_on(&mut self) -> io::Result<()> {
        let start = self.at.saturating_sub(CHUNK.max(self.rest.len() as u64));
        self.file.seek(SeekFrom::Start(start))?;
        let mut read = vec![0; usize::try_from(self.at - start).unwrap_or(usize::MAX)];
        self.file.read_exact(&mut read)?;
        read.append(&mut self.rest);
        (self.at, self.rest) = (start, read);
        Ok(())
    }
}

impl Iterator for FromEnd {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // The end of the last line is at its end; without one it is being written, or was torn.
            while self.rest.last() == Some(&b'\n') {
                self.rest.pop();
            }
            let begins = match self.rest.iter().rposition(|&byte| byte == b'\n') {
                Some(end) => end + 1,
                None if self.at > 0 => match self.read_on() {
                    Ok(()) => continue,
                    Err(error) => {
                        self.at = 0;
                        self.rest.clear();
                        return Some(Err(error));
                    }
                },
                None if self.rest.is_empty() => return None,
                None => 0,
            };
            let line = self.rest.split_off(begins);
            return Some(Ok(String::from_utf8_lossy(&line).into_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(folder: &Path) -> Vec<String> {
        newest_first(folder).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn lines_are_read_from_the_end_however_long_they_are() {
        let folder = tempfile::tempdir().unwrap();
        assert!(all(folder.path()).is_empty() && all(&folder.path().join("none")).is_empty());
        let long = "x".repeat(3 * CHUNK as usize + 7);
        let lines = ["first", &long, "third", "fourth"];
        for line in lines {
            write_line(folder.path(), line, FULL).unwrap();
        }
        assert!(all(folder.path()).iter().map(String::as_str).eq(lines.into_iter().rev()));
        assert_eq!(newest(folder.path(), 13).unwrap(), ["fourth", "third"]);
        assert_eq!(newest(folder.path(), 12).unwrap(), ["fourth"]);
    }

    #[test]
    fn what_a_full_disk_has_torn_stays_a_line_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(LEDGER), "first\nsec").unwrap();
        write_line(folder.path(), "third", FULL).unwrap();
        assert_eq!(all(folder.path()), ["third", "sec", "first"]);
    }

    #[test]
    fn two_consoles_that_put_full_files_aside_lose_no_line_and_all_are_read() {
        const EACH: usize = 300;
        let folder = tempfile::tempdir().unwrap();
        let write = |who: &'static str| {
            let folder = folder.path().to_owned();
            move || (0..EACH).for_each(|nth| write_line(&folder, &format!("{who} {nth:03}"), 100).unwrap())
        };
        std::thread::scope(|scope| ["a", "b"].map(|who| scope.spawn(write(who))).map(|thread| thread.join().unwrap()));
        assert!(aside(folder.path()).unwrap().len() >= 20);
        let mut lines = all(folder.path());
        lines.sort();
        let expected: Vec<String> = ["a", "b"].iter().flat_map(|who| (0..EACH).map(move |nth| format!("{who} {nth:03}"))).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_journal_that_is_told_of_in_a_file_put_aside_is_not_told_again() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |journal: &str, at: &str| {
            let entry = json!({"at": at, "who": "ann", "cluster": "prod", "journal": journal, "intent": "fix", "outcome": "done"});
            write_line(folder.path(), &entry.to_string(), 1).unwrap();
        };
        entry("prod-1", "2026-01-02T10:00:00Z");
        entry("prod-2", "2026-01-02T11:00:00Z");
        let told = |journal: &str, began: &str| tells_of(folder.path(), journal, began).unwrap();
        assert_eq!(aside(folder.path()).unwrap().len(), 1);
        assert!(told("prod-1", "2026-01-02T09:59:00Z") && told("prod-2", "2026-01-02T10:59:00Z"));
        assert!(!told("prod-3", "2026-01-02T10:59:00Z") && !told("prod-1", "2026-01-09T09:59:00Z"));
        assert_eq!(entries(folder.path(), 9).unwrap().len(), 2);
        std::fs::remove_file(folder.path().join(LEDGER)).unwrap();
        std::fs::create_dir(folder.path().join(LEDGER)).unwrap();
        assert!(entries(folder.path(), 9).unwrap_err().contains("could not be read"));
    }
}
