//! The wish to stop, as the system tells it.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The two signals that ask a process to end: from a supervisor, and from a terminal.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// From here on the signals are ours, so that none between start and readiness is lost.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them.
    pub(crate) async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// The next one ends the process at once: whoever asks twice means it.
    pub(crate) fn the_next_ends_it(mut self) {
        tokio::spawn(async move {
            self.asked().await;
            std::process::exit(1);
        });
    }
}
