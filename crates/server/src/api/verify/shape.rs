//! Questions and verdicts as the description shows them.

use utoipa::ToSchema;

use crate::api::keys::wire::KindShape;
use crate::api::wire::Time;

/// A question about a credential.
#[derive(ToSchema)]
#[schema(as = VerifyRequest, description = "A question about a credential. Only `credential` is needed.")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct AskedShape {
    /// What was presented: a string, or a proof with the request that it covers.
    credential: CredentialShape,
    /// Every scope that the request needs.
    #[schema(max_items = 100)]
    scopes: Option<Vec<ScopeText>>,
    /// The resource that it reaches for, as `kind:id`.
    #[schema(min_length = 1, max_length = 300)]
    resource: Option<String>,
    /// The address that the request came from. Without it, a key with an address list is refused.
    #[schema(example = "192.0.2.7")]
    ip: Option<String>,
    /// What it costs; 1 when absent.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_u64)]
    cost: Option<u64>,
    /// Whether the cost is spent, or only looked at; true when absent.
    consume: Option<bool>,
    /// The answer must know at least this change.
    #[schema(minimum = 0)]
    min_revision: Option<i64>,
}

/// A scope.
#[derive(ToSchema)]
#[schema(as = ScopeText, min_length = 1, max_length = 200, pattern = r##"^[!#-\[\]-~]{1,200}$"##)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct ScopeText(String);

/// What was presented.
#[derive(ToSchema)]
#[schema(as = PresentedCredential)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes")]
pub(super) enum CredentialShape {
    /// A bearer credential as it was presented.
    Text(String),
    /// A proof with the request that it covers.
    Proof(ProofShape),
}

/// A proof with the request that it covers.
#[derive(ToSchema)]
#[schema(as = Proof)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct ProofShape {
    /// How it is proven.
    scheme: SchemeShape,
    /// The method of the request.
    method: Option<String>,
    /// Its URL.
    url: Option<String>,
    /// SHA-256 of its body, in hexadecimal. Where method, URL or this is missing, the signature is good once, whatever
    /// `signed_requests.replay` says.
    #[schema(pattern = "^[0-9A-Fa-f]{64}$")]
    body_sha256: Option<String>,
    /// Its headers: for `cortex`, `x-xdr-auth-id`, `x-xdr-nonce`, `x-xdr-timestamp` and `authorization`.
    headers: std::collections::BTreeMap<String, String>,
}

/// How a proof is made.
#[derive(ToSchema)]
#[schema(as = ProofScheme)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "it only describes")]
pub(super) enum SchemeShape {
    /// `hex(SHA-256(secret nonce timestamp))`, one after the other.
    Cortex,
}

/// Many questions.
#[derive(ToSchema)]
#[schema(as = VerifyBatchRequest)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct TogetherShape {
    /// The questions.
    #[schema(max_items = 1000)]
    items: Vec<AskedShape>,
}

/// The answer to a question.
#[derive(ToSchema)]
#[schema(as = Verdict)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct VerdictShape {
    /// Whether the credential is good for what was asked.
    valid: bool,
    /// `VALID`, or why not.
    code: CodeShape,
    /// The key; only with `VALID`, like everything that is told of it.
    #[schema(format = "uuid")]
    key_id: Option<String>,
    /// Whose it is.
    #[schema(format = "uuid")]
    organization_id: Option<String>,
    /// How the key is proven.
    kind: Option<KindShape>,
    /// The names of its roles.
    roles: Option<Vec<String>>,
    /// What the presented credential may.
    scopes: Option<Vec<String>>,
    /// It is good before this moment; `null` is for good.
    expires_at: Option<Time>,
    /// How its limits stand.
    limits: Option<Vec<LimitShape>>,
    /// The scope that is missing; with `INSUFFICIENT_SCOPE`.
    scope: Option<String>,
    /// After how many milliseconds the same may be admitted; with `RATE_LIMITED`.
    retry_after_ms: Option<i64>,
    /// The number of the last change that the answer takes into account. `NOT_FOUND` says nothing beside its code.
    revision: Option<i64>,
}

/// The codes of verdicts.
#[derive(ToSchema)]
#[schema(as = VerdictCode)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "it only describes")]
pub(super) enum CodeShape {
    /// It is good.
    Valid,
    /// Not a credential known here, or not for this asker: malformed, forged, unknown, a wrong secret.
    NotFound,
    /// Its row was changed outside the server.
    Tampered,
    /// Somebody revoked it.
    Revoked,
    /// Somebody disabled it, its organization, or the person it depends on.
    Disabled,
    /// It is past its expiry.
    Expired,
    /// It may not be used from this address.
    AddressNotAllowed,
    /// It lacks a scope.
    InsufficientScope,
    /// It has the scope, but not for this resource.
    ResourceNotAllowed,
    /// It was used too often.
    RateLimited,
    /// A signed request that was seen before, or out of its time.
    Replayed,
}

/// How a limit stands.
#[derive(ToSchema)]
#[schema(as = LimitStanding)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct LimitShape {
    /// The limit.
    name: String,
    /// How much may be spent in any window.
    quota: u64,
    /// How much of it is left.
    remaining: u64,
    /// The length of the window.
    window_seconds: i64,
    /// How long until the whole quota is there again, if nothing more is spent.
    reset_ms: i64,
}

/// The answers, in the order of the questions.
#[derive(ToSchema)]
#[schema(as = Verdicts)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct VerdictsShape {
    /// The answers.
    items: Vec<VerdictShape>,
}
