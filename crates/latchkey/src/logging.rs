//! The log: one line per event, on standard error.

use std::io::IsTerminal;

use server::config::{Log, LogFormat};
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::exit::Reason;

/// The crates whose events may be logged in every detail. Others write down what they read and send, credentials
/// included, when they are asked for details; of those, `info` and above.
const OURS: [&str; 5] = ["latchkey", "server", "authority", "store", "credential"];

/// Starts the log as the settings say.
///
/// # Errors
/// When the level is none.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let level = filter(log)?;
    let harmless = filter_fn(|event| *event.level() <= Level::INFO || is_ours(event.target()));
    let layer = match log.format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(std::io::stderr)
            .boxed(),
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            fmt::layer()
                .with_target(false)
                .with_ansi(colour)
                .with_writer(std::io::stderr)
                .boxed()
        }
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(level.and(harmless)))
        .try_init()?;
    tell_panics_by_place();
    Ok(())
}

/// What is logged. A lone word that is no level would be taken for the name of a part, and nothing else be logged.
pub(crate) fn filter(log: &Log) -> anyhow::Result<EnvFilter> {
    let no_level = || {
        Reason::Usage.because(format!(
            "log.level: {:?} is no level; expected error, warn, info, debug, trace, or as in info,authority=debug",
            log.level
        ))
    };
    let is_level = |word: &str| word.trim().parse::<LevelFilter>().is_ok();
    let lone = |part: &&str| !part.contains('=') && !is_level(part);
    match log.level.parse() {
        Ok(filter) if log.level.split(',').find(lone).is_none() => Ok(filter),
        _ => Err(no_level()),
    }
}

/// A panic is told by its place only: its words may hold what a client sent.
fn tell_panics_by_place() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(
            place,
            "the program panicked: this is a defect, please report its place"
        );
    }));
}

fn is_ours(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or_default();
    OURS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_crates_may_go_into_details() {
        assert!(is_ours("authority::follow") && is_ours("latchkey"));
        assert!(
            !is_ours("h2::codec") && !is_ours("tokio_postgres") && !is_ours("server_of_another")
        );
    }
}
