//! The console's own style sheet and script, compiled in, and named by what is in them so that browsers may keep them.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use credential::secret::Digest;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::{Console, ROOT};

/// What a page may do: load from here, send forms to here, and nothing else.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
trusted-types 'none'";

/// Characters of the digest that name a file.
const NAMED_BY: usize = 16;

/// A file that pages load.
struct Asset {
    path: String,
    kind: &'static str,
    text: &'static str,
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::of(
        "css",
        "text/css; charset=utf-8",
        include_str!("assets/console.css"),
    )
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::of(
        "js",
        "text/javascript; charset=utf-8",
        include_str!("assets/console.js"),
    )
});

impl Asset {
    fn of(end: &str, kind: &'static str, text: &'static str) -> Self {
        let digest = Digest::of(text);
        let name: String = digest
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = format!("{ROOT}/assets/{}.{end}", &name[..NAMED_BY]);
        Self { path, kind, text }
    }
}

/// Where the style sheet is.
pub(super) fn style() -> &'static str {
    &STYLE.path
}

/// Where the script is.
pub(super) fn script() -> &'static str {
    &SCRIPT.path
}

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/console/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Response {
    let path = format!("{ROOT}/assets/{name}");
    let Some(asset) = [&STYLE, &SCRIPT]
        .into_iter()
        .find(|asset| asset.path == path)
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = Response::new(Body::from(asset.text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    response
}
