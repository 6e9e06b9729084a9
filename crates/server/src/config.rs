//! The settings: read once at the start, from four layers of which the strongest wins: flag,
//! environment, file, and `config.default.toml`, which is compiled in and is the manual.
//!
//! Nothing here reads the real environment or the disk: [`Sources`] brings both, so that a test is
//! a value. Everything that is wrong is reported at once, with the place where it was written.

mod check;
mod gateway;
mod layer;
mod read;
mod sections;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use gateway::{Enough, Policy, RouteRule, Upstream};
pub use layer::Origin;
pub use read::{Hidden, Size};
pub use sections::*;

use layer::Layers;

/// The settings that hold when nobody says otherwise, with the reasons: the manual.
pub const DEFAULTS: &str = include_str!("../../../config.default.toml");

/// How environment variables of settings begin; the section and the name follow, with `__` between.
pub const ENVIRONMENT_PREFIX: &str = "LATCHKEY_";

/// Reads a file as text.
pub type ReadFile = dyn Fn(&Path) -> io::Result<String>;

/// Where settings come from, apart from the defaults.
#[derive(Default)]
pub struct Sources<'a> {
    /// The path of the TOML file, for messages, and its text.
    pub file: Option<(PathBuf, String)>,
    /// The environment. Names that do not look like settings are somebody else's.
    pub environment: BTreeMap<String, String>,
    /// Flags by the dotted name of their setting, as `server.listen`.
    pub flags: BTreeMap<String, String>,
    /// Reads the files that `…_file` settings name; by default none can be read.
    pub read_file: Option<&'a ReadFile>,
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where it was written.
    pub origin: Origin,
    /// The dotted name of the setting, or nothing when the file itself cannot be read.
    pub setting: String,
    /// What is wrong with it.
    pub message: String,
    /// The setting that was probably meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.setting.is_empty() {
            write!(f, "{}: ", self.setting)?;
        }
        f.write_str(&self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with the settings; one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Flaws(pub Vec<Flaw>);

impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, flaw) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{flaw}")?;
        }
        Ok(())
    }
}

/// The settings, and where each came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The typed settings.
    pub config: Config,
    shown: Vec<Shown>,
}

/// One setting as `config show` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The dotted name.
    pub setting: String,
    /// The value as TOML, `"***"` for a secret that is set.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl Loaded {
    /// Every setting in order of name, secrets masked.
    pub fn show(&self) -> &[Shown] {
        &self.shown
    }
}

impl Config {
    /// Reads the settings from all their sources.
    ///
    /// # Errors
    /// Every flaw at once: settings that do not exist, values that do not fit, files that cannot
    /// be read, and settings that contradict one another.
    pub fn load(sources: &Sources<'_>) -> Result<Loaded, Flaws> {
        let mut layers = Layers::collect(sources);
        let config = Config::read(&mut layers);
        let config = config.map(|config| config.completed(&sources.environment));
        if let Some(config) = &config {
            check::check(config, &mut layers);
        }
        match config {
            Some(config) if layers.flaws.is_empty() => Ok(Loaded {
                config,
                shown: layers.show(),
            }),
            _ => {
                layers
                    .flaws
                    .sort_by(|a, b| (&a.origin, &a.setting).cmp(&(&b.origin, &b.setting)));
                Err(Flaws(layers.flaws))
            }
        }
    }

    /// Fills in what a default cannot know: the places that the environment of the process names.
    fn completed(mut self, environment: &BTreeMap<String, String>) -> Self {
        if self.data.directory.as_os_str().is_empty() {
            let named = |name: &str| {
                environment
                    .get(name)
                    .filter(|text| !text.is_empty())
                    .map(PathBuf::from)
            };
            self.data.directory = named("STATE_DIRECTORY")
                .or_else(|| named("XDG_STATE_HOME").map(|home| home.join("latchkey")))
                .or_else(|| named("HOME").map(|home| home.join(".local/state/latchkey")))
                .unwrap_or_else(|| PathBuf::from("latchkey-data"));
        }
        if self.master_key.file.as_os_str().is_empty() {
            self.master_key.file = self.data.directory.join("master.key");
        } else if let (Ok(rest), Some(directory)) = (
            self.master_key
                .file
                .strip_prefix("${CREDENTIALS_DIRECTORY}"),
            environment.get("CREDENTIALS_DIRECTORY"),
        ) {
            self.master_key.file = Path::new(directory).join(rest);
        }
        self
    }
}

#[cfg(test)]
mod tests;
