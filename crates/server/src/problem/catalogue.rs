//! The list of every problem, in the order of their status.

use http::StatusCode;

macro_rules! catalogue {
    ($($kind:ident $slug:literal $status:ident $title:literal $advice:literal;)*) => {
        /// An entry of the catalogue of problems.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $slug, "`: ", $title, ". ", $advice)] $kind,)*
        }

        impl Kind {
            /// Every entry.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// The word that programs compare: it never changes its meaning.
            pub const fn slug(self) -> &'static str {
                match self { $(Kind::$kind => $slug,)* }
            }

            /// The `type` member: a reference that leads to the documentation of the problem.
            pub const fn uri(self) -> &'static str {
                match self { $(Kind::$kind => concat!("/docs/problems#", $slug),)* }
            }

            /// The HTTP status that it is always answered with.
            pub const fn status(self) -> StatusCode {
                match self { $(Kind::$kind => StatusCode::$status,)* }
            }

            /// A few words for people, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Kind::$kind => $title,)* }
            }

            /// What to do about it: the detail where nothing better is known.
            pub const fn advice(self) -> &'static str {
                match self { $(Kind::$kind => $advice,)* }
            }
        }
    };
}

catalogue! {
    MalformedBody "malformed-body" BAD_REQUEST "The body is not well-formed"
        "Send one JSON document in UTF-8, no deeper and no richer than the limits of the server allow.";
    InvalidMember "invalid-member" BAD_REQUEST "A member of the body is not acceptable"
        "Correct the member that `errors` points at. Members that the operation does not know are refused, so that a typing error cannot pass for a default.";
    InvalidParameter "invalid-parameter" BAD_REQUEST "A parameter of the path or the query is not acceptable"
        "Correct the parameter that the detail names. Parameters that the operation does not know are refused.";
    InvalidHeader "invalid-header" BAD_REQUEST "A header is not acceptable"
        "Correct the header that the detail names; a header that may stand once must not be repeated.";
    AmbiguousPath "ambiguous-path" BAD_REQUEST "The path can be read in more than one way"
        "Send the path without encoded slashes, backslashes, percent signs or control characters, without dot segments, empty segments and semicolons.";
    CredentialInUrl "credential-in-url" BAD_REQUEST "A credential stands in the URL"
        "URLs are logged on their way. Send the credential in a header, and rotate it: it may have been recorded.";
    Unauthenticated "unauthenticated" UNAUTHORIZED "No valid credential was presented"
        "Present a key as `Authorization: Bearer …`. A key that is unknown, wrong, expired, disabled or revoked is answered alike.";
    Forbidden "forbidden" FORBIDDEN "The credential does not allow this"
        "Ask an administrator for a role that holds the scope which the detail names.";
    AddressNotAllowed "address-not-allowed" FORBIDDEN "The key may not be used from this address"
        "Use the key from one of its allowed addresses, or change them.";
    AboveCeiling "above-ceiling" FORBIDDEN "More was asked for than the caller holds"
        "Nobody can give rights that they do not have. Ask for less, or ask someone with more rights.";
    NotAGateway "not-a-gateway" FORBIDDEN "The caller is not a known gateway"
        "Gateway endpoints answer trusted proxy addresses (`server.trusted_proxies`) and callers with a gateway credential.";
    NotFound "not-found" NOT_FOUND "There is no such thing here"
        "Check the path and the identifier. What belongs to another organization is answered alike.";
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED "The method is not allowed here"
        "Use one of the methods in the header `Allow`.";
    TooSlow "too-slow" REQUEST_TIMEOUT "The body did not arrive in time"
        "Send the whole body within the time the server grants, then try again.";
    NameTaken "name-taken" CONFLICT "The name is in use"
        "Choose another name, or change the thing that has it.";
    StateConflict "state-conflict" CONFLICT "The state of the thing does not allow this"
        "Read it again and see what became of it: a revoked key stays revoked, and a key has at most two live secrets.";
    IdempotencyConflict "idempotency-conflict" CONFLICT "The idempotency key was used before"
        "Its answer can no longer be repeated, or the body differs. `key_id` names what the first request made; use a new idempotency key for a new request.";
    EditedMeanwhile "edited-meanwhile" PRECONDITION_FAILED "Somebody changed it meanwhile"
        "Read it again, apply the change to what is there now, and send the new `ETag` as `If-Match`.";
    BodyTooLarge "body-too-large" PAYLOAD_TOO_LARGE "The body is too large"
        "Send less at once: the limits are `limits.body` and, for administration, `limits.admin_body`.";
    UrlTooLong "url-too-long" URI_TOO_LONG "The URL is too long"
        "Shorten the query: the limit is `limits.url`.";
    UnsupportedMediaType "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "The body has another media type than the operation reads"
        "Send the media type that the operation documents, for most `Content-Type: application/json`.";
    EncodedBody "encoded-body" UNSUPPORTED_MEDIA_TYPE "The body is compressed"
        "Send the body without `Content-Encoding`: compressed bodies are refused, since a small one can hide a large one.";
    RateLimited "rate-limited" TOO_MANY_REQUESTS "A limit is used up"
        "Wait for the seconds in `Retry-After`. A refused request is not counted.";
    HeadersTooLarge "headers-too-large" REQUEST_HEADER_FIELDS_TOO_LARGE "The headers are too large or too many"
        "Send fewer or shorter headers: the limits are `limits.header_bytes` and `limits.header_count`.";
    Internal "internal" INTERNAL_SERVER_ERROR "Something went wrong here"
        "Nothing is known to be wrong with the request. Try again; if it stays, give the `X-Request-Id` of the answer to the operator.";
    UpstreamFailed "upstream-failed" BAD_GATEWAY "The API behind the gateway could not be reached"
        "The credential was good, but the upstream did not answer. Try again later.";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The server cannot do this now"
        "Its store does not answer, or it is starting, stopping or overloaded. Nothing was changed. Try again after the seconds in `Retry-After`.";
    NotFresh "not-fresh" SERVICE_UNAVAILABLE "The server cannot know whether credentials are still good"
        "It lost touch with its store for longer than `freshness.max_staleness` and refuses to guess. Try again, or ask another replica.";
    UpstreamTimeout "upstream-timeout" GATEWAY_TIMEOUT "The API behind the gateway took too long"
        "The credential was good, but the upstream did not answer in time. Whether it acted is not known.";
}
