//! Products as data. A catalog file declares one product: its scopes, built-in roles, kinds of key, lifetimes and limits;
//! `catalogs/README.md` tells the shape. The code knows no product by name but its own, `latchkey`.

mod period;
mod presets;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use credential::event::Actor;
use credential::id::RoleId;
use credential::key::Kind;
use credential::limit::Limit;
use credential::role::{Comment, ProductName, Role, RoleName};
use credential::scope::{Algebra, Aliases, Scope};
use credential::time::Span;
use serde::Deserialize;
use store::catalogs::Catalog;
use store::change::{MAX_PAGE, NO_DETAIL};
use store::{Change, Fault, Found};

pub use period::Period;
use period::PeriodText;

use crate::Authority;
use crate::failure::Failure;
use presets::PresetText;

pub use presets::Preset;

pub use tokens::{Algorithm, TokenType, Tokens};

/// The product whose scopes administer everything else.
pub const LATCHKEY: &str = "latchkey";

/// The catalogs that are compiled in.
pub const BUILT_IN: &[(&str, &str)] = &[
    (
        "latchkey.toml",
        include_str!("../../../catalogs/latchkey.toml"),
    ),
    (
        "secure_access.toml",
        include_str!("../../../catalogs/secure_access.toml"),
    ),
    ("demo.toml", include_str!("../../../catalogs/demo.toml")),
    (
        "security_cloud_control.toml",
        include_str!("../../../catalogs/security_cloud_control.toml"),
    ),
    (
        "threat_response.toml",
        include_str!("../../../catalogs/threat_response.toml"),
    ),
    ("cortex.toml", include_str!("../../../catalogs/cortex.toml")),
    (
        "securecloud.toml",
        include_str!("../../../catalogs/securecloud.toml"),
    ),
];

/// A product; see the module's text.
#[derive(Debug, Clone)]
pub struct Product {
    /// Its word everywhere.
    pub name: ProductName,
    /// Its name for people.
    pub title: String,
    /// One sentence about it.
    pub description: String,
    /// How its scopes compare.
    pub algebra: Algebra,
    /// Its scopes by their text, in catalog order of the text.
    pub scopes: BTreeMap<Scope, ScopeEntry>,
    /// Bundles of scopes that are offered together, in catalog order.
    pub presets: Vec<Preset>,
    /// The same as a wish names them, by `+` and the preset's name.
    pub aliases: Aliases,
    /// What a listed resource scope may be of.
    pub resource_kinds: BTreeSet<String>,
    /// Those of them that the reach of a key or a person is about.
    pub reach_kinds: BTreeSet<String>,
    /// Its built-in roles.
    pub roles: Vec<Role>,
    /// Those of them that are given only with what they reach said: listed, or expressly all.
    pub named_reach: BTreeSet<RoleId>,
    /// Whether organizations may define roles for it.
    pub custom_roles: bool,
    /// The kinds of key that may be made.
    pub kinds: Vec<Kind>,
    /// What a key owes to its owner.
    pub owner: OwnerRule,
    /// Whether names of living keys are unique in an organization.
    pub unique_names: bool,
    /// What is chosen when a key is made, and stays.
    pub fixed: BTreeSet<Fixed>,
    /// Whom the holders of scopes that administer keys administer.
    pub administrators: Administrators,
    /// Whether a key that administers keys has no other scopes.
    pub administers_only: bool,
    /// Whether its reports tell of each call with its keys: by verb, path, status and program.
    pub reports_calls: bool,
    /// Allowed networks per key.
    pub max_addresses: usize,
    /// The expiry of a key whose maker names none; `None` is never.
    pub default_lifetime: Option<Span>,
    /// The lives of keys that are offered for choice, in this order.
    pub periods: Vec<Period>,
    /// The longest expiry; `None` is any.
    pub max_lifetime: Option<Span>,
    /// The same two for keys that are made by keys of the product itself; `None` is as for everybody.
    pub made_by_keys: Option<Lifetimes>,
    /// How long the previous secret lives on when nobody says.
    pub default_overlap: Span,
    /// The longest such time.
    pub max_overlap: Span,
    /// How the public identifier of a client looks.
    pub handle: HandleShape,
    /// How a secret looks.
    pub secret: SecretShape,
    /// How its tokens are.
    pub tokens: Tokens,
    /// The rolling windows that count requests.
    pub limits: Vec<ProductLimit>,
    /// SHA-256 of the file's text, in hexadecimal: replicas with other files say so.
    pub digest: String,
    /// The file's text.
    pub text: String,
}

/// What a catalog says of a scope.
#[derive(Debug, Clone)]
pub struct ScopeEntry {
    /// One sentence: what it lets one do.
    pub description: String,
    /// Left out of lists offered to people.
    pub hidden: bool,
    /// Its holder is bound by no reach.
    pub unbounded: bool,
    /// The scopes of product `latchkey` that its holder has within this product.
    pub administers: Vec<Scope>,
}

/// What a key owes to its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerRule {
    /// Nothing.
    None,
    /// It is refused while the owner is not active.
    Active,
    /// Besides, it never has more than the owner has now.
    Live,
}

/// What of a key cannot be edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fixed {
    /// Its name.
    Name,
    /// Its roles and scopes, and what they reach.
    Grants,
}

/// Whom a key of a product administers that holds a scope which administers keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Administrators {
    /// Keys that administer nothing; it may give them whatever administers nothing, also what it lacks itself.
    #[default]
    Others,
    /// Every key of the product, its like included; it may give no more than it has itself.
    All,
}

/// How long keys live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifetimes {
    default_lifetime_seconds: Option<i64>,
    max_lifetime_seconds: Option<i64>,
}

/// How the public identifier of a key looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandleShape {
    /// The key's own id.
    Native,
    /// 32 hexadecimal digits, new with each rotation.
    Hex32,
    /// `client-` and a UUID; it stays.
    ClientUuid,
    /// The next number of one sequence for the whole server; it stays.
    Number,
}

/// How a secret looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretShape {
    /// `lk_…`, with checksum and tag.
    Native,
    /// 44 letters and digits (256 bits).
    Base62,
    /// 128 letters and digits.
    Alphanumeric128,
    /// 54 characters of base64url: 40 random bytes without padding.
    Base64url54,
}

/// A limit that a product sets for everybody.
#[derive(Debug, Clone)]
pub struct ProductLimit {
    /// Its name; `token` counts issuance.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// What shares one window.
    pub per: Per,
    /// Prefixes of the request path that spend it; none: whatever spends it by name.
    pub paths: Vec<String>,
    /// The windows, all spent or none.
    pub windows: Vec<Limit>,
}

/// What shares one window of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each key its own.
    Key,
    /// The keys of an organization together.
    Organization,
    /// The keys of an owner together.
    Owner,
    /// The callers of a route together.
    Route,
}

/// A catalog that cannot be used, and where.
#[derive(Debug, thiserror::Error)]
#[error("catalog {file}: {why}")]
pub struct BadCatalog {
    /// The file.
    pub file: String,
    /// What to mend.
    pub why: String,
}

impl Product {
    /// Reads one catalog file. Every name in it is checked: a role's scopes exist, ids are not used twice.
    pub fn parse(file: &str, text: &str) -> Result<Self, BadCatalog> {
        let bad = |why: String| BadCatalog {
            file: file.to_owned(),
            why,
        };
        let written: File = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
        let name = ProductName::new(&written.name).map_err(|error| bad(error.to_string()))?;
        let algebra = match written.algebra {
            AlgebraText::Dotted {
                ignore_case,
                write_covers_read,
            } => Algebra::Dotted {
                ignore_case,
                write_covers_read,
            },
            AlgebraText::Slash => Algebra::Slash,
        };
        let scope = |text: &str| {
            algebra
                .parse(text)
                .map_err(|error| bad(format!("scope {text:?}: {error}")))
        };

        let mut scopes = BTreeMap::new();
        for entry in &written.scopes {
            let administers = entry
                .administers
                .names()
                .iter()
                .map(|name| Scope::new(name));
            let administers = administers
                .collect::<Result<_, _>>()
                .map_err(|error| bad(format!("scope {:?}: {error}", entry.name)))?;
            let meaning = ScopeEntry {
                description: entry.description.clone(),
                hidden: entry.hidden,
                unbounded: entry.unbounded,
                administers,
            };
            if scopes.insert(scope(&entry.name)?, meaning).is_some() {
                return Err(bad(format!("scope {:?} stands twice", entry.name)));
            }
        }

        let mut roles = Vec::new();
        for role in &written.roles {
            let held: Vec<Scope> = role
                .scopes
                .iter()
                .map(|text| scope(text))
                .collect::<Result<_, _>>()?;
            if let Some(unknown) = held.iter().find(|held| !scopes.contains_key(held)) {
                return Err(bad(format!(
                    "role {:?}: scope {:?} is not declared",
                    role.name,
                    unknown.as_str()
                )));
            }
            roles.push(Role {
                id: role.id,
                organization: None,
                product: name.clone(),
                name: RoleName::new(&role.name).map_err(|error| bad(error.to_string()))?,
                description: Comment::new(&role.description)
                    .map_err(|error| bad(error.to_string()))?,
                scopes: held,
                deleted: false,
                version: 1,
            });
        }

        let (presets, aliases) = presets::read(&written.presets, algebra, &scopes).map_err(&bad)?;

        let mut limits = Vec::new();
        for limit in written.limits {
            let window = |calls: &Calls| {
                let name = format!("{}-{}s", limit.name, calls.seconds);
                Limit::new(&name, calls.calls, Span::from_secs(calls.seconds))
                    .map_err(|e| bad(e.to_string()))
            };
            for documented in &limit.documented {
                window(documented)?;
            }
            let windows = limit
                .in_force
                .iter()
                .map(window)
                .collect::<Result<_, _>>()?;
            let ProductLimitText {
                name,
                description,
                per,
                paths,
                ..
            } = limit;
            limits.push(ProductLimit {
                name,
                description,
                per,
                paths,
                windows,
            });
        }

        let numbered = written.shape.handle == HandleShape::Number;
        if numbered && written.kinds.contains(&Kind::Client) {
            return Err(bad(
                "a client's id is shown with its secret before it could be numbered".to_owned(),
            ));
        }
        let periods = period::read(&written.keys).map_err(bad)?;
        let asks_for_reach = |role: &&RoleText| role.reach == Some(RoleReach::Named);
        let named_reach = written.roles.iter().filter(asks_for_reach);
        let named_reach: BTreeSet<RoleId> = named_reach.map(|role| role.id).collect();
        if !named_reach.is_empty() && written.resource_kinds.is_empty() {
            return Err(bad(
                "a role asks for resources and there are none".to_owned()
            ));
        }
        if let Some(kind) = written
            .reach_kinds
            .iter()
            .find(|kind| !written.resource_kinds.contains(kind))
        {
            return Err(bad(format!("reach_kinds: {kind:?} is no resource kind")));
        }
        let positive = |seconds: Option<i64>| seconds.map(Span::from_secs);
        Ok(Product {
            name,
            title: written.title,
            description: written.description,
            algebra,
            scopes,
            presets,
            aliases,
            reach_kinds: written.reach_kinds.into_iter().collect(),
            resource_kinds: written.resource_kinds.into_iter().collect(),
            roles,
            named_reach,
            custom_roles: written.custom_roles,
            kinds: written.kinds,
            owner: written.owner,
            unique_names: written.keys.unique_names,
            fixed: written.keys.fixed,
            administrators: written.keys.administrators,
            administers_only: written.keys.administers_only,
            reports_calls: written.reports_calls,
            max_addresses: written.keys.max_addresses,
            default_lifetime: positive(written.keys.default_lifetime_seconds),
            periods,
            max_lifetime: positive(written.keys.max_lifetime_seconds),
            made_by_keys: written.keys.made_by_keys,
            default_overlap: Span::from_secs(written.rotation.default_overlap_seconds),
            max_overlap: Span::from_secs(written.rotation.max_overlap_seconds),
            handle: written.shape.handle,
            secret: written.shape.secret,
            tokens: written.tokens,
            limits,
            digest: hex(
                aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref(),
            ),
            text: text.to_owned(),
        })
    }

    /// Reads the catalogs that are compiled in.
    pub fn built_in() -> Result<Vec<Product>, BadCatalog> {
        BUILT_IN
            .iter()
            .map(|(file, text)| Product::parse(file, text))
            .collect()
    }

    /// The expiry of a key whose maker names none, and the longest one: as for everybody, or `by_key` for those who are keys
    /// of this product themselves. `None` is never, and any.
    pub(crate) fn lifetimes(&self, by_key: bool) -> (Option<Span>, Option<Span>) {
        match self.made_by_keys.filter(|_| by_key) {
            Some(lifetimes) => (
                lifetimes.default_lifetime_seconds.map(Span::from_secs),
                lifetimes.max_lifetime_seconds.map(Span::from_secs),
            ),
            None => (self.default_lifetime, self.max_lifetime),
        }
    }

    /// Whether its keys are presented in this server's own way.
    pub fn is_native(&self) -> bool {
        self.secret == SecretShape::Native
    }
}

impl Authority {
    /// Puts this process's catalogs in force where the store has none or others. Run once, at start: the process that
    /// started last brings the newest files, and those that run with others find out through the feed.
    pub(crate) async fn apply_catalogs(&self) -> Result<(), Failure> {
        let products = self.products();
        let put = move |change: &mut Change<'_>| -> Result<(), Failure> {
            for product in &products {
                let version = match change.catalog(&product.name)? {
                    Some(Found::Good(stored)) if stored.digest == product.digest => continue,
                    Some(Found::Good(stored)) => stored.version,
                    Some(tampered) => tampered.trusted().map(|stored| stored.version)?,
                    None => 0,
                };
                let (product, digest) = (product.name.clone(), product.digest.clone());
                let body = text_of(&products, &product);
                change.put_catalog(
                    Catalog {
                        product,
                        digest,
                        body,
                        version,
                    },
                    NO_DETAIL,
                )?;
            }
            Ok(())
        };
        let changed = self
            .store()
            .change(Actor::SYSTEM, self.now(), |_| Ok(()), put)
            .await?;
        // Where nothing was put there is nothing to wait for, least of all for a process that was killed.
        if !changed.subjects.is_empty() {
            self.settle(&changed).await?;
        }
        self.compare_catalogs().await?;
        Ok(())
    }

    /// Whether this process answers by the catalogs in force; if not, it is not ready.
    pub fn catalogs_agree(&self) -> bool {
        self.0.catalogs_agree.load(Ordering::Acquire)
    }

    /// Looks again which catalogs are in force.
    pub(crate) async fn compare_catalogs(&self) -> Result<(), Fault> {
        let stored = self
            .store()
            .view::<_, Fault>(|view| view.catalogs_page(None, MAX_PAGE))
            .await?;
        let stored: Vec<Catalog> = stored.into_iter().filter_map(Found::good).collect();
        let other = self.products().iter().find_map(|product| {
            let same = |stored: &&Catalog| {
                stored.product == product.name && stored.digest == product.digest
            };
            stored
                .iter()
                .find(same)
                .is_none()
                .then(|| product.name.clone())
        });
        if let Some(product) = &other {
            tracing::error!(%product, "another version of this product's catalog is in force; this replica is not ready");
        }
        self.0
            .catalogs_agree
            .store(other.is_none(), Ordering::Release);
        Ok(())
    }
}

fn text_of(products: &[Arc<Product>], name: &ProductName) -> String {
    products
        .iter()
        .find(|product| product.name == *name)
        .map(|product| product.text.clone())
        .unwrap_or_default()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    title: String,
    description: String,
    algebra: AlgebraText,
    owner: OwnerRule,
    kinds: Vec<Kind>,
    #[serde(default)]
    resource_kinds: Vec<String>,
    #[serde(default)]
    reach_kinds: Vec<String>,
    custom_roles: bool,
    #[serde(default)]
    reports_calls: bool,
    keys: KeysText,
    rotation: RotationText,
    shape: ShapeText,
    tokens: Tokens,
    #[serde(default)]
    limits: Vec<ProductLimitText>,
    scopes: Vec<ScopeText>,
    #[serde(default)]
    presets: Vec<PresetText>,
    #[serde(default)]
    roles: Vec<RoleText>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum AlgebraText {
    Dotted {
        ignore_case: bool,
        write_covers_read: bool,
    },
    Slash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysText {
    unique_names: bool,
    #[serde(default)]
    fixed: BTreeSet<Fixed>,
    #[serde(default)]
    administrators: Administrators,
    #[serde(default)]
    administers_only: bool,
    max_addresses: usize,
    default_lifetime_seconds: Option<i64>,
    #[serde(default)]
    periods: Vec<PeriodText>,
    max_lifetime_seconds: Option<i64>,
    made_by_keys: Option<Lifetimes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotationText {
    default_overlap_seconds: i64,
    max_overlap_seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShapeText {
    handle: HandleShape,
    secret: SecretShape,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProductLimitText {
    name: String,
    description: String,
    per: Per,
    paths: Vec<String>,
    documented: Vec<Calls>,
    in_force: Vec<Calls>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Calls {
    calls: u64,
    seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeText {
    name: String,
    description: String,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    unbounded: bool,
    #[serde(default)]
    administers: Names,
}

/// One name, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl Default for Names {
    fn default() -> Self {
        Names::Many(Vec::new())
    }
}

impl Names {
    fn names(&self) -> &[String] {
        match self {
            Names::One(name) => std::slice::from_ref(name),
            Names::Many(names) => names,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleText {
    id: RoleId,
    reach: Option<RoleReach>,
    name: String,
    description: String,
    scopes: Vec<String>,
}

/// Whether giving a role says what it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoleReach {
    /// It does.
    Named,
}

#[cfg(test)]
mod tests;
