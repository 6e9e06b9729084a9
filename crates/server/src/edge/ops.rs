//! What operators and orchestrators ask: is the process alive, and what has it counted.

use std::sync::Arc;

use axum::extract::Extension;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, body::Body};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use ipnet::IpNet;

use super::telemetry::Metrics;
use super::{Arrival, body, client};
use crate::problem::Kind;

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
