//! The question that everything is for: `/api/v1/verify`.
//!
//! Here every microsecond counts: questions borrow from the body that they came in, and answers are written by hand into
//! the one buffer that leaves.

mod question;
mod shape;

use std::fmt::{self, Write as _};

use authority::verify::{Answer, Presented, Question, Valid};
use authority::{Asker, Failure};
use axum::extract::{Request, State};
use axum::response::Response;
use credential::key::Denial;
use http::StatusCode;

use super::answer::raw;
use super::refusal::problem;
use super::request::{arrival, asker, bytes};
use super::wire::Time;
use super::{Api, Served};
use crate::edge::body;
use crate::problem::Problem;
use question::{Asked, AskedTogether, Credential};
use shape::{AskedShape, TogetherShape, VerdictShape, VerdictsShape};

pub(super) fn serve(served: Served) -> Served {
    served.at(__path_verify, verify).at(__path_batch, batch)
}

/// Says whether a credential is good for what it is presented for.
#[utoipa::path(post, path = "/api/v1/verify", tag = "verify", operation_id = "verify", request_body = AskedShape,
    responses((status = 200, description = "The verdict, good or bad.", body = VerdictShape)))]
async fn verify(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let asker = asker(&api, &parts).await?;
    let bytes = bytes(&parts, body, false, |reading| reading.body).await?;
    let asked: Asked<'_> = body::parse(&bytes, arrival(&parts)?.reading.depth)?;
    let answer = api.ask(&asker, &asked).await.map_err(problem)?;
    let mut text = String::with_capacity(512);
    write(&mut text, &answer);
    Ok(raw(StatusCode::OK, text))
}

/// Answers up to 1000 questions, each by itself.
#[utoipa::path(post, path = "/api/v1/verify/batch", tag = "verify", operation_id = "verifyBatch", request_body = TogetherShape,
    responses((status = 200, description = "The verdicts, in the order of the questions.", body = VerdictsShape)))]
async fn batch(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let asker = asker(&api, &parts).await?;
    let bytes = bytes(&parts, body, false, |reading| reading.admin_body).await?;
    let asked: AskedTogether<'_> = body::parse(&bytes, arrival(&parts)?.reading.depth)?;
    let mut text = String::with_capacity(16 + 384 * asked.items.len());
    text.push_str("{\"items\":[");
    for (place, asked) in asked.items.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        write(&mut text, &api.ask(&asker, asked).await.map_err(problem)?);
    }
    text.push_str("]}");
    Ok(raw(StatusCode::OK, text))
}

impl Api {
    async fn ask(&self, asker: &Asker, asked: &Asked<'_>) -> Result<Answer, Failure> {
        let question = Question {
            product: None,
            credential: match &asked.credential {
                Credential::Text(text) => Presented::Bearer(text),
                Credential::Proof(proof) => Presented::Signed(proof.signature()),
            },
            scopes: &asked.scopes,
            resource: asked.resource.as_deref(),
            somewhere: false,
            from: asked.ip,
            cost: asked.cost.unwrap_or(1),
            consume: asked.consume.unwrap_or(true),
            route: "",
            call: None,
            asker: Some(asker),
        };
        self.authority
            .verify_since(&question, asked.min_revision.unwrap_or(0))
            .await
    }
}

/// Writes a verdict. What came from outside goes through the escaping of JSON; numbers and our own words need none.
fn write(text: &mut String, answer: &Answer) {
    let revision = answer.revision;
    // Writing to a String cannot fail.
    let _ = match &answer.verdict {
        Ok(valid) => write_valid(text, valid, revision),
        // The same bytes for all that is unknown, at any time: not even the number of changes is told.
        Err(Denial::Unknown) => {
            text.push_str("{\"valid\":false,\"code\":\"NOT_FOUND\"}");
            Ok(())
        }
        Err(denial) => write_denied(text, denial, revision),
    };
}

fn write_denied(text: &mut String, denial: &Denial, revision: i64) -> fmt::Result {
    write!(text, "{{\"valid\":false,\"code\":\"{}\"", denial.code())?;
    match denial {
        Denial::Scope(scope) => {
            text.push_str(",\"scope\":");
            quote(text, scope.as_str())?;
        }
        Denial::Limited { retry_after_ms } => write!(text, ",\"retry_after_ms\":{retry_after_ms}")?,
        _ => {}
    }
    write!(text, ",\"revision\":{revision}}}")
}

fn write_valid(text: &mut String, valid: &Valid, revision: i64) -> fmt::Result {
    let key = &valid.live.key;
    write!(
        text,
        "{{\"valid\":true,\"code\":\"VALID\",\"key_id\":\"{}\",\"organization_id\":\"{}\",\"kind\":\"{}\"",
        key.id,
        valid.organization(),
        key.kind.as_str()
    )?;
    text.push_str(",\"roles\":");
    list(text, valid.live.roles.iter(), |text, role| {
        quote(text, role)
    })?;
    text.push_str(",\"scopes\":");
    list(text, valid.scopes().into_iter(), |text, scope| {
        quote(text, scope.as_str())
    })?;
    match valid.expires_at {
        Some(at) => write!(text, ",\"expires_at\":\"{}\"", Time(at))?,
        None => text.push_str(",\"expires_at\":null"),
    }
    text.push_str(",\"limits\":");
    list(text, valid.limits.iter(), |text, limit| {
        text.push_str("{\"name\":");
        quote(text, &limit.name)?;
        write!(
            text,
            ",\"quota\":{},\"remaining\":{},\"window_seconds\":{},\"reset_ms\":{}}}",
            limit.quota,
            limit.remaining,
            limit.window.seconds(),
            limit.reset.millis()
        )
    })?;
    write!(text, ",\"revision\":{revision}}}")
}

fn list<T>(
    text: &mut String,
    things: impl Iterator<Item = T>,
    write: impl Fn(&mut String, T) -> fmt::Result,
) -> fmt::Result {
    text.push('[');
    for (place, thing) in things.enumerate() {
        if place > 0 {
            text.push(',');
        }
        write(text, thing)?;
    }
    text.push(']');
    Ok(())
}

/// A text as JSON. Names of roles and scopes are plain ASCII almost always; the rest takes the longer way.
fn quote(text: &mut String, value: &str) -> fmt::Result {
    if value
        .bytes()
        .all(|byte| (byte.is_ascii_graphic() || byte == b' ') && byte != b'"' && byte != b'\\')
    {
        text.push('"');
        text.push_str(value);
        text.push('"');
        return Ok(());
    }
    text.push_str(&serde_json::to_string(value).map_err(|_| fmt::Error)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_written_as_json() {
        for text in ["plain scope:read", "a\"b", "a\\b", "ü\n", ""] {
            let mut written = String::new();
            quote(&mut written, text).unwrap();
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
