//! What operators choose. Names and defaults stand in `config.default.toml`.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use credential::id::OrganizationId;
use credential::time::Span;

/// The authority's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `iss` of tokens: the server's public base address, without a slash at its end.
    pub issuer: String,
    /// What people call this process, in the list of replicas: a host name.
    pub replica_name: String,
    /// L: how old a replica's knowledge may be when it says "valid".
    pub max_staleness: Span,
    /// What clocks may run apart within L.
    pub staleness_margin: Span,
    /// Keys kept at hand.
    pub keyring_capacity: usize,
    /// How long a client that lost an answer may ask again with the refresh token before.
    pub refresh_grace: Span,
    /// How long a creation or rotation with an idempotency key can be repeated for the same answer.
    pub repeat_within: Span,
    /// Whether the signature of a request may come again with another one.
    pub replay: Replay,
    /// What hashing a person's password costs.
    pub password_cost: PasswordCost,
    /// Signing keys.
    pub signing: Signing,
    /// Audit checkpoints.
    pub audit: Audit,
    /// What is kept, and for how long.
    pub retention: Retention,
    /// Exceptions from the limits that products set for everybody.
    pub product_limits: ProductLimits,
}

/// Exceptions from the limits that catalogs set. A key's own limits are not among them.
#[derive(Debug, Clone, Default)]
pub struct ProductLimits {
    /// Keys, by their id or by what their dialect calls them, that no limit of their product counts.
    pub exempt: HashSet<String>,
    /// The quota of the windows that the keys of an organization share, by product.
    pub organizations: HashMap<OrganizationId, HashMap<String, u64>>,
}

/// How often the signature of a request is good, where it covers nothing of the request; [`crate::signed`] tells more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// For several different requests that come soon from one address: what clients need that sign once per task.
    Compatible,
    /// Once.
    Strict,
}

/// What hashing a password with Argon2id costs: what a guesser pays for each guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes that are filled side by side.
    pub lanes: u32,
}

impl PasswordCost {
    /// As OWASP's Password Storage Cheat Sheet has it: 19 MiB, two passes, one lane.
    pub const SAFE: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };
    /// The least that Argon2 allows: for tests, which guard nothing.
    pub const FOR_TESTS: Self = Self {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
}

/// How signing keys roll over.
#[derive(Debug, Clone, Copy)]
pub struct Signing {
    /// How long a key signs.
    pub rollover: Span,
    /// How long it is published before it signs.
    pub publish_before: Span,
}

/// When audit checkpoints are signed, and where they go.
#[derive(Debug, Clone)]
pub struct Audit {
    /// At least this often while there are new events.
    pub checkpoint_every: Span,
    /// And after this many events.
    pub checkpoint_events: i64,
    /// The directory that receives each as a file.
    pub checkpoint_directory: Option<PathBuf>,
}

/// How long what is over is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// The time between two rounds of removing.
    pub every: Span,
    /// Rows that one step of it removes: a transaction of some milliseconds.
    pub batch: usize,
    /// Revoked tokens after they expired.
    pub tokens: Span,
    /// Token families after their end.
    pub families: Span,
    /// Copies of answers for idempotency keys; the key itself is remembered as long.
    pub idempotency: Span,
    /// Hourly usage.
    pub usage: Span,
    /// Entries of the change feed.
    pub feed: Span,
    /// Audit events; `None` keeps them for good.
    pub audit: Option<Span>,
    /// Read notices.
    pub notices: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:8080".to_owned(),
            replica_name: "latchkey".to_owned(),
            max_staleness: Span::from_secs(1),
            staleness_margin: Span::from_millis(250),
            keyring_capacity: 1_000_000,
            refresh_grace: Span::from_secs(60),
            repeat_within: Span::from_minutes(10),
            replay: Replay::Compatible,
            password_cost: PasswordCost::SAFE,
            signing: Signing {
                rollover: Span::from_days(90),
                publish_before: Span::from_hours(24),
            },
            audit: Audit {
                checkpoint_every: Span::from_minutes(1),
                checkpoint_events: 1000,
                checkpoint_directory: None,
            },
            retention: Retention {
                every: Span::from_minutes(1),
                batch: 500,
                tokens: Span::from_days(7),
                families: Span::from_days(30),
                idempotency: Span::from_days(1),
                usage: Span::from_days(400),
                feed: Span::from_days(7),
                audit: None,
                notices: Span::from_days(90),
            },
            product_limits: ProductLimits::default(),
        }
    }
}
