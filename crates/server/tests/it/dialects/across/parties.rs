//! Who there is: each system with what its credentials are, how it takes them, and how it refuses.

use std::future::Future;
use std::pin::Pin;

use credential::id::OrganizationId;
use credential::key::Kind;

use super::credentials::{Credential, Place, Takes};
use super::places::{gateway, native, oauth2, plain, secure_access, securecloud};
use crate::house::House;

/// An API behind the gateway that the sample product's keys open.
pub(super) const SHOP: &str = r#"
[gateway.policies.shop]
product = "sample"
upstream = "products"
prefixes = ["/shop"]

[[gateway.policies.shop.routes]]
methods = ["GET"]
path = "/shop/orders"
scopes = ["sample.orders:read"]
"#;

/// A system that keys are for.
pub(super) struct Party {
    pub(super) name: &'static str,
    furnish: Furnish,
    pub(super) endpoints: &'static [Endpoint],
}

type Furnished<'h> = Pin<Box<dyn Future<Output = Place> + Send + 'h>>;
type Furnish = for<'h> fn(&'h House, OrganizationId, &'h str) -> Furnished<'h>;

impl Party {
    pub(super) fn furnish<'h>(
        &self,
        house: &'h House,
        organization: OrganizationId,
        name: &'h str,
    ) -> Furnished<'h> {
        (self.furnish)(house, organization, name)
    }
}

/// A status, and the members of the body.
pub(super) type Refusal = (u16, &'static [&'static str]);

/// Where credentials are presented.
pub(super) struct Endpoint {
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    pub(super) path: fn(&Place) -> String,
    pub(super) body: fn(&Place) -> String,
    pub(super) takes: &'static [Takes],
    /// How it refuses a credential of another system; `None` where it is none of its business which one it is.
    pub(super) stranger: fn(&Credential, Takes) -> Option<Refusal>,
    /// The name of the credential that opens it, and how it refuses that for a key of another organization.
    pub(super) elsewhere: Option<(&'static str, Refusal)>,
    /// Its contract has it tell what is wrong with a token, as whoever has the public keys could find out too.
    pub(super) says_why: bool,
}

/// Everybody.
pub(super) const PARTIES: &[Party] = &[
    Party {
        name: "native",
        furnish: |house, organization, name| Box::pin(native(house, organization, name)),
        endpoints: &NATIVE,
    },
    Party {
        name: "oauth2",
        furnish: |house, organization, name| Box::pin(oauth2(house, organization, name)),
        endpoints: &OAUTH2,
    },
    Party {
        name: "gateway",
        furnish: |house, organization, name| Box::pin(gateway(house, organization, name)),
        endpoints: &GATEWAY,
    },
    Party {
        name: "secure_access",
        furnish: |house, organization, name| Box::pin(secure_access(house, organization, name)),
        endpoints: &SECURE_ACCESS,
    },
    Party {
        name: "security_cloud_control",
        furnish: |house, organization, name| {
            let of = "security_cloud_control";
            Box::pin(plain(house, organization, name, of, &[Kind::TokenPair]))
        },
        endpoints: &SECURITY_CLOUD_CONTROL,
    },
    Party {
        name: "threat_response",
        furnish: |house, organization, name| {
            let of = "threat_response";
            Box::pin(plain(house, organization, name, of, &[Kind::Client]))
        },
        endpoints: &THREAT_RESPONSE,
    },
    Party {
        name: "securecloud",
        furnish: |house, organization, name| Box::pin(securecloud(house, organization, name)),
        endpoints: &SECURECLOUD,
    },
    Party {
        name: "cortex",
        furnish: |house, organization, name| {
            let kinds = &[Kind::Static, Kind::Signed];
            Box::pin(plain(house, organization, name, "cortex", kinds))
        },
        endpoints: &CORTEX,
    },
];

/// What a problem has that is not about one member.
const PROBLEM: &[&str] = &["type", "title", "status", "detail"];
/// The same, where a scope is missing.
const FORBIDDEN: &[&str] = &["type", "title", "status", "detail", "scope"];
pub(super) const ADMINISTRATOR: &str = "an administrator's key";

/// How the native API refuses whom it knows for the scope they lack, and others as nobody.
fn lacking(credential: &Credential) -> Option<Refusal> {
    Some(match credential.known.bearer {
        true => (403, FORBIDDEN),
        false => (401, PROBLEM),
    })
}

/// The house's own API knows every bearer, and what each may: it refuses them for what they lack, and the others as nobody.
const NATIVE: [Endpoint; 4] = [
    Endpoint {
        name: "GET /api/v1/keys/{id}",
        method: "GET",
        path: |place| format!("/api/v1/keys/{}", place.victim),
        body: |_| String::new(),
        takes: &[Takes::Bearer, Takes::ApiKey],
        stranger: |credential, _| Some((if credential.known.bearer { 404 } else { 401 }, PROBLEM)),
        elsewhere: Some((ADMINISTRATOR, (404, PROBLEM))),
        says_why: false,
    },
    Endpoint {
        name: "POST /api/v1/keys",
        method: "POST",
        path: |_| "/api/v1/keys".to_owned(),
        body: |_| {
            r#"{"product":"sample","kind":"static","name":"x","scopes":["sample.orders:read"]}"#
                .to_owned()
        },
        takes: &[Takes::Bearer, Takes::ApiKey],
        stranger: |credential, _| lacking(credential),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "POST /api/v1/verify",
        method: "POST",
        path: |_| "/api/v1/verify".to_owned(),
        body: |_| r#"{"credential":"x"}"#.to_owned(),
        takes: &[Takes::Bearer],
        stranger: |credential, _| lacking(credential),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "POST /api/v1/keys/{id}/revoke",
        method: "POST",
        path: |place| format!("/api/v1/keys/{}/revoke", place.victim),
        body: |_| "{}".to_owned(),
        takes: &[Takes::Bearer],
        stranger: |credential, _| Some((if credential.known.bearer { 404 } else { 401 }, PROBLEM)),
        elsewhere: Some((ADMINISTRATOR, (404, PROBLEM))),
        says_why: false,
    },
];

const OAUTH_ERROR: &[&str] = &["error", "error_description"];

const OAUTH2: [Endpoint; 2] = [
    Endpoint {
        name: "POST /oauth2/token",
        method: "POST",
        path: |_| "/oauth2/token".to_owned(),
        body: |_| "grant_type=client_credentials".to_owned(),
        takes: &[Takes::Basic, Takes::Form],
        // It serves the clients of every product.
        stranger: |credential, _| (!credential.known.client).then_some((401, OAUTH_ERROR)),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "POST /oauth2/introspect",
        method: "POST",
        path: |_| "/oauth2/introspect".to_owned(),
        body: |_| "token=x".to_owned(),
        takes: &[Takes::Bearer, Takes::Basic, Takes::Form],
        stranger: |credential, takes| {
            let known = match takes {
                // An administrator may ask.
                Takes::Bearer if credential.name == ADMINISTRATOR => return None,
                Takes::Bearer => credential.known.bearer,
                _ => credential.known.client || credential.known.numbered,
            };
            Some((if known { 403 } else { 401 }, OAUTH_ERROR))
        },
        elsewhere: None,
        says_why: false,
    },
];

const GATEWAY: [Endpoint; 2] = [
    Endpoint {
        name: "GET /shop/orders",
        method: "GET",
        path: |_| "/shop/orders".to_owned(),
        body: |_| String::new(),
        takes: &[Takes::Bearer, Takes::ApiKey],
        // Its keys are of product `sample`, as the clients of the OAuth endpoints here.
        stranger: |credential, _| (credential.of != "oauth2").then_some((401, PROBLEM)),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "GET /gateway/forward-auth/shop",
        method: "GET",
        path: |_| "/gateway/forward-auth/shop".to_owned(),
        body: |_| String::new(),
        takes: &[Takes::GatewayKey],
        // An administrator may ask.
        stranger: |credential, _| (credential.name != ADMINISTRATOR).then_some((403, PROBLEM)),
        elsewhere: None,
        says_why: false,
    },
];

const ADMIN_ERROR: &[&str] = &["message", "description"];
pub(super) const KEY_ADMIN: &str = "a key administrator's token";

const SECURE_ACCESS: [Endpoint; 8] = [
    Endpoint {
        name: "GET /admin/v2/apiKeys/{id}",
        method: "GET",
        path: |place| format!("/admin/v2/apiKeys/{}", place.victim),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, ADMIN_ERROR)),
        elsewhere: Some((KEY_ADMIN, (404, ADMIN_ERROR))),
        says_why: false,
    },
    Endpoint {
        name: "GET /admin/v2/apiKeys",
        method: "GET",
        path: |_| "/admin/v2/apiKeys".to_owned(),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, ADMIN_ERROR)),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "PATCH /admin/v2/apiKeys/{id}",
        method: "PATCH",
        path: |place| format!("/admin/v2/apiKeys/{}", place.victim),
        body: |_| r#"{"name":"taken over","scopes":["deployments.networks:read"]}"#.to_owned(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, ADMIN_ERROR)),
        elsewhere: Some((KEY_ADMIN, (404, ADMIN_ERROR))),
        says_why: false,
    },
    Endpoint {
        name: "POST /admin/v2/apiKeys/{id}/refresh",
        method: "POST",
        path: |place| format!("/admin/v2/apiKeys/{}/refresh", place.victim),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, ADMIN_ERROR)),
        elsewhere: Some((KEY_ADMIN, (404, ADMIN_ERROR))),
        says_why: false,
    },
    Endpoint {
        name: "POST /auth/v2/token",
        method: "POST",
        path: |_| "/auth/v2/token".to_owned(),
        body: |_| "grant_type=client_credentials".to_owned(),
        takes: &[Takes::Basic, Takes::Form],
        stranger: |_, _| Some((401, &["message", "error", "error_description"])),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "GET /reports/v2/apiUsage/summary",
        method: "GET",
        path: |_| "/reports/v2/apiUsage/summary?from=2000-01-01&to=2999-01-01".to_owned(),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, &["code", "message"])),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "GET /deployments/v2/roamingcomputers",
        method: "GET",
        path: |_| "/deployments/v2/roamingcomputers".to_owned(),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, &["statusCode", "error", "message"])),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "DELETE /admin/v2/apiKeys/{id}",
        method: "DELETE",
        path: |place| format!("/admin/v2/apiKeys/{}", place.victim),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, ADMIN_ERROR)),
        elsewhere: Some((KEY_ADMIN, (404, ADMIN_ERROR))),
        says_why: false,
    },
];

const CLOUD_ERROR: &[&str] = &[
    "trackingId",
    "message",
    "error",
    "timestamp",
    "statusCode",
    "path",
];
const ACCESS_TOKEN: &str = "an access token";

const SECURITY_CLOUD_CONTROL: [Endpoint; 5] = [
    Endpoint {
        name: "GET /v1/organizations",
        method: "GET",
        path: |_| "/v1/organizations".to_owned(),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, CLOUD_ERROR)),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "GET /v1/api/applications/apiKeys/{id}",
        method: "GET",
        path: |place| format!("/v1/api/applications/apiKeys/{}", place.victim),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, CLOUD_ERROR)),
        elsewhere: Some((ACCESS_TOKEN, (404, CLOUD_ERROR))),
        says_why: false,
    },
    Endpoint {
        name: "POST /v1/organizations/{organization}/apiKeys/{id}/token",
        method: "POST",
        path: |place| {
            let (organization, key) = (&place.organization, &place.victim);
            format!("/v1/organizations/{organization}/apiKeys/{key}/token")
        },
        body: |_| "grant_type=refresh_token".to_owned(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, CLOUD_ERROR)),
        // A refresh token is of one key, also at home.
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "POST /v1/organizations/{organization}/apiKeys/{id}/disable",
        method: "POST",
        path: |place| {
            let (organization, key) = (&place.organization, &place.victim);
            format!("/v1/organizations/{organization}/apiKeys/{key}/disable")
        },
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, CLOUD_ERROR)),
        elsewhere: Some((ACCESS_TOKEN, (404, CLOUD_ERROR))),
        says_why: false,
    },
    Endpoint {
        name: "DELETE /v1/api/applications/apiKeys/{id}",
        method: "DELETE",
        path: |place| format!("/v1/api/applications/apiKeys/{}", place.victim),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, CLOUD_ERROR)),
        elsewhere: Some((ACCESS_TOKEN, (404, CLOUD_ERROR))),
        says_why: false,
    },
];

const IROH_ERROR: &[&str] = &["error", "error_description"];
const CLIENT_TOKEN: &str = "a client's token";

const THREAT_RESPONSE: [Endpoint; 5] = [
    Endpoint {
        name: "GET /iroh/profile/whoami",
        method: "GET",
        path: |_| "/iroh/profile/whoami".to_owned(),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, IROH_ERROR)),
        elsewhere: None,
        says_why: true,
    },
    Endpoint {
        name: "POST /iroh/oauth2/token",
        method: "POST",
        path: |_| "/iroh/oauth2/token".to_owned(),
        body: |_| "grant_type=client_credentials".to_owned(),
        takes: &[Takes::Basic, Takes::Form],
        stranger: |_, _| Some((400, IROH_ERROR)),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "GET /iroh/oauth2-clients/clients/{id}",
        method: "GET",
        path: |place| format!("/iroh/oauth2-clients/clients/{}", place.victim),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, IROH_ERROR)),
        elsewhere: Some((CLIENT_TOKEN, (404, IROH_ERROR))),
        says_why: true,
    },
    Endpoint {
        name: "PATCH /iroh/oauth2-clients/clients/{id}",
        method: "PATCH",
        path: |place| format!("/iroh/oauth2-clients/clients/{}", place.victim),
        body: |_| r#"{"name":"taken over"}"#.to_owned(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, IROH_ERROR)),
        elsewhere: Some((CLIENT_TOKEN, (404, IROH_ERROR))),
        says_why: true,
    },
    Endpoint {
        name: "DELETE /iroh/oauth2-clients/clients/{id}",
        method: "DELETE",
        path: |place| format!("/iroh/oauth2-clients/clients/{}", place.victim),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, IROH_ERROR)),
        elsewhere: Some((CLIENT_TOKEN, (404, IROH_ERROR))),
        says_why: true,
    },
];

const JWT: &str = "a key";
/// What a person buys, besides the keys.
pub(super) const PERSON_TOKEN: &str = "a person's token";

const SECURECLOUD: [Endpoint; 5] = [
    Endpoint {
        name: "GET /api/v1/rome/api-access-keys",
        method: "GET",
        path: |_| "/api/v1/rome/api-access-keys".to_owned(),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, OAUTH_ERROR)),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "POST /api/v1/rome/api-access-keys",
        method: "POST",
        path: |_| "/api/v1/rome/api-access-keys".to_owned(),
        body: |_| r#"{"name":"x","roles":[{"role":"global_viewer"}]}"#.to_owned(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, OAUTH_ERROR)),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "GET /api/v1/rome/api-access-keys/{id}",
        method: "GET",
        path: |place| format!("/api/v1/rome/api-access-keys/{}", place.victim),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, OAUTH_ERROR)),
        elsewhere: Some((JWT, (404, OAUTH_ERROR))),
        says_why: false,
    },
    Endpoint {
        name: "PUT /api/v1/rome/api-access-keys/{id}",
        method: "PUT",
        path: |place| format!("/api/v1/rome/api-access-keys/{}", place.victim),
        body: |_| r#"{"expiration_days":30}"#.to_owned(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, OAUTH_ERROR)),
        elsewhere: Some((PERSON_TOKEN, (404, OAUTH_ERROR))),
        says_why: false,
    },
    Endpoint {
        name: "DELETE /api/v1/rome/api-access-keys/{id}",
        method: "DELETE",
        path: |place| format!("/api/v1/rome/api-access-keys/{}", place.victim),
        body: |_| String::new(),
        takes: &[Takes::Bearer],
        stranger: |_, _| Some((401, OAUTH_ERROR)),
        elsewhere: Some((JWT, (404, OAUTH_ERROR))),
        says_why: false,
    },
];

const REPLY: &[&str] = &["reply"];
const DATA: &[&str] = &["data"];
const STANDARD: &str = "a key";
const CORTEX_TAKES: &[Takes] = &[Takes::CortexStandard, Takes::CortexAdvanced, Takes::Bearer];

const CORTEX: [Endpoint; 5] = [
    Endpoint {
        name: "POST /api_keys/validate",
        method: "POST",
        path: |_| "/api_keys/validate".to_owned(),
        body: |_| "{}".to_owned(),
        takes: CORTEX_TAKES,
        stranger: |_, _| Some((401, REPLY)),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "POST /public_api/v1/api_keys/get_api_keys",
        method: "POST",
        path: |_| "/public_api/v1/api_keys/get_api_keys".to_owned(),
        body: |_| r#"{"request_data":{}}"#.to_owned(),
        takes: CORTEX_TAKES,
        stranger: |_, _| Some((401, REPLY)),
        elsewhere: None,
        says_why: false,
    },
    Endpoint {
        name: "GET /platform/iam/v1/api-key/{id}",
        method: "GET",
        path: |place| format!("/platform/iam/v1/api-key/{}", place.victim),
        body: |_| String::new(),
        takes: CORTEX_TAKES,
        stranger: |_, _| Some((401, DATA)),
        elsewhere: Some((STANDARD, (404, DATA))),
        says_why: false,
    },
    Endpoint {
        name: "PUT /platform/iam/v1/api-key/{id}",
        method: "PUT",
        path: |place| format!("/platform/iam/v1/api-key/{}", place.victim),
        body: |_| r#"{"request_data":{"comment":"taken over"}}"#.to_owned(),
        takes: CORTEX_TAKES,
        stranger: |_, _| Some((401, DATA)),
        elsewhere: Some((STANDARD, (404, DATA))),
        says_why: false,
    },
    Endpoint {
        name: "POST /public_api/v1/api_keys/delete",
        method: "POST",
        path: |_| "/public_api/v1/api_keys/delete".to_owned(),
        body: |place| {
            let (field, key) = (r#""field":"id","operator":"in""#, &place.victim);
            format!(r#"{{"request_data":{{"filters":[{{{field},"value":[{key}]}}]}}}}"#)
        },
        takes: CORTEX_TAKES,
        stranger: |_, _| Some((401, REPLY)),
        // What is not there counts for nothing.
        elsewhere: Some((STANDARD, (200, REPLY))),
        says_why: false,
    },
];
