//! IO. The guardian: a small `sh` that clears up when this process is gone, in whatever way it went.
//!
//! It reads pids and folders from its stdin. The pipe closes when this process ends, by `exit`, panic or `kill -9`;
//! then it kills every pid it still knows and removes the folders. It sits in a process group of its own and ignores
//! the signals a terminal sends, so that it lives long enough to do so.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

const SCRIPT: &str = r#"
trap '' INT HUP TERM QUIT TSTP
pids=' ' root='' tidy=''
while IFS= read -r line; do
  word=${line%% *} rest=${line#* }
  case $word in
    pid) pids="$pids$rest " ;;
    gone) case $pids in *" $rest "*) pids="${pids%%" $rest "*} ${pids#*" $rest "}" ;; esac ;;
    folder) set -- "$@" "$rest" ;;
    root) root=$rest ;;
    tidy) tidy=yes ;;
  esac
done
[ "$pids" = ' ' ] || kill -9 $pids 2>/dev/null
if [ -z "$tidy" ]; then
  # Killed between starting a server and saying so: such a server writes its pid a moment later.
  for _ in 1 2 3; do
    for folder do
      [ -r "$folder/pid" ] && read -r pid <"$folder/pid" && kill -9 "$pid" 2>/dev/null
    done
    sleep 0.1
  done
fi
for folder do
  tries=0
  while [ -e "$folder" ] && [ $tries -lt 20 ]; do
    rm -rf -- "$folder" 2>/dev/null
    tries=$((tries + 1))
    [ -e "$folder" ] && sleep 0.1
  done
done
[ -z "$root" ] || rmdir -- "$root" 2>/dev/null
"#;

#[derive(Debug)]
pub(super) struct Guardian {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Guardian {
    pub(super) fn start() -> io::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "rgc-tui-guardian"]).current_dir("/").process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    pub(super) fn pid(&mut self, pid: u32) -> io::Result<()> {
        self.say("pid", pid.to_string().as_bytes())
    }

    /// The process is about to be reaped: its number may soon be another's.
    pub(super) fn gone(&mut self, pid: u32) -> io::Result<()> {
        self.say("gone", pid.to_string().as_bytes())
    }

    /// A folder to remove with all its content.
    pub(super) fn folder(&mut self, path: &Path) -> io::Result<()> {
        self.say("folder", path.as_os_str().as_bytes())
    }

    /// The folder around them, removed if it is empty then.
    pub(super) fn root(&mut self, path: &Path) -> io::Result<()> {
        self.say("root", path.as_os_str().as_bytes())
    }

    fn say(&mut self, word: &str, rest: &[u8]) -> io::Result<()> {
        match &mut self.pipe {
            Some(pipe) => pipe.write_all(&[word.as_bytes(), b" ", rest, b"\n"].concat()),
            None => Ok(()),
        }
    }

    /// Lets it clear up now and waits until it has: some milliseconds.
    pub(super) fn finish(&mut self) {
        let _ = self.say("tidy", b"");
        self.pipe = None;
        let _ = self.child.wait();
    }
}
