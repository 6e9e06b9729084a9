//! Keys on the wire.

use authority::keys::{CreateKey, EditKey, Expiry, Issued, Shown, Wish};
use authority::{UsageRow, World};
use credential::grant::Grants;
use credential::id::{OrganizationId, RoleId, UserId};
use credential::key::{Addresses, Credential, ExpiryChange, Key, Kind, State};
use credential::limit::Limit;
use credential::role::{Comment, Name, ProductName};
use credential::time::{Instant, Span};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::api::wire::{MakerView, Reach, ReachShape, Time, given, text_or_object};
use crate::problem::{Kind as ProblemKind, Problem};

/// The most limits of one key.
const MAX_LIMITS: usize = credential::limit::MAX_LIMITS;

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

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewKey {
    /// Whose it is; absent, the caller's own organization.
    #[schema(value_type = Option<String>, format = "uuid")]
    organization_id: Option<OrganizationId>,
    /// What it opens: the name of a product.
    #[schema(value_type = String, pattern = "^[a-z0-9_]{1,40}$", example = "sample")]
    product: ProductName,
    /// How it is proven; the product says which kinds it has.
    #[schema(value_type = KindShape)]
    kind: Kind,
    /// What people call it.
    #[schema(value_type = String, min_length = 1, max_length = 256, example = "nightly export")]
    name: Name,
    /// What people say of it.
    #[serde(default)]
    #[schema(value_type = String, max_length = 4000)]
    comment: Comment,
    /// The roles it gets.
    #[serde(default)]
    #[schema(max_items = 64)]
    roles: Vec<RoleWish>,
    /// The single scopes it gets.
    #[serde(default)]
    #[schema(max_items = 512)]
    scopes: Vec<ScopeWish>,
    /// What each role and scope reaches that does not say so itself; absent, every resource of the organization.
    #[schema(value_type = Option<ReachShape>)]
    resources: Option<Reach>,
    /// The addresses and networks it may be used from; none is everywhere.
    #[serde(default, deserialize_with = "addresses")]
    #[schema(value_type = Vec<String>, max_items = 100, example = json!(["192.0.2.0/24"]))]
    addresses: Addresses,
    /// How often it may be used.
    #[serde(default, deserialize_with = "limits")]
    #[schema(value_type = Vec<LimitView>, max_items = 16)]
    limits: Vec<Limit>,
    /// It is good before this moment. Absent, as long as the product says; `null`, for good.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Time>)]
    expires_at: Option<Option<Time>>,
    /// The person it depends on, where the product asks for one; absent, the caller, if a person.
    #[schema(value_type = Option<String>, format = "uuid")]
    owner_id: Option<UserId>,
}

impl NewKey {
    pub(in crate::api) fn command(self) -> CreateKey {
        CreateKey {
            organization: self.organization_id,
            product: self.product,
            kind: self.kind,
            name: self.name,
            comment: self.comment,
            grants: wish(self.roles, self.scopes, &self.resources.unwrap_or_default()),
            addresses: self.addresses,
            limits: self.limits,
            expiry: match self.expires_at {
                None => Expiry::Default,
                Some(None) => Expiry::Never,
                Some(Some(Time(at))) => Expiry::At(at),
            },
            owner: self.owner_id,
        }
    }
}

/// Changes of a key; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct KeyEdit {
    /// A new name.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    name: Option<Name>,
    /// A new comment.
    #[schema(value_type = Option<String>, max_length = 4000)]
    comment: Option<Comment>,
    /// New roles. Together with `scopes` they take the place of everything granted before.
    #[schema(max_items = 64)]
    roles: Option<Vec<RoleWish>>,
    /// New scopes. Together with `roles` they take the place of everything granted before.
    #[schema(max_items = 512)]
    scopes: Option<Vec<ScopeWish>>,
    /// What each of the new roles and scopes reaches that does not say so itself.
    #[schema(value_type = Option<ReachShape>)]
    resources: Option<Reach>,
    /// New addresses in place of all earlier ones.
    #[serde(default, deserialize_with = "some_addresses")]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    addresses: Option<Addresses>,
    /// New limits in place of all earlier ones.
    #[serde(default, deserialize_with = "some_limits")]
    #[schema(value_type = Option<Vec<LimitView>>, max_items = 16)]
    limits: Option<Vec<Limit>>,
    /// A new expiry; `null` is for good.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Time>)]
    expires_at: Option<Option<Time>>,
}

impl KeyEdit {
    /// The edit. Who changes grants says all of them: half of a list must not pass for the whole.
    pub(in crate::api) fn command(self) -> Result<EditKey, Problem> {
        if self.roles.is_none() && self.scopes.is_none() && self.resources.is_some() {
            return Err(Problem::new(ProblemKind::InvalidMember)
                .because("The member /resources: it goes with roles or scopes.")
                .at("/resources", "it goes with roles or scopes"));
        }
        let resources = self.resources.unwrap_or_default();
        let grants = (self.roles.is_some() || self.scopes.is_some()).then(|| {
            wish(
                self.roles.unwrap_or_default(),
                self.scopes.unwrap_or_default(),
                &resources,
            )
        });
        Ok(EditKey {
            name: self.name,
            comment: self.comment,
            grants,
            addresses: self.addresses,
            limits: self.limits,
            expiry: self
                .expires_at
                .map(|at| at.map_or(ExpiryChange::Never, |Time(at)| ExpiryChange::At(at))),
        })
    }
}

fn wish(roles: Vec<RoleWish>, scopes: Vec<ScopeWish>, everywhere: &Reach) -> Wish {
    let reach = |own: Option<Reach>| own.unwrap_or_else(|| everywhere.clone()).0;
    Wish {
        roles: roles
            .into_iter()
            .map(|wish| (wish.id, reach(wish.resources)))
            .collect(),
        scopes: scopes
            .into_iter()
            .map(|wish| (wish.scope, reach(wish.resources)))
            .collect(),
    }
}

/// A role to be given: its id alone, or with the resources it reaches.
#[derive(Debug)]
pub(in crate::api) struct RoleWish {
    pub(in crate::api) id: RoleId,
    pub(in crate::api) resources: Option<Reach>,
}

/// A role with what it reaches.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RoleAndReach {
    /// The role.
    #[schema(value_type = String, format = "uuid")]
    id: RoleId,
    /// What it reaches.
    #[schema(value_type = Option<ReachShape>)]
    resources: Option<Reach>,
}

impl<'de> Deserialize<'de> for RoleWish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_object(
            deserializer,
            "the id of a role or an object with id and resources",
            |text| {
                let id = text
                    .parse()
                    .map_err(|error: credential::id::BadId| error.to_string())?;
                Ok(Self {
                    id,
                    resources: None,
                })
            },
            |object: RoleAndReach| Self {
                id: object.id,
                resources: object.resources,
            },
        )
    }
}

/// A scope to be given: its text alone, or with the resources it reaches.
#[derive(Debug)]
pub(in crate::api) struct ScopeWish {
    scope: String,
    resources: Option<Reach>,
}

/// A scope with what it reaches.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ScopeAndReach {
    /// The scope, as the product names it.
    #[schema(min_length = 1, max_length = 200)]
    scope: String,
    /// What it reaches.
    #[schema(value_type = Option<ReachShape>)]
    resources: Option<Reach>,
}

impl<'de> Deserialize<'de> for ScopeWish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_object(
            deserializer,
            "a scope or an object with scope and resources",
            |text| {
                Ok(Self {
                    scope: text.to_owned(),
                    resources: None,
                })
            },
            |object: ScopeAndReach| Self {
                scope: object.scope,
                resources: object.resources,
            },
        )
    }
}

/// How a wish looks: the text alone, or the object.
macro_rules! either_shape {
    ($($type:ident: $object:ty, $format:expr;)*) => {$(
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
                OneOfBuilder::new()
                    .item(ObjectBuilder::new().schema_type(Type::String).format($format))
                    .item(<$object as utoipa::PartialSchema>::schema())
                    .into()
            }
        }

        impl ToSchema for $type {
            fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
                <$object as ToSchema>::schemas(schemas);
            }
        }
    )*};
}

either_shape! {
    RoleWish: RoleAndReach, Some(utoipa::openapi::SchemaFormat::Custom("uuid".to_owned()));
    ScopeWish: ScopeAndReach, None;
}

/// How much may be spent in any window of a length.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Limit)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct LimitView {
    /// What headers and answers call it.
    #[schema(pattern = "^[a-z0-9_-]{1,64}$")]
    name: String,
    /// How much may be spent in any window.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64)]
    quota: u64,
    /// The length of the window.
    #[schema(minimum = 1, maximum = 31_622_400)]
    window_seconds: i64,
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

fn limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Limit>, D::Error> {
    let written = Vec::<LimitView>::deserialize(deserializer)?;
    if written.len() > MAX_LIMITS {
        return Err(D::Error::custom(format!(
            "expected at most {MAX_LIMITS} limits"
        )));
    }
    let read =
        |view: LimitView| Limit::new(&view.name, view.quota, Span::from_secs(view.window_seconds));
    let limits: Vec<Limit> = written
        .into_iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(D::Error::custom)?;
    let twice = limits
        .iter()
        .enumerate()
        .any(|(at, limit)| limits[..at].iter().any(|l| l.name() == limit.name()));
    if twice {
        Err(D::Error::custom("expected limits with different names"))
    } else {
        Ok(limits)
    }
}

fn some_limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Limit>>, D::Error> {
    limits(deserializer).map(Some)
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Addresses, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    Addresses::parse(&texts).map_err(|error| match error {
        credential::key::BadAddresses::NotANetwork(_) => {
            D::Error::custom("expected IP addresses and networks such as 192.0.2.0/24")
        }
        credential::key::BadAddresses::TooMany => D::Error::custom(error),
    })
}

fn some_addresses<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Addresses>, D::Error> {
    addresses(deserializer).map(Some)
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
