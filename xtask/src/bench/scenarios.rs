//! What is measured.

use anyhow::Result;
use serde_json::json;

use super::Plan;
use super::load::{Bodies, Load};
use crate::demo::Demo;

/// A thing that clients do all day.
pub(crate) enum Scenario {
    /// `POST /api/v1/verify`, always the same key.
    VerifyOne,
}

/// All of them.
pub(crate) fn all(_plan: &Plan) -> Vec<Scenario> {
    vec![Scenario::VerifyOne]
}

impl Scenario {
    /// Its name in the table.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::VerifyOne => "verify, 1 key",
        }
    }

    /// Makes what the scenario needs on the demo.
    pub(crate) fn prepare(&self, demo: &Demo, _plan: &Plan) -> Result<Load> {
        match self {
            Self::VerifyOne => {
                let scope = demo.fact("native/sample_scope")?;
                let body =
                    json!({"credential": demo.fact("native/sample_key")?, "scopes": [scope]});
                Ok(verify(demo, vec![body.to_string()])?)
            }
        }
    }
}

fn verify(demo: &Demo, bodies: Vec<String>) -> Result<Load> {
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
