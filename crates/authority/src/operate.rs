//! Operating the whole server: for callers of the operator's organization with the scope for it.

use credential::time::Span;

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
