//! Keys on the wire, as answers tell them.

use authority::keys::{Issued, Shown};
use authority::{UsageRow, World};
use credential::grant::Grants;
use credential::key::{Credential, Key, Kind, State};
use credential::limit::Limit;
use credential::time::{Instant, Span};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::wire::{MakerView, Reach, ReachShape, Time};

/// How long before its expiry a key is one that expires soon: long enough for whoever looks once a month.
const SOON: Span = Span::from_days(30);

/// How a key is proven.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(as = KeyKind)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only describes")]
pub(in crate::api) enum KindShape {
    /// One secret string, presented as it is.
    Static,
    /// A secret that signs each request and is never sent.
    Signed,
    /// A client id and a secret that are exchanged for access tokens.
    Client,
    /// An access token and a refresh token.
    TokenPair,
    /// A signed JWT that lives as long as the key.
    Jwt,
}

/// How much may be spent in any window of a length.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Limit)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct LimitView {
    /// What headers and answers call it.
    #[schema(pattern = "^[a-z0-9_-]{1,64}$")]
    pub(super) name: String,
    /// How much may be spent in any window.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64)]
    pub(super) quota: u64,
    /// The length of the window.
    #[schema(minimum = 1, maximum = 31_622_400)]
    pub(super) window_seconds: i64,
}

impl From<&Limit> for LimitView {
    fn from(limit: &Limit) -> Self {
        let window_seconds = limit.window().seconds();
        Self {
            name: limit.name().to_owned(),
            quota: limit.quota(),
            window_seconds,
        }
    }
}

/// A key as it stands; its secrets are not in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub(in crate::api) struct KeyView {
    /// Its identifier, for good.
    #[schema(format = "uuid")]
    id: String,
    /// Whose it is.
    #[schema(format = "uuid")]
    organization_id: String,
    /// What it opens.
    product: String,
    /// How it is proven.
    #[schema(value_type = KindShape)]
    kind: &'static str,
    /// What people call it.
    name: String,
    /// What people say of it.
    comment: String,
    /// Its roles.
    roles: Vec<GrantedRole>,
    /// Its single scopes.
    scopes: Vec<GrantedScope>,
    /// The networks it may be used from; none is everywhere.
    addresses: Vec<String>,
    /// How often it may be used.
    limits: Vec<LimitView>,
    /// What somebody made of it: `active`, `disabled` or `revoked`.
    state: &'static str,
    /// The same, or `expired` where it is past its expiry and not revoked.
    status: &'static str,
    /// It is good before this moment; `null` is for good.
    #[schema(required)]
    expires_at: Option<Time>,
    /// Whether that comes within 30 days.
    expires_soon: bool,
    /// The person it depends on.
    #[schema(required, format = "uuid")]
    owner_id: Option<String>,
    /// When it was made.
    created_at: Time,
    /// By whom.
    created_by: MakerView,
    /// When it was last edited.
    edited_at: Time,
    /// When its secret last changed; `null` while it has its first.
    #[schema(required)]
    rotated_at: Option<Time>,
    /// Since when it is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<Time>,
    /// Who disabled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_by: Option<MakerView>,
    /// Since when it is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Time>,
    /// Who revoked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_by: Option<MakerView>,
    /// Its secrets that are good, the current one first; of each, what may be told.
    secrets: Vec<SecretView>,
    /// When it was last used, as far as is written.
    #[schema(required)]
    last_used_at: Option<Time>,
    /// Counts its changes: the `ETag`.
    version: i64,
}

/// A role of a key.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct GrantedRole {
    /// The role.
    #[schema(format = "uuid")]
    id: String,
    /// Its name; `null` when the role is gone.
    #[schema(required)]
    name: Option<String>,
    /// What it reaches.
    #[schema(value_type = ReachShape)]
    resources: Reach,
}

/// A scope of a key.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct GrantedScope {
    /// The scope.
    scope: String,
    /// What it reaches.
    #[schema(value_type = ReachShape)]
    resources: Reach,
}

/// What may be told of a secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SecretFacts)]
pub(in crate::api) struct SecretView {
    /// Counts from 0 and never repeats within a key.
    generation: u32,
    /// Since when it exists.
    since: Time,
    /// It is good before this moment; `null` for the current one.
    #[schema(required)]
    until: Option<Time>,
    /// The client id that goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// When it was last used, as far as is written.
    #[schema(required)]
    last_used_at: Option<Time>,
    /// From where.
    #[schema(required)]
    last_used_from: Option<String>,
    /// On which route; `null` where whoever asked named none.
    #[schema(required)]
    last_used_route: Option<String>,
}

impl KeyView {
    /// The key, with the names that the world has for its roles.
    pub(in crate::api) fn of(key: &Key, world: &World, uses: &[UsageRow], now: Instant) -> Self {
        let (disabled, revoked) = match &key.state {
            State::Active => (None, None),
            State::Disabled { at, by } => (Some((*at, *by)), None),
            State::Revoked { at, by } => (None, Some((*at, *by))),
        };
        let state = key.state.as_str();
        let until = |credential: &Credential| {
            key.previous
                .as_ref()
                .filter(|p| p.credential.generation == credential.generation)
                .map(|p| Time(p.until))
        };
        let secret = |credential: &Credential| {
            let used = uses
                .iter()
                .find(|used| used.generation == credential.generation);
            SecretView {
                generation: credential.generation,
                since: Time(credential.since),
                until: until(credential),
                client_id: client_id(key, credential),
                last_used_at: used.map(|used| Time(used.last_used_at)),
                last_used_from: used
                    .and_then(|used| used.address)
                    .map(|address| address.to_string()),
                last_used_route: used.and_then(|used| used.route.clone()),
            }
        };
        Self {
            id: key.id.to_string(),
            organization_id: key.organization.to_string(),
            product: key.product.as_str().to_owned(),
            kind: key.kind.as_str(),
            name: key.name.as_str().to_owned(),
            comment: key.comment.as_str().to_owned(),
            roles: key
                .grants
                .roles()
                .iter()
                .map(|grant| granted_role(grant, world))
                .collect(),
            scopes: granted_scopes(&key.grants),
            addresses: key
                .addresses
                .networks()
                .iter()
                .map(ToString::to_string)
                .collect(),
            limits: key.limits.iter().map(LimitView::from).collect(),
            state,
            status: if key.is_expired(now) && !key.is_revoked() {
                "expired"
            } else {
                state
            },
            expires_at: key.expires_at.map(Time),
            expires_soon: !key.is_revoked() && key.expires_within(SOON, now),
            owner_id: key.owner.map(|owner| owner.to_string()),
            created_at: Time(key.created_at),
            created_by: key.created_by.into(),
            edited_at: Time(key.edited_at),
            rotated_at: key.rotated_at.map(Time),
            disabled_at: disabled.map(|(at, _)| Time(at)),
            disabled_by: disabled.map(|(_, by)| by.into()),
            revoked_at: revoked.map(|(at, _)| Time(at)),
            revoked_by: revoked.map(|(_, by)| by.into()),
            secrets: if key.is_revoked() {
                Vec::new()
            } else {
                key.live(now).map(secret).collect()
            },
            last_used_at: uses.iter().map(|used| used.last_used_at).max().map(Time),
            version: key.version,
        }
    }
}

fn client_id(key: &Key, credential: &Credential) -> Option<String> {
    match key.kind {
        Kind::Client => Some(
            credential
                .handle
                .clone()
                .unwrap_or_else(|| key.id.to_string()),
        ),
        _ => credential.handle.clone(),
    }
}

/// A role that was given, with the name that the world has for it.
pub(in crate::api) fn granted_role(
    grant: &credential::grant::RoleGrant,
    world: &World,
) -> GrantedRole {
    GrantedRole {
        id: grant.role.to_string(),
        name: world
            .role(grant.role)
            .filter(|role| !role.deleted)
            .map(|role| role.name.as_str().to_owned()),
        resources: Reach(grant.resources.clone()),
    }
}

fn granted_scopes(grants: &Grants) -> Vec<GrantedScope> {
    let view = |grant: &credential::grant::ScopeGrant| GrantedScope {
        scope: grant.scope.as_str().to_owned(),
        resources: Reach(grant.resources.clone()),
    };
    grants.scopes().iter().map(view).collect()
}

/// What is shown once, by the kind of key.
#[derive(ToSchema)]
#[schema(as = Secret)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "it only describes: a secret is written once, by hand"
)]
pub(in crate::api) enum SecretShape {
    /// Of a static key.
    Static {
        /// The key string.
        key: String,
    },
    /// Of a signed key.
    Signed {
        /// The key's id.
        key_id: String,
        /// The secret that signs.
        secret: String,
    },
    /// Of a client.
    Client {
        /// The public identifier.
        client_id: String,
        /// The secret.
        client_secret: String,
    },
    /// Of a token pair.
    TokenPair {
        /// The access token.
        access_token: String,
        /// The refresh token.
        refresh_token: String,
        /// Seconds that the access token is good for.
        expires_in: i64,
        /// The refresh token is good before this moment.
        refresh_expires_at: Time,
    },
    /// A JWT.
    Jwt {
        /// The token.
        token: String,
    },
}

/// A key and its secret, which is shown this once.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes")]
pub(in crate::api) struct IssuedKey {
    /// The key.
    #[schema(value_type = KeyView)]
    key: (),
    /// What is shown once.
    #[schema(value_type = SecretShape)]
    secret: (),
    /// The number of the change; any later question may demand it as `min_revision`.
    revision: i64,
}

/// A key that was changed.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct ChangedKeyView {
    /// The key as it is now.
    pub(in crate::api) key: KeyView,
    /// The number of the change.
    pub(in crate::api) revision: i64,
}

/// `"key":{…},"secret":{…}` of what was issued, written straight into the body that leaves.
pub(in crate::api) fn write_issued(issued: &Issued, world: &World) -> Vec<u8> {
    // As of the moment when the secret was made: a repeat is the same to the byte.
    let now = issued.key.current.since;
    let view = KeyView::of(&issued.key, world, &[], now);
    let mut body = Vec::with_capacity(2048);
    body.extend_from_slice(b"\"key\":");
    // Writing to a Vec cannot fail, and none of the shapes has a map with other keys than text.
    let _ = serde_json::to_writer(&mut body, &view);
    body.extend_from_slice(b",\"secret\":");
    let _ = write_shown(&mut body, &issued.shown, &issued.key, now);
    body
}

fn write_shown(
    body: &mut Vec<u8>,
    shown: &Shown,
    key: &Key,
    now: Instant,
) -> serde_json::Result<()> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Written<'a> {
        Static {
            key: &'a str,
        },
        Signed {
            key_id: String,
            secret: &'a str,
        },
        Client {
            client_id: &'a str,
            client_secret: &'a str,
        },
        TokenPair {
            access_token: &'a str,
            refresh_token: &'a str,
            expires_in: i64,
            refresh_expires_at: Time,
        },
        Jwt {
            token: &'a str,
        },
    }
    let written = match shown {
        Shown::Static { secret } => Written::Static {
            key: secret.expose(),
        },
        Shown::Signed { secret } => Written::Signed {
            key_id: key.id.to_string(),
            secret: secret.expose(),
        },
        Shown::Client {
            client_id,
            client_secret,
        } => Written::Client {
            client_id,
            client_secret: client_secret.expose(),
        },
        Shown::TokenPair {
            access_token,
            refresh_token,
            access_expires_at,
            refresh_expires_at,
        } => Written::TokenPair {
            access_token: access_token.expose(),
            refresh_token: refresh_token.expose(),
            expires_in: access_expires_at.since(now).seconds(),
            refresh_expires_at: Time(*refresh_expires_at),
        },
        Shown::Jwt { token } => Written::Jwt {
            token: token.expose(),
        },
    };
    serde_json::to_writer(body, &written)
}
