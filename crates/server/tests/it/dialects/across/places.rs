//! What each system has in an organization: keys, and what can be bought with them.

use credential::id::OrganizationId;
use credential::key::Kind;
use credential::name::ProductName;

use super::credentials::Place;
use super::parties::{ADMINISTRATOR, KEY_ADMIN, PERSON_TOKEN};
use crate::dialects::securecloud as people;
use crate::house::House;

pub(super) async fn native(house: &House, organization: OrganizationId, name: &str) -> Place {
    let mut place = Place::of("native", name);
    let role = crate::native::ADMINISTRATOR.parse().unwrap();
    let everything = credential::grant::Resources::All;
    let called = format!("native administrator {name}");
    let admin = house
        .key_of_role(organization, "latchkey", &called, role, everything)
        .await;
    place.add(ADMINISTRATOR, &admin);
    let scopes = ["latchkey.keys:read", "latchkey.verify"];
    let called = format!("native client {name}");
    let client = house
        .key(organization, "latchkey", Kind::Client, &called, &scopes)
        .await;
    place
        .add_client(house, "a client", "a client's token", &client)
        .await;
    place
        .victim_of(house, organization, "sample", Kind::Static)
        .await;
    place
}

pub(super) async fn oauth2(house: &House, organization: OrganizationId, name: &str) -> Place {
    let mut place = Place::of("oauth2", name);
    let called = format!("oauth2 client {name}");
    let scopes = ["sample.orders:read"];
    let client = house
        .key(organization, "sample", Kind::Client, &called, &scopes)
        .await;
    place
        .add_client(house, "a client", "a client's token", &client)
        .await;
    place
        .victim_of(house, organization, "sample", Kind::Client)
        .await;
    place
}

pub(super) async fn gateway(house: &House, organization: OrganizationId, name: &str) -> Place {
    let mut place = Place::of("gateway", name);
    let called = format!("gateway {name}");
    let scopes = ["latchkey.gateway"];
    let asker = house
        .key(organization, "latchkey", Kind::Static, &called, &scopes)
        .await;
    place.add("a gateway's key", &asker);
    let called = format!("shopper {name}");
    let scopes = ["sample.orders:read"];
    let shopper = house
        .key(organization, "sample", Kind::Static, &called, &scopes)
        .await;
    place.add("a key", &shopper);
    place
        .victim_of(house, organization, "sample", Kind::Static)
        .await;
    place
}

pub(super) async fn secure_access(
    house: &House,
    organization: OrganizationId,
    name: &str,
) -> Place {
    let mut place = Place::of("secure_access", name);
    let all = ["create", "read", "update", "delete", "refresh"]
        .map(|action| format!("admin.apikeys:{action}"));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let opens = [
        "deployments.roamingcomputers:read",
        "reports.apiusage:read",
        "policies.rules:write",
    ];
    for (kind, token, called, scopes) in [
        ("a key administrator", KEY_ADMIN, "key admin", &all[..]),
        ("an API key", "an API key's token", "api key", &opens),
    ] {
        let called = format!("secure_access {called} {name}");
        let key = house
            .key(organization, "secure_access", Kind::Client, &called, scopes)
            .await;
        place.add_client(house, kind, token, &key).await;
    }
    place
        .victim_of(house, organization, "secure_access", Kind::Client)
        .await;
    place
}

pub(super) async fn securecloud(house: &House, organization: OrganizationId, name: &str) -> Place {
    let mut place = plain(house, organization, name, "securecloud", &[Kind::Jwt]).await;
    let email = format!("grace@{}.example", name.to_lowercase());
    let roles = [people::ADMIN];
    people::person(house, organization, &email, &roles).await;
    let password = people::PASSWORD;
    let token = people::token(house, &email, password).await;
    place.add_token(PERSON_TOKEN, email, token.unwrap());
    place
}

/// The strongest keys of a product, of each of these kinds.
pub(super) async fn plain(
    house: &House,
    organization: OrganizationId,
    name: &str,
    product: &'static str,
    kinds: &'static [Kind],
) -> Place {
    let mut place = Place::of(product, name);
    let scopes = strongest(house, product);
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    for kind in kinds {
        let called = format!("{product} {} {name}", kind.as_str());
        let key = house
            .key(organization, product, *kind, &called, &scopes)
            .await;
        match kind {
            Kind::Client => {
                place
                    .add_client(house, "a client", "a client's token", &key)
                    .await;
            }
            _ => place.add("a key", &key),
        }
    }
    place
        .victim_of(house, organization, product, kinds[0])
        .await;
    place
}

/// The scopes of the built-in role that has the most of them; where there are no roles, all.
pub(super) fn strongest(house: &House, product: &str) -> Vec<String> {
    let world = house.authority.world();
    let product = world.product(&ProductName::new(product).unwrap()).unwrap();
    let most = product.roles.iter().max_by_key(|role| role.scopes.len());
    let text = |scope: &credential::scope::Scope| scope.as_str().to_owned();
    match most {
        Some(role) => role.scopes.iter().map(text).collect(),
        None => product.scopes.keys().map(text).collect(),
    }
}
