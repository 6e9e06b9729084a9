//! Fresh secrets in the shape that the product says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use credential::family::Family;
use credential::id::FamilyId;
use credential::key::{Key, Kind, Minted, Proof};
use credential::secret::Secret;
use credential::time::Instant;
use credential::token::{self, Word};

use super::new_family;
use crate::Authority;
use crate::catalog::{HandleShape, Product, SecretShape, hex};
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
        let shaped = |word| -> Result<Secret, Failure> {
            match product.secret {
                SecretShape::Native => native(word),
                shape => self.foreign_secret(shape),
            }
        };
        let kept = |secret: &Secret| Proof::Digest(*secret.digest().as_bytes());
        let handle = self.handle_for(product, key)?;
        match key.kind {
            Kind::Static => {
                let secret = shaped(Word::Key)?;
                let minted = Minted {
                    handle,
                    proof: kept(&secret),
                };
                Ok(Fresh {
                    minted,
                    shown: Shown::Static { secret },
                    family: None,
                })
            }
            Kind::Signed => {
                let secret = shaped(Word::Signed)?;
                let minted = Minted {
                    handle,
                    proof: Proof::Secret(secret.expose().to_owned()),
                };
                Ok(Fresh {
                    minted,
                    shown: Shown::Signed { secret },
                    family: None,
                })
            }
            Kind::Client => {
                let client_secret = shaped(Word::Client)?;
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

impl Authority {
    /// A secret in the shape of a foreign system: 256 random bits or more, and nothing but them.
    fn foreign_secret(&self, shape: SecretShape) -> Result<Secret, Failure> {
        Ok(Secret::from(match shape {
            SecretShape::Native | SecretShape::Base62 => {
                token::alphanumeric(&self.entropy().draw::<32>()?)
            }
            SecretShape::Alphanumeric128 => {
                let mut text = token::alphanumeric(&self.entropy().draw::<96>()?);
                text.truncate(128);
                text
            }
            SecretShape::Base64url54 => BASE64URL.encode(self.entropy().draw::<40>()?),
        }))
    }

    /// The public identifier of a key's next secret, in the shape that its product says. A number is given inside of
    /// the change that makes the key (`KEY_NUMBERS`).
    fn handle_for(&self, product: &Product, key: &Key) -> Result<Option<String>, Failure> {
        let kept = key.current.handle.clone();
        Ok(match product.handle {
            HandleShape::Native => None,
            HandleShape::Hex32 => Some(hex(&self.entropy().draw::<16>()?)),
            HandleShape::Number => kept,
            HandleShape::ClientUuid => match kept {
                Some(handle) => Some(handle),
                None => Some(format!("client-{}", random_uuid(self.entropy().draw()?))),
            },
        })
    }
}

/// A UUID of version 4 (RFC 9562, section 5.4) of these random bytes.
fn random_uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex(&bytes);
    [
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..],
    ]
    .join("-")
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
