//! Settings for the commands that need them: the sources are gathered here, the rules are `server`'s.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use server::config::{Config, Loaded, Sources};

use crate::exit::Reason;

/// Where settings come from, and those that have a flag.
#[derive(Args, Default)]
pub(crate) struct Settings {
    /// The TOML file with settings.
    #[arg(long, env = "LATCHKEY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Where the database and the master key live (data.directory).
    #[arg(long, value_name = "DIR")]
    pub(crate) data_directory: Option<String>,
}

impl Settings {
    /// Reads them from flags, environment, file and defaults; `flags` are those of the command itself, by the name
    /// of their setting.
    ///
    /// # Errors
    /// Everything that is wrong with them, one line each.
    pub(crate) fn load(&self, flags: &[(&str, Option<&String>)]) -> anyhow::Result<Loaded> {
        let file = match &self.config {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()));
                Some((
                    path.clone(),
                    text.map_err(|error| Reason::Usage.because(format!("{error:#}")))?,
                ))
            }
        };
        let own = [("data.directory", self.data_directory.as_ref())];
        let flags = own
            .iter()
            .chain(flags)
            .filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.clone())));
        let read_file = |path: &std::path::Path| std::fs::read_to_string(path);
        let sources = Sources {
            file,
            environment: environment(),
            flags: flags.collect(),
            read_file: Some(&read_file),
        };
        Config::load(&sources)
            .map_err(|flaws| Reason::Usage.because(format!("the settings are wrong:\n{flaws}")))
    }
}

/// The environment, as far as it is text.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
