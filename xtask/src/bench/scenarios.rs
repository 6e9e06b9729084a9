//! What is measured.

use anyhow::{Context, Result};
use serde_json::json;

use super::Plan;
use super::load::{Bodies, CONNECTIONS, Load};
use crate::demo::Demo;
use crate::native::{Native, Shown};

/// A thing that clients do all day.
#[derive(Clone, Copy)]
pub(crate) enum Scenario {
    /// `POST /api/v1/verify`, always the same key, which has a limit.
    VerifyOne,
    /// The same, each time another of very many keys, without one.
    VerifyMany,
    /// Client credentials for an access token.
    Token,
    /// A refresh token for the next pair.
    Refresh,
}

/// All of them.
pub(crate) const ALL: [Scenario; 4] = [
    Scenario::VerifyOne,
    Scenario::VerifyMany,
    Scenario::Token,
    Scenario::Refresh,
];

impl Scenario {
    /// Its name in the table.
    pub(crate) fn name(self, plan: &Plan) -> String {
        match self {
            Self::VerifyOne => "verify, 1 key with a limit".into(),
            Self::VerifyMany => format!("verify, {} keys", plan.keys),
            Self::Token => "token, client credentials".into(),
            Self::Refresh => "token, refresh".into(),
        }
    }

    /// Makes what the scenario needs on the demo.
    pub(crate) fn prepare(self, demo: &Demo, plan: &Plan) -> Result<Load> {
        let mut native = Native::new(demo.fact("base_url")?, demo.fact("native/admin_key")?)?;
        match self {
            Self::VerifyOne => {
                let mut native = native.limited();
                verify(demo, &[native.create("static", "bench")?.credential])
            }
            Self::VerifyMany => {
                let made = native.create_many("static", plan.keys)?;
                let keys: Vec<String> = made.into_iter().map(|shown| shown.credential).collect();
                // Each is read from the store once, at its first use; that is not what is measured.
                let texts: Vec<&str> = keys.iter().map(String::as_str).collect();
                native.verify(&texts)?;
                verify(demo, &keys)
            }
            Self::Token => {
                let client = native.create("client", "bench")?;
                let body = format!(
                    "grant_type=client_credentials&client_id={}&client_secret={}",
                    client.id, client.credential
                );
                Ok(token(Bodies::AnyOf(vec![body])))
            }
            Self::Refresh => {
                let per_turn = CONNECTIONS * 2;
                // One turn more, for the answer that is recorded.
                let pairs = native.create_many("token_pair", per_turn * (plan.rounds + 1))?;
                let tokens = pairs
                    .into_iter()
                    .map(|Shown { refresh, .. }| refresh.context("no refresh token"))
                    .collect::<Result<Vec<_>>>()?;
                Ok(token(Bodies::Chain {
                    member: "refresh_token",
                    before: "grant_type=refresh_token&refresh_token=".into(),
                    after: String::new(),
                    starts: tokens.chunks(per_turn).map(<[String]>::to_vec).collect(),
                }))
            }
        }
    }
}

fn verify(demo: &Demo, keys: &[String]) -> Result<Load> {
    let scope = "sample.orders:read";
    let bodies = keys
        .iter()
        .map(|key| json!({"credential": key, "scopes": [scope]}).to_string())
        .collect();
    Ok(Load {
        method: "POST",
        path: "/api/v1/verify".into(),
        headers: vec![
            (
                "authorization".into(),
                format!("Bearer {}", demo.fact("native/verify_key")?),
            ),
            ("content-type".into(), "application/json".into()),
        ],
        bodies: Bodies::AnyOf(bodies),
    })
}

fn token(bodies: Bodies) -> Load {
    let headers = vec![(
        "content-type".into(),
        "application/x-www-form-urlencoded".into(),
    )];
    Load {
        method: "POST",
        path: "/oauth2/token".into(),
        headers,
        bodies,
    }
}
