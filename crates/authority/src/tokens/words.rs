//! What a token says besides what every token says: whoever asks for it brings the words.

use credential::key::Key;
use credential::scope::Scope;
use credential::time::Instant;
use serde_json::{Map, Value};

use crate::world::World;

/// A token that is about to be signed.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The key it is for.
    pub key: &'a Key,
    /// The number of the key's organization.
    pub number: i64,
    /// The world in which it was decided.
    pub world: &'a World,
    /// What it carries.
    pub scopes: &'a [Scope],
    /// The moment of its issue.
    pub issued_at: Instant,
    /// It is good before this moment.
    pub expires_at: Instant,
}

/// The words of one kind of token.
pub trait Words {
    /// Its `sub`.
    fn subject(&self, about: &About<'_>) -> String;

    /// Further claims. Those that every token has stay as they are, whatever stands here.
    fn claims(&self, _about: &About<'_>) -> Map<String, Value> {
        Map::new()
    }
}

/// A subject, and nothing more.
pub struct OfSubject<F>(pub F);

impl<F: Fn(&Key, i64) -> String> Words for OfSubject<F> {
    fn subject(&self, about: &About<'_>) -> String {
        (self.0)(about.key, about.number)
    }
}
