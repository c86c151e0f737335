//! IO. Finds and reads the configuration file, the environment variables and the files that it names.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::problem::{Problem, place};
use super::{Config, ConfigError, Reference};

/// The file in the working directory that is used without being asked for.
const HERE: &str = "rgc-tui.toml";

/// Reads this file.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::whole(Some(path.to_owned()), format!("cannot be read: {}", reason(&error))))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let outside = |reference: &Reference| match reference {
        Reference::Env(name) => std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => "is not set".to_owned(),
            std::env::VarError::NotUnicode(_) => "is not text".to_owned(),
        }),
        Reference::File(file) => match std::fs::read_to_string(folder.join(file)) {
            Ok(text) => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
            Err(error) => Err(format!("cannot be read: {}", reason(&error))),
        },
    };
    let mut config = Config::parse(&text, path, &outside)?;
    if let Some(tls) = &mut config.cluster.tls {
        for file in [&mut tls.ca, &mut tls.cert, &mut tls.key].into_iter().flatten() {
            let written = std::mem::replace(file, folder.join(&*file));
            if let Err(error) = std::fs::File::open(&*file) {
                let message = format!("`tls` names {}, which cannot be read: {}", file.display(), reason(&error));
                // The name stands between its quotes, or is spelled with escapes, and then the file as a whole is meant.
                let quotes = ['"', '\''].map(|quote| text.find(&format!("{quote}{}{quote}", written.display())));
                let place = quotes.into_iter().flatten().min().map(|offset| place(&text, offset));
                return Err(ConfigError { path: Some(path.to_owned()), problems: vec![Problem { place, message }] });
            }
        }
    }
    Ok(config)
}

/// The file that is used when none was named: in the working directory, else the user's own. With a cluster's name its
/// own file comes first: `prod.toml` beside the user's `config.toml`.
pub fn find(cluster: Option<&str>) -> Option<PathBuf> {
    let folder = folder();
    let named = cluster.filter(|name| !name.contains(['/', '\\'])).zip(folder.as_ref());
    let named = named.map(|(name, folder)| folder.join(format!("{name}.toml")));
    let user = folder.map(|folder| folder.join("config.toml"));
    [named, Some(PathBuf::from(HERE)), user].into_iter().flatten().find(|path| path.is_file())
}

/// `~/.config/rgc-tui`, or where `XDG_CONFIG_HOME` says.
pub fn folder() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("rgc-tui"))
}

/// The system's words without its error number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
