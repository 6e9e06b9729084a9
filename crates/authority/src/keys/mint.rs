//! Fresh secrets in the shape that the product says.

use credential::family::Family;
use credential::id::FamilyId;
use credential::key::{Key, Kind, Minted, Proof};
use credential::secret::Secret;
use credential::time::Instant;
use credential::token::{self, Word};

use super::new_family;
use crate::Authority;
use crate::catalog::{Product, SecretShape, hex};
use crate::failure::{Failure, Refusal};

/// What is shown once.
pub enum Shown {
    /// The key itself.
    Static {
        /// The key string.
        secret: Secret,
    },
    /// A signing secret.
    Signed {
        /// The secret that signs.
        secret: Secret,
    },
    /// Client credentials.
    Client {
        /// The public identifier.
        client_id: String,
        /// The secret.
        client_secret: Secret,
    },
    /// An access and a refresh token.
    TokenPair {
        /// Good for a while.
        access_token: Secret,
        /// Good once, for the next pair.
        refresh_token: Secret,
        /// The access token is good before this moment.
        access_expires_at: Instant,
        /// The refresh token is good before this moment.
        refresh_expires_at: Instant,
    },
    /// A signed JWT.
    Jwt {
        /// The token.
        token: Secret,
    },
}

impl Shown {
    /// The same once more, for a transaction that runs again: the one place where a secret is doubled, and both are
    /// wiped.
    pub(crate) fn again(&self) -> Shown {
        let copy = |secret: &Secret| Secret::from(secret.expose().to_owned());
        match self {
            Shown::Static { secret } => Shown::Static {
                secret: copy(secret),
            },
            Shown::Signed { secret } => Shown::Signed {
                secret: copy(secret),
            },
            Shown::Client {
                client_id,
                client_secret,
            } => Shown::Client {
                client_id: client_id.clone(),
                client_secret: copy(client_secret),
            },
            Shown::TokenPair {
                access_token,
                refresh_token,
                access_expires_at,
                refresh_expires_at,
            } => Shown::TokenPair {
                access_token: copy(access_token),
                refresh_token: copy(refresh_token),
                access_expires_at: *access_expires_at,
                refresh_expires_at: *refresh_expires_at,
            },
            Shown::Jwt { token } => Shown::Jwt { token: copy(token) },
        }
    }
}

/// A fresh secret: what is shown, and what is kept.
pub(crate) struct Fresh {
    pub(crate) minted: Minted,
    pub(crate) shown: Shown,
    pub(crate) family: Option<Family>,
}

impl Authority {
    /// A fresh secret for `generation` of a key.
    pub(crate) fn fresh_secret(
        &self,
        product: &Product,
        key: &Key,
        generation: u32,
        now: Instant,
    ) -> Result<Fresh, Failure> {
        let tags = self.tags();
        let native = |word| -> Result<Secret, Failure> {
            Ok(token::mint(
                word,
                key.id.as_bytes(),
                generation,
                &self.entropy().draw()?,
                &tags,
            ))
        };
        let kept = |secret: &Secret| Proof::Digest(*secret.digest().as_bytes());
        match key.kind {
            Kind::Static => {
                let secret = native(Word::Key)?;
                let minted = Minted {
                    handle: None,
                    proof: kept(&secret),
                };
                Ok(Fresh {
                    minted,
                    shown: Shown::Static { secret },
                    family: None,
                })
            }
            Kind::Signed => {
                let secret = native(Word::Signed)?;
                let minted = Minted {
                    handle: None,
                    proof: Proof::Secret(secret.expose().to_owned()),
                };
                Ok(Fresh {
                    minted,
                    shown: Shown::Signed { secret },
                    family: None,
                })
            }
            Kind::Client => {
                let client_secret = match product.secret {
                    SecretShape::Native => native(Word::Client)?,
                    SecretShape::Base62 => {
                        Secret::from(token::alphanumeric(&self.entropy().draw::<32>()?))
                    }
                };
                let handle = match product.makes_handles() {
                    true => Some(hex(&self.entropy().draw::<16>()?)),
                    false => None,
                };
                let client_id = handle.clone().unwrap_or_else(|| key.id.to_string());
                let minted = Minted {
                    handle,
                    proof: kept(&client_secret),
                };
                Ok(Fresh {
                    minted,
                    shown: Shown::Client {
                        client_id,
                        client_secret,
                    },
                    family: None,
                })
            }
            Kind::TokenPair if generation == 0 => {
                let family_id = FamilyId::mint(now, self.entropy().draw()?);
                let family = new_family(key, family_id, self.entropy().draw()?, product, now);
                let minted = Minted {
                    handle: None,
                    proof: Proof::Signature,
                };
                Ok(Fresh {
                    minted,
                    shown: pair(&family, &tags),
                    family: Some(family),
                })
            }
            Kind::Jwt if generation == 0 => {
                let token = self.sign_key_token(product, key, now)?;
                let minted = Minted {
                    handle: None,
                    proof: Proof::Signature,
                };
                Ok(Fresh {
                    minted,
                    shown: Shown::Jwt { token },
                    family: None,
                })
            }
            // A pair is refreshed with its refresh token; a JWT is as good as its key, and a new one is a new key.
            Kind::TokenPair | Kind::Jwt => {
                Err(Refusal::Key(credential::key::Refusal::NotRotatable(key.kind.as_str())).into())
            }
        }
    }
}

/// The current tokens of a family.
pub(crate) fn pair(family: &Family, tags: &token::TagKeys) -> Shown {
    Shown::TokenPair {
        access_token: family.access_token(family.generation, tags),
        refresh_token: family.refresh_token(family.generation, tags),
        access_expires_at: family
            .access_until(family.generation)
            .unwrap_or(family.rotated_at),
        refresh_expires_at: family.refresh_until,
    }
}
