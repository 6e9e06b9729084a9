//! What a token says besides what every token of ours says. Programs decode it for display; nothing is decided by it.

use super::errors::texts;
use authority::tokens::{About, Words};
use credential::time::Span;
use serde_json::{Map, Value, json};

/// How the names of their claims begin.
const PREFIX: &str = "https://schemas.cisco.com/iroh/identity/claims";
/// How far before its issue a token is said to be good, for clocks that are behind.
const BEFORE: Span = Span::from_secs(60);
/// The longest lists of scopes in all that stand in a token besides `scope`: it is sent in a header with every request.
const LONGEST_LISTS: usize = 2 * 1024;

/// The words of an API client's token.
pub(super) struct OfClient;

impl Words for OfClient {
    /// The person that the client acts as; a client that no person made acts as itself.
    fn subject(&self, about: &About<'_>) -> String {
        match about.key.owner {
            Some(owner) => owner.to_string(),
            None => about.key.id.to_string(),
        }
    }

    fn claims(&self, about: &About<'_>) -> Map<String, Value> {
        let (key, world) = (about.key, about.world);
        let mut claims = Map::new();
        claims.insert(
            "nbf".to_owned(),
            (about.issued_at.seconds() - BEFORE.seconds()).into(),
        );
        let mut say = |name: &str, value: Value| {
            claims.insert(format!("{PREFIX}/{name}"), value);
        };
        say("oauth/client/id", json!(key.current.handle));
        say("oauth/client/name", key.name.as_str().into());
        say("oauth/grant", "client-creds".into());
        say("oauth/kind", "access-token".into());
        say("org/id", key.organization.to_string().into());
        say("version", "1".into());
        if let Some(organization) = world.organization(key.organization) {
            say("org/name", organization.name.as_str().into());
        }
        let owner = key.owner.and_then(|owner| world.user(owner));
        let of_owner = owner.and_then(|owner| {
            let product = world.product(&key.product)?;
            Some(texts(world.user_rights(product, owner.id).names()))
        });
        let of_token = texts(about.scopes);
        let length = |list: &Vec<String>| list.iter().map(String::len).sum::<usize>();
        let lists = 2 * length(&of_token) + of_owner.as_ref().map_or(0, length);
        if lists <= LONGEST_LISTS {
            say("scopes", of_token.clone().into());
            say("oauth/scopes", of_token.into());
            if let Some(scopes) = of_owner {
                say("user/scopes", scopes.into());
            }
        }
        if let Some(owner) = owner {
            say("user/id", owner.id.to_string().into());
            say("user/email", owner.email.as_str().into());
            say("user/name", owner.name.as_str().into());
            say("user/nick", owner.name.as_str().into());
            say("oauth/user/id", owner.id.to_string().into());
            claims.insert("email".to_owned(), owner.email.as_str().into());
        }
        claims
    }
}
