//! The only places where the world gets in: the clock and the source of randomness.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use credential::time::{Instant, Span};

/// Reads time. Held in tests by whoever made it.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Held(Arc<AtomicI64>),
}

/// A point on a clock that only goes forward and counts the time a machine was suspended (`CLOCK_BOOTTIME`), in
/// milliseconds since some fixed moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub i64);

impl Tick {
    /// How long after `earlier` this is.
    pub fn since(self, earlier: Tick) -> Span {
        Span::from_millis(self.0 - earlier.0)
    }
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands where the number (milliseconds since 1970) stands.
    pub fn held(millis: Arc<AtomicI64>) -> Self {
        Self(Source::Held(millis))
    }

    /// Whether somebody holds it: then no other clock is asked either.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self.0, Source::Held(_))
    }

    /// The wall clock: milliseconds since 1970, as far as this machine knows.
    pub fn wall(&self) -> Instant {
        match &self.0 {
            Source::System => {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
                Instant::from_millis(now.tv_sec * 1000 + now.tv_nsec / 1_000_000)
            }
            Source::Held(millis) => Instant::from_millis(millis.load(Ordering::SeqCst)),
        }
    }

    /// The clock that only goes forward.
    pub fn tick(&self) -> Tick {
        match &self.0 {
            Source::System => {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                Tick(now.tv_sec * 1000 + now.tv_nsec / 1_000_000)
            }
            Source::Held(millis) => Tick(millis.load(Ordering::SeqCst)),
        }
    }
}

/// Gives random bytes.
#[derive(Clone)]
pub struct Entropy(Stream);

#[derive(Clone)]
enum Stream {
    System,
    Seeded(Arc<(u64, AtomicU64)>),
}

/// The operating system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoEntropy;

impl Entropy {
    /// The operating system's randomness.
    pub fn system() -> Self {
        Self(Stream::System)
    }

    /// Bytes that only look random, the same again for the same seed: for tests.
    pub fn seeded(seed: u64) -> Self {
        Self(Stream::Seeded(Arc::new((seed, AtomicU64::new(0)))))
    }

    /// `N` random bytes.
    pub fn draw<const N: usize>(&self) -> Result<[u8; N], NoEntropy> {
        let mut bytes = [0; N];
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the port")]
            Stream::System => aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoEntropy)?,
            Stream::Seeded(state) => {
                for chunk in bytes.chunks_mut(32) {
                    let mut block = [0; 16];
                    block[..8].copy_from_slice(&state.0.to_be_bytes());
                    block[8..]
                        .copy_from_slice(&state.1.fetch_add(1, Ordering::Relaxed).to_be_bytes());
                    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &block);
                    chunk.copy_from_slice(&digest.as_ref()[..chunk.len()]);
                }
            }
        }
        Ok(bytes)
    }
}
