//! IO. The files: private, replaced as a whole, bounded in number and size; what cannot be read is passed over and told.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cluster::{Address, Memory, Remembered};
use crate::private;

/// Clusters that are remembered; the one that was seen longest ago gives way.
const FILES: usize = 32;
/// A file that is larger is nothing of ours.
const LARGEST: u64 = 8 << 20;
/// Another program that writes is waited for, a few times for so long.
const TURN: Duration = Duration::from_millis(10);
const TURNS: u32 = 20;

/// The folder. All of it blocks: not for the threads that tasks run on.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Everything that is remembered.
    pub fn read(&self, seeds: &[Address]) -> Remembered {
        let mut remembered = Remembered { seeds: seeds.to_vec(), ..Remembered::default() };
        if let Err(why) = private::trusted(&self.folder) {
            remembered.notes.push(why);
            return remembered;
        }
        for path in self.files() {
            match read(&path) {
                Ok(memory) => remembered.memories.push(memory),
                // Another program may have made room meanwhile.
                Err(_) if !path.exists() => {}
                Err(why) => remembered.notes.push(format!("{} is passed over: {why}", path.display())),
            }
        }
        remembered
    }

    /// When one of these files was last written.
    pub fn written(&self, key: &str) -> Option<SystemTime> {
        fs::metadata(self.path(key)).ok()?.modified().ok()
    }

    /// Writes a memory down over what other programs have written of the same cluster, and returns what is there now.
    ///
    /// # Errors
    /// In a sentence, when the folder or the file cannot be written.
    pub fn write(&self, memory: Memory) -> Result<Memory, String> {
        let failed = |error: io::Error| format!("{} cannot be written: {error}", self.folder.display());
        private::folder(&self.folder).map_err(failed)?;
        let _turn = self.turn().map_err(failed)?;
        let written = self.same(&memory);
        let urgent = written.as_ref().is_none_or(|written| written.incidents != memory.incidents);
        let mut memory = match &written {
            Some(written) => memory.merged_over(written),
            None => Memory { key: self.new_key(&memory), ..memory },
        };
        if memory.key.is_empty() {
            memory.key = self.new_key(&memory);
        }
        let path = self.path(&memory.key);
        let fresh = self.folder.join(format!(".{}.{}", memory.key, std::process::id()));
        let replace = || {
            // One that a program left behind when it died is no obstacle.
            let _ = fs::remove_file(&fresh);
            let mut file = private::options().write(true).create_new(true).open(&fresh)?;
            file.write_all(memory.text().as_bytes())?;
            if urgent {
                file.sync_data()?;
            }
            fs::rename(&fresh, &path)
        };
        replace().map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        self.make_room();
        Ok(memory)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    /// The memory of the cluster that has these nodes: the same file as before, else the one that has most of them.
    fn same(&self, memory: &Memory) -> Option<Memory> {
        let ids = memory.ids();
        let shared = |other: &Memory| other.nodes.iter().filter(|node| ids.contains(&node.id)).count();
        if !memory.key.is_empty()
            && let Ok(written) = read(&self.path(&memory.key))
            && shared(&written) > 0
        {
            return Some(written);
        }
        let all = self.files().into_iter().filter_map(|path| read(&path).ok());
        all.filter(|other| shared(other) > 0).max_by_key(|other| (other.knows(&memory.seeds), shared(other)))
    }

    /// After the smallest id; a name that something else has is not taken.
    fn new_key(&self, memory: &Memory) -> String {
        let id = memory.ids().first().map(ToString::to_string).unwrap_or_default();
        let stem: String = id.chars().take(16).collect();
        let free = |key: &String| !self.path(key).exists() || read(&self.path(key)).is_err();
        let mut names = std::iter::once(stem.clone()).chain((2..).map(|number| format!("{stem}-{number}")));
        names.find(free).unwrap_or(stem)
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_ours(path)).collect();
        paths.sort();
        paths
    }

    fn make_room(&self) {
        let mut files: Vec<(SystemTime, PathBuf)> =
            self.files().into_iter().filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path))).collect();
        files.sort();
        let surplus = files.len().saturating_sub(FILES);
        for (_, path) in files.iter().take(surplus) {
            if let Err(error) = fs::remove_file(path) {
                log::warn!("{}: {error}", path.display());
            }
        }
    }

    /// Held while a file is read, changed and written: two programs must not undo each other's words.
    #[expect(
        clippy::disallowed_methods,
        reason = "the lock of a file cannot be waited for with a deadline, and this thread may block"
    )]
    fn turn(&self) -> io::Result<File> {
        let path = self.folder.join(".lock");
        let file = private::options().write(true).create(true).truncate(false).open(path)?;
        for _ in 0..TURNS {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(TURN),
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::WouldBlock, "another program holds it"))
    }
}

fn is_ours(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_some_and(|extension| extension == "json")
}

fn read(path: &Path) -> Result<Memory, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|about| about.is_file() && about.len() <= LARGEST) {
        return Err("it is no file that this program has written".into());
    }
    file.take(LARGEST).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let key = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Memory { key, ..Memory::read(&text)? })
}
