//! Access tokens: issued for client credentials, refreshed, asked about, revoked.

mod claims;
mod refresh;

use std::net::IpAddr;
use std::sync::Arc;

use credential::access::Allowed;
use credential::event::{Action, Actor, Subject, SubjectKind};
use credential::id::{FamilyId, TokenId};
use credential::key::{Ask, Denial, Key, Maker, Verdict, decide};
use credential::secret::Secret;
use credential::time::Instant;
use credential::token::{self, Word};
use store::change::NO_DETAIL;
use store::tokens::RevokedToken;
use store::{Fault, Found, Issue};

pub use claims::{Claims, Written};
pub use refresh::{NotRefreshed, RefreshedPair};

use crate::Authority;
use crate::caller::Caller;
use crate::catalog::{Product, TokenType};
use crate::failure::{Failure, Refusal};
use crate::keys::new_family;
use crate::verify::{Form, Presented, Question};

/// A request for an access token by client credentials (RFC 6749, section 4.4).
#[derive(Debug, Clone, Copy)]
pub struct TokenRequest<'a> {
    /// The client's id.
    pub client_id: &'a str,
    /// The client's secret.
    pub client_secret: &'a str,
    /// The scopes asked for; `None` is all the client has.
    pub scopes: Option<&'a [&'a str]>,
    /// Whether a scope that the client lacks is left out instead of refused.
    pub lenient: bool,
    /// Where the request comes from.
    pub from: Option<IpAddr>,
    /// The only product whose clients are served; `None` is every product.
    pub product: Option<&'a str>,
    /// The request's id, for the audit trail.
    pub request_id: &'a str,
}

/// An access token that was issued.
pub struct IssuedToken {
    /// The token.
    pub token: Secret,
    /// The key behind it.
    pub key: Arc<crate::keyring::Live>,
    /// What it carries, in order, spelled as the catalog does.
    pub scopes: Vec<String>,
    /// Its life in seconds.
    pub expires_in: i64,
}

/// Why no token was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoToken {
    /// The client is not good: unknown, wrong secret, revoked, disabled, expired.
    Client(Denial),
    /// It asks for what it does not have.
    Scope(String),
}

impl Authority {
    /// Issues an access token for client credentials. `subject` writes the token's `sub`.
    pub async fn issue_token(
        &self,
        request: &TokenRequest<'_>,
        subject: impl Fn(&Key, i64) -> String,
    ) -> Result<Result<IssuedToken, NoToken>, Failure> {
        let now = self.now();
        self.must_be_fresh()?;
        let presented = Presented::Pair { id: request.client_id, secret: request.client_secret };
        let proven = match self.proven(presented, now).await? {
            Ok(proven) => proven,
            Err(denial) => return Ok(Err(NoToken::Client(denial))),
        };
        let key = &proven.live.key;
        if request.product.is_some_and(|only| only != key.product.as_str()) {
            return Ok(Err(NoToken::Client(Denial::Unknown)));
        }
        let world = self.world();
        let Some(product) = world.product(&key.product) else {
            return Ok(Err(NoToken::Client(Denial::Unknown)));
        };
        let ask = Ask { scopes: &[], resource: None, from: request.from };
        if let Verdict::Denied(denial) = decide(key, &proven.live.rights, world.standing(key), &ask, now) {
            return Ok(Err(NoToken::Client(denial)));
        }
        let held = &proven.live.rights;
        let scopes = match request.scopes {
            None => proven.live.scopes.clone(),
            Some(asked) => {
                let mut scopes = Vec::new();
                for text in asked {
                    let scope = product.algebra.parse(text).ok();
                    match scope.filter(|scope| held.allows(scope, None) != Allowed::MissingScope) {
                        Some(scope) => scopes.push(scope),
                        None if request.lenient => {}
                        None => return Ok(Err(NoToken::Scope((*text).to_owned()))),
                    }
                }
                if scopes.is_empty() { proven.live.scopes.clone() } else { scopes }
            }
        };
        let limited = self.spend_named(&proven.live, "token", now).await?;
        if let Err(retry_after_ms) = limited {
            return Ok(Err(NoToken::Client(Denial::Limited { retry_after_ms })));
        }

        let life = product.tokens.access_life();
        let until = key.expires_at.map_or(now + life, |end| end.min(now + life));
        let id = TokenId::mint(now, self.entropy().draw()?);
        let actor = Actor::of(Maker::Key(key.id), Some(key.organization), request.from, request.request_id);
        let organization = Some(key.organization);
        let token = match product.tokens.token_type {
            TokenType::Jwt => {
                let number = world.organization(key.organization).map_or(0, |o| o.number);
                let written = Written {
                    iss: &self.settings().issuer,
                    sub: subject(key, number),
                    aud: product.name.as_str(),
                    client_id: request.client_id,
                    iat: now.seconds(),
                    exp: until.seconds(),
                    jti: id,
                    scope: Some(scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" ")),
                    key_id: key.id,
                    generation: proven.generation,
                };
                let token = self.sign_token(product, "at+jwt", &written)?;
                let subject = Subject { kind: SubjectKind::Token, id: id.to_string() };
                let note = move |issue: &mut Issue<'_>| {
                    issue.note(Action::TokenIssued, subject.clone(), organization, NO_DETAIL);
                    Ok::<(), Fault>(())
                };
                self.store().issue(actor, now, note).await?;
                token
            }
            TokenType::Opaque => {
                let family = FamilyId::mint(now, self.entropy().draw()?);
                let family = new_family(key, family, self.entropy().draw()?, product, now);
                let token = family.access_token(0, &self.tags());
                let write = move |issue: &mut Issue<'_>| {
                    issue.insert_family(&family, Action::TokenIssued, NO_DETAIL)
                };
                self.store().issue(actor, now, write).await?;
                token
            }
        };
        self.note_issue(&proven.live, proven.generation, request.from, now);
        Ok(Ok(IssuedToken {
            token,
            scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            expires_in: until.since(now).seconds(),
            key: Arc::clone(&proven.live),
        }))
    }

    /// The JWT that a key of kind `jwt` is.
    pub(crate) fn sign_key_token(&self, product: &Product, key: &Key, now: Instant) -> Result<Secret, Failure> {
        let end = key.expires_at.unwrap_or(Instant::MAX);
        let client_id = key.id.to_string();
        let written = Written {
            iss: &self.settings().issuer,
            sub: key.id.to_string(),
            aud: product.name.as_str(),
            client_id: &client_id,
            iat: now.seconds(),
            exp: end.seconds(),
            jti: TokenId::from_bytes(*key.id.as_bytes()),
            scope: None,
            key_id: key.id,
            generation: 0,
        };
        self.sign_token(product, "JWT", &written)
    }

    fn sign_token(&self, product: &Product, kind: &str, written: &Written<'_>) -> Result<Secret, Failure> {
        let keys = self.0.signing.load();
        let signer = keys
            .signer(product.tokens.signing_algorithm, self.now())
            .ok_or_else(|| Failure::Fault(Fault::Shape("no signing key is active".to_owned())))?;
        Ok(Secret::from(signer.sign(kind, written)?))
    }

    /// Revokes one token (RFC 7009), or the family of a refresh token. Whoever holds a token may end it; what is not a
    /// token here is a success too, as the RFC has it.
    pub async fn revoke_token(&self, caller: &Caller, client: &Key, text: &str) -> Result<Option<i64>, Failure> {
        let now = self.now();
        if let Ok(parsed) = token::parse(text, &self.tags()) {
            if !matches!(parsed.word, Word::Access | Word::Refresh) {
                return Ok(None);
            }
            let family = FamilyId::from_bytes(parsed.id);
            let Some(Found::Good(family)) = self.store().view::<_, Fault>(move |view| view.family(family)).await?
            else {
                return Ok(None);
            };
            let own = family.key == client.id && family.issued(&parsed, text, &self.tags());
            if !own || family.dead.is_some() {
                return Ok(None);
            }
            return self.kill_family(caller.actor(), family.id, credential::family::Death::Revoked, now).await.map(Some);
        }
        let Some(claims) = self.claims(text) else { return Ok(None) };
        if claims.key != client.id || claims.expires_at <= now {
            return Ok(None);
        }
        let (id, key, organization, until) = (claims.id, client.id, client.organization, claims.expires_at);
        let changed = self
            .store()
            .change(
                caller.actor(),
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    let token = RevokedToken { id, organization, key, expires_at: until, at: now };
                    change.revoke_token(&token, NO_DETAIL)?;
                    Ok::<(), Failure>(())
                },
            )
            .await?;
        self.settle(&changed).await.map(Some)
    }

    /// Asks about a token as RFC 7662 has it: any form of credential that a bearer presents.
    pub async fn introspect(&self, text: &str) -> Result<Option<crate::verify::Valid>, Failure> {
        let question = Question { consume: false, ..Question::bearer(text) };
        Ok(self.verify_anywhere(&question).await?.verdict.ok())
    }

    /// Verification that asks about the credential itself, wherever it may be used from.
    async fn verify_anywhere(&self, question: &Question<'_>) -> Result<crate::verify::Answer, Failure> {
        self.verify(question).await
    }

    /// Whether a valid credential is a token, not a key's own secret.
    pub fn is_token(form: &Form) -> bool {
        !matches!(form, Form::Secret)
    }
}

impl From<NoToken> for Refusal {
    fn from(no: NoToken) -> Self {
        match no {
            NoToken::Client(denial) => Refusal::Unauthenticated(denial),
            NoToken::Scope(scope) => Refusal::Forbidden { scope },
        }
    }
}
