//! The server itself: `/api/v1/server`, for its operator.

use authority::operate::ServerState;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::json;
use super::refusal::problem;
use super::request::{Brief, By, Id, Nothing};
use super::{Api, Served};
use crate::problem::Problem;

pub(super) fn serve(served: Served) -> Served {
    served
        .at(__path_read, read)
        .at(__path_rotate_keyring, rotate_keyring)
        .at(__path_run_job, run_job)
}

/// How the replica that answers stands.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerState)]
struct StateView {
    /// The program's version.
    version: &'static str,
    /// The number of the last change that it has applied.
    revision: i64,
    /// Whether it may answer.
    fresh: bool,
    /// How old its knowledge is.
    freshness_age_ms: i64,
    /// How many times the store was read for a key that was not at hand.
    keyring_loads: u64,
    /// How many verdicts of each code were given since it started.
    verdicts: Vec<VerdictCount>,
}

/// How many verdicts of a code were given.
#[derive(Serialize, ToSchema)]
struct VerdictCount {
    /// The code.
    code: &'static str,
    /// How many.
    count: u64,
}

impl StateView {
    fn of(state: &ServerState, version: &'static str) -> Self {
        let count = |(code, count): &(&'static str, u64)| VerdictCount {
            code,
            count: *count,
        };
        Self {
            version,
            revision: state.revision,
            fresh: state.fresh,
            freshness_age_ms: state.freshness_age.millis(),
            keyring_loads: state.keyring_loads,
            verdicts: state.verdicts.iter().map(count).collect(),
        }
    }
}

/// Tells how the replica that answers stands.
#[utoipa::path(get, path = "/api/v1/server", tag = "server", operation_id = "readServer",
    responses((status = 200, description = "How it stands.", body = StateView)))]
async fn read(State(api): State<Api>, By(caller): By) -> Result<Response, Problem> {
    let state = api.authority.server_state(&caller).await.map_err(problem)?;
    json(StatusCode::OK, &StateView::of(&state, api.version))
}

/// A key of the keyring.
#[derive(Serialize, ToSchema)]
struct KeyringVersion {
    /// The version of the key that seals rows from now on.
    version: u8,
}

/// Takes a new version of the key that seals rows into use. Rows are sealed again in the background; no issued
/// credential changes.
#[utoipa::path(post, path = "/api/v1/server/keyring/rotate", tag = "server", operation_id = "rotateKeyring",
    request_body(content = Option<Nothing>),
    responses((status = 200, description = "The new version.", body = KeyringVersion)))]
async fn rotate_keyring(
    State(api): State<Api>,
    By(caller): By,
    _: Brief<Nothing>,
) -> Result<Response, Problem> {
    let version = api
        .authority
        .rotate_keyring_by(&caller)
        .await
        .map_err(problem)?;
    json(StatusCode::OK, &KeyringVersion { version })
}

/// A job that was run.
#[derive(Serialize, ToSchema)]
struct JobDone {
    /// Its name.
    name: &'static str,
}

/// Runs a job once, now.
#[utoipa::path(post, path = "/api/v1/server/jobs/{name}/run", tag = "server", operation_id = "runJob",
    request_body(content = Option<Nothing>),
    params(("name" = String, Path, description = "The job: poll, usage, checkpoint, notices, compare, purge, signing_keys or rekey.")),
    responses((status = 200, description = "It was run.", body = JobDone)))]
async fn run_job(
    State(api): State<Api>,
    By(caller): By,
    Id(name): Id<String>,
    _: Brief<Nothing>,
) -> Result<Response, Problem> {
    let job = api
        .authority
        .run_job_by(&caller, &name)
        .await
        .map_err(problem)?;
    json(StatusCode::OK, &JobDone { name: job.as_str() })
}
