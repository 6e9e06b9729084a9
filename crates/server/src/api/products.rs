//! Products and what keys of them may: `/api/v1/products`.

use authority::catalog::{OwnerRule, Period, Preset, TokenType};
use authority::products::SeenProduct;
use axum::extract::State;
use axum::response::Response;
use credential::name::ProductName;
use credential::time::{Span, Term};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::json;
use super::keys::wire::{KindShape, LimitView};
use super::refusal::problem;
use super::request::{By, Id};
use super::roles::RoleView;
use super::{Api, Served};
use crate::problem::Problem;

pub(super) fn serve(served: Served) -> Served {
    served.at(__path_list, list).at(__path_read, read)
}

/// An API family that keys open.
#[derive(Serialize, ToSchema)]
#[schema(as = Product)]
struct ProductView {
    /// Its word everywhere.
    name: String,
    /// Its name for people.
    title: String,
    /// One sentence about it.
    description: String,
    /// The kinds of key that may be made.
    #[schema(value_type = Vec<KindShape>)]
    kinds: Vec<&'static str>,
    /// What a key owes to its owner: `none`, `active` or `live`.
    owner: &'static str,
    /// What a listed resource scope may be of.
    resource_kinds: Vec<String>,
    /// Whether organizations may define roles for it.
    custom_roles: bool,
    /// Whether names of living keys are unique in an organization.
    unique_names: bool,
    /// Allowed networks per key.
    max_addresses: usize,
    /// The life of a key when nobody says; `null` is for good.
    #[schema(required)]
    default_lifetime_seconds: Option<i64>,
    /// The lives of keys that are offered for choice, in this order.
    periods: Vec<PeriodView>,
    /// The longest life of a key; `null` is any.
    #[schema(required)]
    max_lifetime_seconds: Option<i64>,
    /// How long the previous secret lives on when nobody says.
    default_overlap_seconds: i64,
    /// The longest such time.
    max_overlap_seconds: i64,
    /// How its access tokens are.
    tokens: TokensView,
    /// The rolling windows that count requests.
    limits: Vec<ProductLimitView>,
    /// Its scopes, without those that are not offered to people.
    scopes: Vec<ScopeView>,
    /// Scopes that are offered together.
    presets: Vec<PresetView>,
    /// Its built-in roles that the caller could give.
    roles: Vec<RoleView>,
    /// The ids of those of them that are given only with what they reach said: listed, or expressly all.
    named_reach: Vec<String>,
    /// SHA-256 of its catalog, in hexadecimal.
    digest: String,
}

/// A life of a key that is offered for choice: so many days, or months of the calendar.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductPeriod)]
struct PeriodView {
    /// What people call it, and what `expires_in` of a new key names it by.
    name: String,
    /// Days of 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    /// Months of the calendar, in UTC: to the same day, or to the last one of a shorter month.
    #[serde(skip_serializing_if = "Option::is_none")]
    months: Option<u32>,
    /// Whether a key gets it whose maker chooses none.
    default: bool,
}

impl From<&Period> for PeriodView {
    fn from(period: &Period) -> Self {
        let (days, months) = match period.term {
            Term::Days(days) => (Some(days), None),
            Term::Months(months) => (None, Some(months)),
        };
        Self {
            name: period.name.clone(),
            days,
            months,
            default: period.default,
        }
    }
}

/// How access tokens of a product are.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductTokens)]
struct TokensView {
    /// `jwt` or `opaque`.
    token_type: &'static str,
    /// The signature of a JWT.
    signing_algorithm: &'static str,
    /// How long an access token is good.
    access_token_seconds: i64,
    /// How long a refresh token is good; 0 where there are none.
    refresh_token_seconds: i64,
}

/// A limit that a product sets for everybody.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductLimit)]
struct ProductLimitView {
    /// Its name.
    name: String,
    /// One sentence about it.
    description: String,
    /// The windows, all spent or none.
    windows: Vec<LimitView>,
}

/// A scope of a product.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductScope)]
struct ScopeView {
    /// The scope.
    scope: String,
    /// What it lets one do.
    description: String,
}

/// Scopes of a product that are offered together.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductPreset)]
struct PresetView {
    /// Its word; where scopes are wished for, `+` and this word stands for what it holds.
    name: String,
    /// One sentence: whom it suits.
    description: String,
    /// What it stands for.
    scopes: Vec<String>,
}

impl From<&Preset> for PresetView {
    fn from(preset: &Preset) -> Self {
        let scopes = preset.scopes.iter();
        Self {
            name: preset.name.clone(),
            description: preset.description.clone(),
            scopes: scopes.map(|scope| scope.as_str().to_owned()).collect(),
        }
    }
}

impl From<&SeenProduct> for ProductView {
    fn from(seen: &SeenProduct) -> Self {
        let product = &seen.product;
        let scope =
            |(scope, entry): (&credential::scope::Scope, &authority::catalog::ScopeEntry)| {
                ScopeView {
                    scope: scope.as_str().to_owned(),
                    description: entry.description.clone(),
                }
            };
        Self {
            name: product.name.as_str().to_owned(),
            title: product.title.clone(),
            description: product.description.clone(),
            kinds: product.kinds.iter().map(|kind| kind.as_str()).collect(),
            owner: match product.owner {
                OwnerRule::None => "none",
                OwnerRule::Active => "active",
                OwnerRule::Live => "live",
            },
            resource_kinds: product.resource_kinds.iter().cloned().collect(),
            custom_roles: product.custom_roles,
            unique_names: product.unique_names,
            max_addresses: product.max_addresses,
            default_lifetime_seconds: product.default_lifetime.map(Span::seconds),
            periods: product.periods.iter().map(PeriodView::from).collect(),
            max_lifetime_seconds: product.max_lifetime.map(Span::seconds),
            default_overlap_seconds: product.default_overlap.seconds(),
            max_overlap_seconds: product.max_overlap.seconds(),
            tokens: TokensView {
                token_type: match product.tokens.token_type {
                    TokenType::Jwt => "jwt",
                    TokenType::Opaque => "opaque",
                },
                signing_algorithm: product.tokens.signing_algorithm.as_str(),
                access_token_seconds: product.tokens.access_life().seconds(),
                refresh_token_seconds: product.tokens.refresh_life().seconds(),
            },
            limits: product
                .limits
                .iter()
                .map(|limit| ProductLimitView {
                    name: limit.name.clone(),
                    description: limit.description.clone(),
                    windows: limit.windows.iter().map(LimitView::from).collect(),
                })
                .collect(),
            scopes: product
                .scopes
                .iter()
                .filter(|(_, entry)| !entry.hidden)
                .map(scope)
                .collect(),
            presets: product.presets.iter().map(PresetView::from).collect(),
            roles: seen.roles.iter().map(RoleView::from).collect(),
            named_reach: product
                .named_reach
                .iter()
                .map(|role| role.to_string())
                .collect(),
            digest: product.digest.clone(),
        }
    }
}

/// Every product that the caller may see.
#[derive(Serialize, ToSchema)]
struct Products {
    /// The products, by name.
    items: Vec<ProductView>,
}

/// Lists the products with their scopes and roles.
#[utoipa::path(get, path = "/api/v1/products", tag = "products", operation_id = "listProducts",
    responses((status = 200, description = "The products.", body = Products)))]
async fn list(State(api): State<Api>, By(caller): By) -> Result<Response, Problem> {
    let seen = api
        .authority
        .products_seen(&caller)
        .await
        .map_err(problem)?;
    json(
        StatusCode::OK,
        &Products {
            items: seen.iter().map(Into::into).collect(),
        },
    )
}

/// One product.
#[utoipa::path(get, path = "/api/v1/products/{name}", tag = "products", operation_id = "readProduct",
    params(("name" = String, Path, description = "The product.")),
    responses((status = 200, description = "The product.", body = ProductView)))]
async fn read(
    State(api): State<Api>,
    By(caller): By,
    Id(name): Id<ProductName>,
) -> Result<Response, Problem> {
    let seen = api
        .authority
        .product_seen(&caller, &name)
        .await
        .map_err(problem)?;
    json(StatusCode::OK, &ProductView::from(&seen))
}
