//! Subscriptions: what an organization has claimed of what is offered. The offers are data, in `offers.toml` beside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use authority::Authority;
use authority::organizations::Turn;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use credential::id::SubscriptionId;
use credential::organization::{Email, Region};
use credential::subscription::{Offer, Placement, Subscription};
use http::StatusCode;
use serde::Deserialize;

use super::call::{Answer, Call, product};
use super::errors::No;
use super::translate;
use super::wire::{ClaimCode, NewSubscription, Quantities, Subscriptions, TurnedProduct};
use crate::dialects::json;

const READ: &str = "platform.subscriptions:read";
const WRITE: &str = "platform.subscriptions:write";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offers {
    offers: Vec<Offer>,
}

static OFFERS: LazyLock<Result<Vec<Offer>, toml::de::Error>> = LazyLock::new(|| {
    let read: Offers = toml::from_str(include_str!("offers.toml"))?;
    Ok(read.offers)
});

/// What can be claimed.
pub(super) fn offers() -> Result<&'static [Offer], &'static toml::de::Error> {
    OFFERS.as_deref()
}

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let query = call.query()?;
        let mut shown: Vec<_> = all(&call)
            .await?
            .iter()
            .map(translate::subscription)
            .collect();
        if let Some(part) = query.get("name") {
            let part = part.to_lowercase();
            shown.retain(|one| one.claimed.name.to_lowercase().contains(&part));
        }
        let shown = Subscriptions {
            subscriptions: shown,
        };
        Ok(json(StatusCode::OK, &shown))
    }
    .await;
    answer.into_response()
}

pub(super) async fn read(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let id: SubscriptionId = call.thing()?;
        let all = all(&call).await?;
        let one = all
            .iter()
            .find(|one| one.id == id)
            .ok_or_else(No::not_found)?;
        Ok(json(StatusCode::OK, &translate::subscription(one)))
    }
    .await;
    answer.into_response()
}

pub(super) async fn claim(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let organization = call.organization()?.id;
        let wanted: NewSubscription = call.wanted()?;
        let offer = offer(&wanted.claim_code)?;
        // The offer says what it is; the word says no more than that, and is one of three.
        if let Some(word) = &wanted.kind
            && !["trial", "free", "paid"].contains(&word.as_str())
        {
            return Err(No::bad_request("type: expected trial, free or paid"));
        }
        let mut placements = Vec::with_capacity(wanted.products.len());
        for product in wanted.products {
            placements.push(Placement {
                product: product.id,
                region: region(product.region_code.as_deref())?,
                instance: None,
            });
        }
        let claimed = authority
            .claim(&call.caller, organization, &product()?, offer, &placements)
            .await?;
        Ok(json(
            StatusCode::CREATED,
            &translate::claimed(&claimed.value),
        ))
    }
    .await;
    answer.into_response()
}

pub(super) async fn turn(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let (organization, id) = (call.organization()?.id, call.thing()?);
        let wanted: TurnedProduct = call.wanted()?;
        // Nothing is set up elsewhere from here, so nobody is made its first administrator.
        if let Some(email) = &wanted.initial_admin {
            Email::new(email).map_err(|why| No::bad_request(format!("initialAdmin: {why}")))?;
        }
        let turn = match wanted.status {
            true => Turn::On(Placement {
                product: wanted.product_id,
                region: region(wanted.region_code.as_deref())?,
                instance: wanted.source_instance_id,
            }),
            false => Turn::Off(wanted.product_id),
        };
        let turned = authority
            .turn_claimed(&call.caller, organization, &product()?, id, turn)
            .await?;
        Ok(json(
            StatusCode::OK,
            &translate::subscription(&turned.value),
        ))
    }
    .await;
    answer.into_response()
}

pub(super) async fn share(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let (organization, id) = (call.organization()?.id, call.thing()?);
        let wanted: Quantities = call.wanted()?;
        let own_instances: BTreeSet<String> = wanted.own_instances().cloned().collect();
        let mut quantities = BTreeMap::new();
        for one in wanted.entitlements {
            if quantities.insert(one.id, one.quantity).is_some() {
                return Err(No::bad_request("entitlements: one is named twice"));
            }
        }
        let shared = authority
            .share_claimed(
                &call.caller,
                organization,
                &product()?,
                id,
                quantities,
                own_instances,
            )
            .await?;
        Ok(json(
            StatusCode::OK,
            &translate::subscription(&shared.value),
        ))
    }
    .await;
    answer.into_response()
}

/// What a code would claim; whoever could claim it may ask.
pub(super) async fn claim_info(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        call.organization()?;
        let wanted: ClaimCode = call.wanted()?;
        Ok(json(
            StatusCode::OK,
            &translate::offer(offer(&wanted.claim_code)?),
        ))
    }
    .await;
    answer.into_response()
}

async fn all(call: &Call<'_>) -> Result<Vec<Subscription>, No> {
    let organization = call.organization()?.id;
    let all = call
        .authority
        .subscriptions(&call.caller, organization, &product()?)
        .await?;
    Ok(all)
}

fn offer(code: &str) -> Result<&'static Offer, No> {
    let offers = offers().map_err(|error| {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "the offers cannot be read"
        );
        No::of(StatusCode::INTERNAL_SERVER_ERROR)
    })?;
    let offer = offers.iter().find(|offer| offer.code == code);
    offer.ok_or_else(|| No::bad_request("invalid claim code provided"))
}

/// A region by its code; one operation of the SDK has other words for two of them.
fn region(code: Option<&str>) -> Result<Option<Region>, No> {
    let code = match code {
        Some("APAC") => Some("APJC"),
        Some("US") => Some("NAM"),
        other => other,
    };
    code.map(translate::region).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offer_has_a_code_of_its_own_and_products_that_are_to_be_had_somewhere() {
        let offers = offers().unwrap();
        let codes: BTreeSet<&str> = offers.iter().map(|offer| offer.code.as_str()).collect();
        assert_eq!(codes.len(), offers.len());
        for offer in offers {
            assert!(!offer.products.is_empty(), "{}", offer.code);
            for product in &offer.products {
                assert!(!product.entitlements.is_empty(), "{}", product.name);
                assert!(!product.regions.is_empty(), "{}", product.name);
                for region in &product.regions {
                    assert_eq!(translate::region(region.as_str()).as_ref(), Ok(region));
                }
            }
        }
    }
}
