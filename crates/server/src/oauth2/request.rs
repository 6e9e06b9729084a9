//! What arrives at an OAuth endpoint: a form in the body, nothing in the URL.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use http::HeaderMap;
use http::StatusCode;

use super::answer::Refused;
use crate::edge::Arrival;
use crate::edge::body::{self, BodyFault};
use crate::edge::form::Form;

/// A request that was read.
pub(super) struct Asked {
    pub(super) form: Form,
    pub(super) headers: HeaderMap,
    pub(super) from: Option<IpAddr>,
    pub(super) request_id: String,
}

impl Asked {
    /// Reads the form. Parameters in the URL are refused: they are logged on their way, and one that stands there and
    /// in the body could be read in two ways.
    pub(super) async fn read(request: Request) -> Result<Self, Refused> {
        let (head, payload) = request.into_parts();
        let arrival = head
            .extensions
            .get::<Arc<Arrival>>()
            .cloned()
            .ok_or_else(|| {
                Refused::new("server_error", "Something went wrong here.")
                    .status(StatusCode::INTERNAL_SERVER_ERROR)
            })?;
        if head.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(Refused::new(
                "invalid_request",
                "Parameters belong into the body, not into the URL.",
            ));
        }
        body::refuse_encoding(&head.headers).map_err(|problem| {
            Refused::new("invalid_request", "The body is compressed.").status(problem.status())
        })?;
        if !body::is_media_type(&head.headers, "application/x-www-form-urlencoded") {
            return Err(Refused::new(
                "invalid_request",
                "Send a body of type application/x-www-form-urlencoded.",
            ));
        }
        let reading = arrival.reading;
        let bytes = body::read(payload, reading.body, reading.time)
            .await
            .map_err(unread)?;
        let form = Form::parse(&bytes)
            .map_err(|error| Refused::new("invalid_request", error.to_string()))?;
        Ok(Self {
            form,
            headers: head.headers,
            from: arrival.client,
            request_id: arrival.request_id.clone(),
        })
    }
}

fn unread(fault: BodyFault) -> Refused {
    Refused::new("invalid_request", fault.to_string()).status(fault.problem().status())
}
