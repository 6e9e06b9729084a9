//! Operating the whole server: for callers of the operator's organization with the scope for it.

use credential::time::{Instant, Span};
pub use store::db::Engine;
pub use store::feed::Replica;
use store::signing::SigningKey;
use store::{Fault, Found};

use crate::act::MAX_PAGE;
use crate::caller::{Caller, Need};
use crate::failure::{Failure, Refusal};
use crate::jobs::Job;
use crate::organizations::is_operator;
use crate::{Authority, VERDICT_CODES};

const READ: &str = "latchkey.server:read";
const OPERATE: &str = "latchkey.server:operate";

/// How this replica stands.
#[derive(Debug, Clone)]
pub struct ServerState {
    /// The number of the last change that it has applied.
    pub revision: i64,
    /// Whether it may answer.
    pub fresh: bool,
    /// How old its knowledge is.
    pub freshness_age: Span,
    /// How many times the store was read for a key that was not at hand.
    pub keyring_loads: u64,
    /// How many verdicts of each code were given since it started.
    pub verdicts: [(&'static str, u64); VERDICT_CODES.len()],
}

/// What the server is made of.
#[derive(Debug, Clone)]
pub struct ServerParts {
    /// What the store is on: the engine, and its version as it says it.
    pub engine: (Engine, String),
    /// Every registered replica.
    pub replicas: Vec<Replica>,
    /// Every signing key, by its name.
    pub signing_keys: Vec<SigningKeyState>,
    /// How many signing keys were changed outside the server: they sign nothing and are not among the others.
    pub tampered_signing_keys: usize,
}

/// A signing key without its private half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyState {
    /// Its name, as `kid` in tokens.
    pub kid: String,
    /// How it signs, as JWS calls it.
    pub algorithm: String,
    /// How it stands.
    pub stage: Stage,
    /// When it was made.
    pub created_at: Instant,
}

/// How a signing key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is published, and signs nothing yet.
    Published,
    /// It signs.
    Active,
    /// It signs no more; what it signed is good until it expires.
    Retired,
    /// Nothing it signed is good.
    Revoked,
}

impl Authority {
    /// How this replica stands, for those who operate it.
    pub async fn server_state(&self, caller: &Caller) -> Result<ServerState, Failure> {
        self.permit_operator(caller, READ).await?;
        let counts = self.verdicts();
        Ok(ServerState {
            revision: self.revision(),
            fresh: self.is_fresh(),
            freshness_age: self.freshness_age(),
            keyring_loads: self.keyring_loads(),
            verdicts: std::array::from_fn(|at| (VERDICT_CODES[at], counts[at])),
        })
    }

    /// What the server is made of, for those who operate it.
    pub async fn server_parts(&self, caller: &Caller) -> Result<ServerParts, Failure> {
        self.permit_operator(caller, READ).await?;
        let (replicas, keys) = self
            .store()
            .view(|view| -> Result<_, Fault> {
                Ok((view.replicas()?, view.signing_keys_page(None, MAX_PAGE)?))
            })
            .await?;
        let now = self.now();
        let all = keys.len();
        let signing_keys: Vec<_> = keys
            .into_iter()
            .filter_map(Found::good)
            .map(|key| SigningKeyState {
                stage: stage(&key, now),
                kid: key.kid.clone(),
                algorithm: key.algorithm.clone(),
                created_at: key.created_at,
            })
            .collect();
        let db = self.store().db();
        Ok(ServerParts {
            engine: (db.engine(), db.version().to_owned()),
            replicas,
            tampered_signing_keys: all - signing_keys.len(),
            signing_keys,
        })
    }

    /// A new version of the key that seals rows, in the name of who operates the server.
    pub async fn rotate_keyring_by(&self, caller: &Caller) -> Result<u8, Failure> {
        self.permit_operator(caller, OPERATE).await?;
        self.rotate_keyring_as(caller.actor()).await
    }

    /// Runs the job of that name once, now.
    pub async fn run_job_by(&self, caller: &Caller, name: &str) -> Result<Job, Failure> {
        self.permit_operator(caller, OPERATE).await?;
        let job = Job::ALL
            .into_iter()
            .find(|job| job.as_str() == name)
            .ok_or(Refusal::NotFound("job"))?;
        self.run_job(job).await?;
        Ok(job)
    }

    async fn permit_operator(&self, caller: &Caller, scope: &'static str) -> Result<(), Failure> {
        self.permit(
            caller,
            &Need {
                scope,
                organization: caller.organization,
                product: None,
            },
        )
        .await?;
        if is_operator(&self.world(), caller) {
            return Ok(());
        }
        Err(Refusal::Forbidden {
            scope: scope.to_owned(),
        }
        .into())
    }
}

fn stage(key: &SigningKey, now: Instant) -> Stage {
    let since = |moment: Option<Instant>| moment.is_some_and(|at| at <= now);
    if since(key.revoked_at) {
        Stage::Revoked
    } else if since(key.retired_at) {
        Stage::Retired
    } else if since(key.active_at) {
        Stage::Active
    } else {
        Stage::Published
    }
}
