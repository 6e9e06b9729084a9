//! What may be changed of a key while it lives.

use super::{Addresses, Key, Refusal};
use crate::grant::Grants;
use crate::limit::Limit;
use crate::role::{Comment, Name};
use crate::time::Instant;

/// Changes to a key; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// A new name.
    pub name: Option<Name>,
    /// A new comment.
    pub comment: Option<Comment>,
    /// New grants, in place of all earlier ones.
    pub grants: Option<Grants>,
    /// New allowed addresses, in place of all earlier ones.
    pub addresses: Option<Addresses>,
    /// New limits, in place of all earlier ones.
    pub limits: Option<Vec<Limit>>,
    /// A new expiry.
    pub expiry: Option<ExpiryChange>,
}

/// A new expiry, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryChange {
    /// For good.
    Never,
    /// Until that moment.
    At(Instant),
}

impl Key {
    /// Applies an edit. A revoked key never changes; an expired one may be given a later expiry.
    pub fn edit(self, edit: Edit, now: Instant) -> Result<Key, Refusal> {
        if self.is_revoked() {
            return Err(Refusal::Revoked);
        }
        let expires_at = match edit.expiry {
            None => self.expires_at,
            Some(ExpiryChange::Never) => None,
            Some(ExpiryChange::At(at)) if at <= now => return Err(Refusal::ExpiryInThePast),
            Some(ExpiryChange::At(at)) => Some(at),
        };
        Ok(Key {
            name: edit.name.unwrap_or(self.name),
            comment: edit.comment.unwrap_or(self.comment),
            grants: edit.grants.unwrap_or(self.grants),
            addresses: edit.addresses.unwrap_or(self.addresses),
            limits: edit.limits.unwrap_or(self.limits),
            expires_at,
            edited_at: now,
            ..self
        })
    }
}
