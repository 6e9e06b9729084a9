//! Keys on the wire, as requests wish for them.

use authority::World;
use authority::keys::{CreateKey, EditKey, Expiry, Wish};
use credential::id::{OrganizationId, RoleId, UserId};
use credential::key::{Addresses, BadAddresses, ExpiryChange, Kind};
use credential::limit::Limit;
use credential::role::{Comment, Name, ProductName};
use credential::time::{Span, Term};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::wire::{KindShape, LimitView};
use crate::api::wire::{Reach, ReachShape, Time, given, text_or_object};
use crate::problem::{Kind as ProblemKind, Problem};

/// The most limits of one key.
const MAX_LIMITS: usize = credential::limit::MAX_LIMITS;

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
    /// How long it is good, instead of `expires_at`: a period of its product by name, or days, such as `90d`.
    #[schema(min_length = 1, max_length = 100, example = "90d")]
    expires_in: Option<String>,
    /// The person it depends on, where the product asks for one; absent, the caller, if a person.
    #[schema(value_type = Option<String>, format = "uuid")]
    owner_id: Option<UserId>,
}

impl NewKey {
    /// The command. A role that asks for its reach by name is not given everywhere because nothing was said.
    pub(in crate::api) fn command(self, world: &World) -> Result<CreateKey, Problem> {
        let refused = |member: &str, why: &str| {
            Problem::new(ProblemKind::InvalidMember)
                .because(format!("The member {member}: {why}."))
                .at(member, why)
        };
        let asks = |wish: &RoleWish| {
            let product = world.product(&self.product);
            wish.resources.is_none()
                && product.is_some_and(|product| product.named_reach.contains(&wish.id))
        };
        if self.resources.is_none() && self.roles.iter().any(asks) {
            return Err(refused(
                "/roles",
                "one of them is given only with its resources, listed or \"all\"",
            ));
        }
        if self.expires_at.is_some() && self.expires_in.is_some() {
            return Err(refused("/expires_in", "it does not go with expires_at"));
        }
        Ok(CreateKey {
            organization: self.organization_id,
            product: self.product,
            kind: self.kind,
            name: self.name,
            comment: self.comment,
            grants: wish(self.roles, self.scopes, &self.resources.unwrap_or_default()),
            addresses: self.addresses,
            limits: self.limits,
            expiry: match (self.expires_at, self.expires_in) {
                (Some(None), _) => Expiry::Never,
                (Some(Some(Time(at))), _) => Expiry::At(at),
                (None, Some(text)) => life(text),
                (None, None) => Expiry::Default,
            },
            owner: self.owner_id,
        })
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

/// Days such as `90d`, or else the name of a period.
fn life(text: String) -> Expiry {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    match days {
        Some(days) => Expiry::In(Term::Days(days)),
        None => Expiry::Period(text),
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
        BadAddresses::NotANetwork(_) => {
            D::Error::custom("expected IP addresses and networks such as 192.0.2.0/24")
        }
        BadAddresses::TooMany => D::Error::custom(error),
    })
}

fn some_addresses<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Addresses>, D::Error> {
    addresses(deserializer).map(Some)
}
