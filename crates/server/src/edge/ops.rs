//! What operators and orchestrators ask: is the process alive, can it answer, and what has it counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use authority::Authority;
use axum::extract::Extension;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, body::Body};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use ipnet::IpNet;
use serde_json::json;
use tokio::time::timeout;

use super::telemetry::Metrics;
use super::{Arrival, body, client};
use crate::problem::Kind;

/// How long the store may take to answer a reading before it counts as silent: far longer than it takes, and shorter
/// than any prober waits.
const STORE_PATIENCE: Duration = Duration::from_millis(800);

/// `/livez`, which says that the process answers and nothing else, and `/metrics`, which is there
/// only for clients in `metrics_from`.
pub fn routes(metrics: Arc<Metrics>, metrics_from: Vec<IpNet>) -> Router {
    let show = move |Extension(arrival): Extension<Arc<Arrival>>| {
        let known = arrival
            .client
            .is_some_and(|client| client::is_trusted(client, &metrics_from));
        let answer: Response = if known {
            page(&metrics)
        } else {
            Kind::NotFound.into_response()
        };
        async { answer }
    };
    Router::new()
        .route(
            "/livez",
            get(|| async { body::text(StatusCode::OK, "ok\n") }),
        )
        .route("/metrics", get(show))
}

fn page(metrics: &Metrics) -> Response {
    let mut response = Response::new(Body::from(metrics.text()));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    );
    response
}

/// Whether this process should be sent requests.
#[derive(Clone)]
pub struct Readiness {
    authority: Authority,
    draining: Arc<AtomicBool>,
}

impl Readiness {
    /// Ready as soon as the authority is.
    pub fn new(authority: Authority) -> Self {
        Self {
            authority,
            draining: Arc::default(),
        }
    }

    /// From now on it is not ready: load balancers look away before it stops.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Why it is not ready; empty when it is.
    pub async fn reasons(&self) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        if self.draining.load(Ordering::Acquire) {
            reasons.push("it is stopping");
        }
        if !self.authority.is_fresh() {
            reasons.push("it has not heard from the store for longer than freshness.max_staleness");
        }
        if !self.authority.catalogs_agree() {
            reasons.push("another version of its catalogs is in force");
        }
        let keys = self.authority.jwks();
        if keys["keys"].as_array().is_none_or(Vec::is_empty) {
            reasons.push("there is no signing key");
        }
        let asked = self.authority.store_answers();
        if !timeout(STORE_PATIENCE, asked).await.unwrap_or(false) {
            reasons.push("the store does not answer");
        }
        reasons
    }

    /// `/readyz`: 200, or 503 with the reasons.
    pub fn routes(self) -> Router {
        Router::new().route(
            "/readyz",
            get(move || async move { told(&self.reasons().await) }),
        )
    }
}

fn told(reasons: &[&'static str]) -> Response {
    let ready = reasons.is_empty();
    let text = if ready {
        json!({"ready": true})
    } else {
        json!({"ready": false, "reasons": reasons})
    };
    let mut response = Response::new(Body::from(text.to_string()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
