//! The native API described for programs: OpenAPI 3.1, made from the lines that serve it.

use utoipa::openapi::path::{HttpMethod, Operation, Parameter, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref,
    RefOr,
};
use utoipa::{PartialSchema, ToSchema};

use super::Served;
use crate::problem::{Kind, MEDIA_TYPE};

/// What the API is, in a few words.
const ABOUT: &str = "Keys for APIs: issued, verified, rotated, revoked. Errors are problem details (RFC 9457) whose \
`type` is one of the catalogue at `/docs/problems`. Members are snake_case, times RFC 3339 in UTC; members and \
parameters that an operation does not know are refused. Send the credential as `Authorization: Bearer …` or \
`X-API-Key`, never in the URL. Where it has limits, `RateLimit` and `RateLimit-Policy` tell how they stand, and a 429 says \
in `Retry-After` how long to wait.";

/// The parts of the API, in the order of reading.
const TAGS: [(&str, &str); 12] = [
    ("verify", "Whether a credential is good."),
    ("keys", "Keys: made, seen, changed, rotated, ended."),
    ("whoami", "The caller about itself."),
    ("organizations", "Tenants."),
    ("users", "The people who administer organizations."),
    ("groups", "People who have roles together."),
    ("roles", "Named sets of scopes."),
    ("products", "What keys open."),
    ("notices", "What people should know about keys."),
    ("audit", "Who did what, provably."),
    ("server", "The server itself, for its operator."),
    ("setup", "The first administrator."),
];

const BEARER: &str = "bearer";

/// What went wrong, as RFC 9457 has it. Some problems have further members, such as `key_id`.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it only describes")]
struct ProblemShape {
    /// Which problem: a reference into the catalogue.
    r#type: String,
    /// What it is, the same for every occurrence.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request, for people.
    detail: Option<String>,
    /// The members that are wrong.
    errors: Option<Vec<FlawShape>>,
}

/// A member that is wrong.
#[derive(ToSchema)]
#[schema(as = Flaw)]
#[expect(dead_code, reason = "it only describes")]
struct FlawShape {
    /// The member, as a JSON pointer.
    pointer: String,
    /// What is wrong with it.
    detail: String,
}

/// Adds to the described operations what holds for all: errors, security, schemas.
pub(super) fn finish(served: Served, version: &str) -> OpenApi {
    let Served {
        mut paths, schemas, ..
    } = served;
    for item in paths.paths.values_mut() {
        each(item, complete);
    }
    let mut components = ComponentsBuilder::new()
        .security_scheme(
            BEARER,
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        )
        .schema(ProblemShape::name(), ProblemShape::schema())
        .schema(FlawShape::name(), FlawShape::schema())
        .schemas_from_iter(schemas);
    for status in statuses() {
        components = components.response(status.to_string(), problem(status));
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Latchkey")
                .version(version)
                .description(Some(ABOUT))
                .license(Some(
                    LicenseBuilder::new()
                        .name("MIT OR Apache-2.0")
                        .identifier(Some("MIT OR Apache-2.0"))
                        .build(),
                ))
                .build(),
        )
        .tags(Some(TAGS.map(|(name, about)| {
            TagBuilder::new()
                .name(name)
                .description(Some(about))
                .build()
        })))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

/// Every operation of a path with its method.
pub(super) fn each(item: &mut PathItem, mut visit: impl FnMut(HttpMethod, &mut Operation)) {
    for (method, operation) in [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Delete, &mut item.delete),
    ] {
        if let Some(operation) = operation {
            visit(method, operation);
        }
    }
}

/// Says of an optional parameter that it may be left out, and not that it may be `null`, which a URL cannot say.
fn never_null(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(Parameter {
        schema: Some(schema),
        ..
    }) = parameter
    else {
        return;
    };
    match schema {
        RefOr::T(Schema::Object(object)) => {
            if let SchemaType::Array(types) = &object.schema_type
                && let Some(one) = types.iter().find(|one| **one != Type::Null)
            {
                object.schema_type = SchemaType::Type(one.clone());
            }
        }
        RefOr::T(Schema::OneOf(either)) => {
            let is_null = |one: &RefOr<Schema>| matches!(one, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null));
            if let Some(place) = either.items.iter().position(|one| !is_null(one)) {
                *schema = either.items.swap_remove(place);
            }
        }
        _ => {}
    }
}

/// The problems that an operation may answer with, beside those of its own.
fn complete(_: HttpMethod, operation: &mut Operation) {
    operation
        .parameters
        .iter_mut()
        .flatten()
        .for_each(never_null);
    let has_body = operation.request_body.is_some();
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let named = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.name == "If-Match");
    let is_conditional = parameters.iter().any(named);
    let mut possible = vec![400, 401, 403, 404, 408, 413, 414, 429, 431, 500, 503];
    if has_body {
        possible.extend([409, 415]);
    }
    if is_conditional {
        possible.extend([409, 412]);
    }
    for status in possible {
        let answer = RefOr::Ref(Ref::new(format!("#/components/responses/{status}")));
        operation
            .responses
            .responses
            .entry(status.to_string())
            .or_insert(answer);
    }
    // `X-API-Key` is an equal way to say it, and programs that send both are refused; so the description names one.
    operation.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
}

/// The statuses of the catalogue, each once.
fn statuses() -> Vec<u16> {
    let mut statuses: Vec<u16> = Kind::ALL
        .iter()
        .map(|kind| kind.status().as_u16())
        .collect();
    statuses.dedup();
    statuses
}

/// The answer of a status: the problems that have it.
fn problem(status: u16) -> Response {
    let lines: Vec<String> = Kind::ALL
        .iter()
        .filter(|kind| kind.status().as_u16() == status)
        .map(|kind| format!("- `{}`: {}.", kind.slug(), kind.title()))
        .collect();
    let schema = RefOr::Ref(Ref::from_schema_name(ProblemShape::name()));
    ResponseBuilder::new()
        .description(lines.join("\n"))
        .content(
            MEDIA_TYPE,
            ContentBuilder::new().schema(Some(schema)).build(),
        )
        .build()
}
