//! Access tokens: issued for client credentials, refreshed, asked about, revoked.

mod claims;
mod person;
mod refresh;
mod words;

use std::net::IpAddr;
use std::sync::Arc;

use credential::access::Allowed;
use credential::event::{Action, Actor, Subject, SubjectKind};
use credential::id::{FamilyId, KeyId, OrganizationId, TokenId};
use credential::key::{Ask, Denial, Key, Kind, Maker, Verdict, decide};
use credential::scope::Scope;
use credential::secret::Secret;
use credential::time::Instant;
use credential::token::{self, Word};
use store::change::NO_DETAIL;
use store::tokens::RevokedToken;
use store::{Fault, Found, Issue};

pub(crate) use claims::Checked;
pub use claims::{BadToken, Claims, Written};
pub use person::SignedIn;
pub use refresh::{NotRefreshed, RefreshedPair, Whose};
pub use words::{About, OfSubject, Words};

use crate::Authority;
use crate::asker::Asker;
use crate::caller::Caller;
use crate::catalog::{Product, TokenType};
use crate::failure::{Failure, Refusal};
use crate::keys::new_family;
use crate::usage::Call;
use crate::verify::{Form, Presented, Valid};
use crate::world::World;

/// A request for an access token by client credentials (RFC 6749, section 4.4).
#[derive(Debug, Clone, Copy)]
pub struct TokenRequest<'a> {
    /// The client's id.
    pub client_id: &'a str,
    /// The client's secret.
    pub client_secret: &'a str,
    /// The scopes asked for; `None` is all the client has.
    pub scopes: Option<&'a [&'a str]>,
    /// Whether what the client lacks of the scopes asked for is left out instead of refused.
    pub lenient: bool,
    /// Where the request comes from.
    pub from: Option<IpAddr>,
    /// The only product whose clients are served; `None` is every product.
    pub product: Option<&'a str>,
    /// The number of the organization that the token shall act for: the client's own, or where its product has such tokens
    /// one that it manages. `None` is the client's own, whichever it is.
    pub organization: Option<i64>,
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
    /// The client is not good: unknown, revoked, disabled, expired.
    Client(Denial),
    /// There is such a client, and the secret is not its own. Most systems answer this as an unknown client.
    Secret,
    /// It asks for what it does not have; empty where it has nothing at all.
    Scope(String),
    /// It asks for an organization that it cannot act for.
    Organization,
}

impl Authority {
    /// Issues an access token for client credentials. `subject` writes the token's `sub`.
    pub async fn issue_token(
        &self,
        request: &TokenRequest<'_>,
        subject: impl Fn(&Key, i64) -> String + Sync,
    ) -> Result<Result<IssuedToken, NoToken>, Failure> {
        self.issue_token_with(request, &OfSubject(subject), None)
            .await
    }

    /// [`Authority::issue_token`], with more to be said in the token, for a call that reports may tell of.
    pub async fn issue_token_with(
        &self,
        request: &TokenRequest<'_>,
        words: &(impl Words + Sync),
        call: Option<&Call>,
    ) -> Result<Result<IssuedToken, NoToken>, Failure> {
        let now = self.now();
        self.must_be_fresh()?;
        let presented = Presented::Pair {
            id: request.client_id,
            secret: request.client_secret,
        };
        let proven = match self.proven(presented, now).await? {
            Ok(proven) => proven,
            Err(Denial::Unknown) if self.names_client(request).await? => {
                return Ok(Err(NoToken::Secret));
            }
            Err(denial) => return Ok(Err(NoToken::Client(denial))),
        };
        let key = &proven.live.key;
        let other = request
            .product
            .is_some_and(|only| only != key.product.as_str());
        if other || key.kind != Kind::Client {
            return Ok(Err(NoToken::Client(Denial::Unknown)));
        }
        let world = self.world();
        let Some(product) = world.product(&key.product) else {
            return Ok(Err(NoToken::Client(Denial::Unknown)));
        };
        if let Some(call) = call {
            call.is_by(&world, key);
        }
        let ask = Ask {
            from: request.from,
            ..Ask::default()
        };
        if let Verdict::Denied(denial) =
            decide(key, &proven.live.rights, world.standing(key), &ask, now)
        {
            return Ok(Err(NoToken::Client(denial)));
        }
        let own = world
            .organization(key.organization)
            .map_or(0, |organization| organization.number);
        let number = request.organization.unwrap_or(own);
        let acts_for = if number == own {
            None
        } else {
            match managed_numbered(&world, key, product, number) {
                Some(organization) => Some(organization),
                None => return Ok(Err(NoToken::Organization)),
            }
        };
        let held = &proven.live.rights;
        let scopes = match request.scopes {
            None => proven.live.scopes.clone(),
            Some(asked) if request.lenient => {
                let asked: Vec<Scope> = asked
                    .iter()
                    .filter_map(|text| product.algebra.parse(text).ok())
                    .collect();
                product.algebra.intersect(&proven.live.scopes, &asked)
            }
            Some(asked) => {
                let mut scopes = Vec::new();
                for text in asked {
                    let scope = product.algebra.parse(text).ok();
                    match scope.filter(|scope| held.allows(scope, None) != Allowed::MissingScope) {
                        Some(scope) => scopes.push(scope),
                        None => return Ok(Err(NoToken::Scope((*text).to_owned()))),
                    }
                }
                if scopes.is_empty() {
                    proven.live.scopes.clone()
                } else {
                    scopes
                }
            }
        };
        // A token for nothing would be taken for one that opens something.
        if scopes.is_empty() {
            let asked = request.scopes.and_then(|asked| asked.first());
            let asked = asked.copied().unwrap_or_default();
            return Ok(Err(NoToken::Scope(asked.to_owned())));
        }
        // An opaque token says nothing of itself, so it carries all that its client has or is not given.
        let less = || {
            proven
                .live
                .scopes
                .iter()
                .find(|held| !scopes.contains(held))
        };
        if product.tokens.token_type == TokenType::Opaque
            && let Some(left_out) = less()
        {
            return Ok(Err(NoToken::Scope(left_out.as_str().to_owned())));
        }
        let limited = self.spend_named(&proven.live, "token").await?;
        if let Err(retry_after_ms) = limited {
            return Ok(Err(NoToken::Client(Denial::Limited { retry_after_ms })));
        }

        let life = product.tokens.access_life();
        let until = key.expires_at.map_or(now + life, |end| end.min(now + life));
        let id = TokenId::mint(now, self.entropy().draw()?);
        let actor = Actor::of(
            Maker::Key(key.id),
            Some(key.organization),
            request.from,
            request.request_id,
        );
        let organization = Some(key.organization);
        let token = match product.tokens.token_type {
            TokenType::Jwt => {
                let about = About {
                    key,
                    number,
                    world: &world,
                    scopes: &scopes,
                    issued_at: now,
                    expires_at: until,
                };
                let written = Written {
                    iss: &self.settings().issuer,
                    sub: words.subject(&about),
                    aud: product.name.as_str(),
                    client_id: request.client_id,
                    iat: now.seconds(),
                    exp: until.seconds(),
                    jti: id,
                    scope: Some(
                        scopes
                            .iter()
                            .map(|s| s.as_str())
                            .collect::<Vec<_>>()
                            .join(" "),
                    ),
                    key_id: key.id,
                    generation: proven.generation,
                    more: claims::added(words.claims(&about)),
                    acts_for,
                };
                let token = self.sign_token(product, "at+jwt", &written)?;
                let subject = Subject {
                    kind: SubjectKind::Token,
                    id: id.to_string(),
                };
                let note = move |issue: &mut Issue<'_>| {
                    issue.note(
                        Action::TokenIssued,
                        subject.clone(),
                        organization,
                        NO_DETAIL,
                    );
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
            scopes: scopes
                .iter()
                .map(|scope| scope.as_str().to_owned())
                .collect(),
            expires_in: until.since(now).seconds(),
            key: Arc::clone(&proven.live),
        }))
    }

    /// Whether the request names a client that it could be served for, had it the right secret.
    async fn names_client(&self, request: &TokenRequest<'_>) -> Result<bool, Failure> {
        let Some(id) = self.key_named(request.client_id).await? else {
            return Ok(false);
        };
        let Ok(live) = self.live(id).await? else {
            return Ok(false);
        };
        let key = &live.key;
        let served = request
            .product
            .is_none_or(|only| only == key.product.as_str());
        // A handle that was replaced names nobody any more.
        let named = key
            .current
            .handle
            .as_deref()
            .is_none_or(|handle| handle == request.client_id);
        Ok(served && named && key.kind == Kind::Client && !key.is_revoked())
    }

    /// The JWT that a key of kind `jwt` is.
    pub(crate) fn sign_key_token(
        &self,
        product: &Product,
        key: &Key,
        now: Instant,
    ) -> Result<Secret, Failure> {
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
            more: serde_json::Map::new(),
            acts_for: None,
        };
        self.sign_token(product, "JWT", &written)
    }

    fn sign_token(
        &self,
        product: &Product,
        kind: &str,
        written: &Written<'_>,
    ) -> Result<Secret, Failure> {
        let keys = self.0.signing.load();
        let signer = keys
            .signer(product.tokens.signing_algorithm, self.now())
            .ok_or_else(|| Failure::Fault(Fault::Shape("no signing key is active".to_owned())))?;
        Ok(Secret::from(signer.sign(kind, written)?))
    }

    /// Revokes one token of a client (RFC 7009), or the family of a refresh token; gives the number of the change. What is
    /// not a token of that client is a success too, as the RFC has it, and changes nothing.
    pub async fn revoke_token(
        &self,
        caller: &Caller,
        client: &Key,
        text: &str,
    ) -> Result<Option<i64>, Failure> {
        self.end_token(caller.actor(), client.id, client.organization, text)
            .await
    }

    /// [`Authority::revoke_token`] for whoever holds the token and proves nothing else: keys whose tokens are all they
    /// have, and people who found one.
    pub async fn revoke_held_token(
        &self,
        text: &str,
        from: Option<IpAddr>,
        request_id: &str,
    ) -> Result<Option<i64>, Failure> {
        let of = match token::parse(text, &self.tags()) {
            Ok(parsed) if matches!(parsed.word, Word::Access | Word::Refresh) => {
                let id = FamilyId::from_bytes(parsed.id);
                let family = self
                    .store()
                    .view::<_, Fault>(move |view| view.family(id))
                    .await?
                    .and_then(Found::good);
                family
                    .filter(|family| family.issued(&parsed, text, &self.tags()))
                    .map(|family| family.key)
            }
            Ok(_) => None,
            Err(_) => self.claims(text).map(|claims| claims.key),
        };
        let Some(key) = of else { return Ok(None) };
        let Ok(live) = self.live(key).await? else {
            return Ok(None);
        };
        let (id, organization) = (live.key.id, live.key.organization);
        let actor = Actor::of(Maker::Key(id), Some(organization), from, request_id);
        self.end_token(actor, id, organization, text).await
    }

    async fn end_token(
        &self,
        actor: Actor,
        key: KeyId,
        organization: OrganizationId,
        text: &str,
    ) -> Result<Option<i64>, Failure> {
        let now = self.now();
        if let Ok(parsed) = token::parse(text, &self.tags()) {
            if !matches!(parsed.word, Word::Access | Word::Refresh) {
                return Ok(None);
            }
            let family = FamilyId::from_bytes(parsed.id);
            let Some(Found::Good(family)) = self
                .store()
                .view::<_, Fault>(move |view| view.family(family))
                .await?
            else {
                return Ok(None);
            };
            let own = family.key == key && family.issued(&parsed, text, &self.tags());
            if !own || family.dead.is_some() {
                return Ok(None);
            }
            return self
                .kill_family(actor, family.id, credential::family::Death::Revoked, now)
                .await
                .map(Some);
        }
        let Some(claims) = self.claims(text) else {
            return Ok(None);
        };
        if claims.key != key
            || claims.ends().is_some_and(|end| end <= now)
            || self.world().revoked.contains(&claims.id)
        {
            return Ok(None);
        }
        // A revocation is kept for as long as the token could come back.
        let (id, until) = (claims.id, claims.ends().unwrap_or(Instant::MAX));
        let changed = self
            .store()
            .change(
                actor,
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    let token = RevokedToken {
                        id,
                        organization,
                        key,
                        expires_at: until,
                        at: now,
                    };
                    change.revoke_token(&token, NO_DETAIL)?;
                    Ok::<(), Failure>(())
                },
            )
            .await?;
        self.settle(&changed).await.map(Some)
    }

    /// Asks about a token as RFC 7662 has it, or about any other credential that a bearer presents: about itself, wherever
    /// it may be used from, and without spending its limits. `None` is every token that is not good, and every one that
    /// is not the asker's to ask about.
    pub async fn introspect(&self, asker: &Asker, text: &str) -> Result<Option<Valid>, Failure> {
        let now = self.now();
        self.must_be_fresh()?;
        let Ok(proven) = self.proven(Presented::Bearer(text), now).await? else {
            return Ok(None);
        };
        let key = &proven.live.key;
        if !asker.may_ask(&self.world(), proven.organization()) {
            return Ok(None);
        }
        let from = key.addresses.networks().first().map(ipnet::IpNet::addr);
        let ask = Ask {
            from,
            ..Ask::default()
        };
        let rights = proven.narrowed.as_deref().unwrap_or(&proven.live.rights);
        if let Verdict::Denied(_) = decide(key, rights, self.world().standing(key), &ask, now) {
            return Ok(None);
        }
        self.must_be_fresh()?;
        Ok(Some(Valid::unspent(proven)))
    }

    /// Whether a valid credential is a token, not a key's own secret.
    pub fn is_token(form: &Form) -> bool {
        !matches!(form, Form::Secret)
    }
}

/// The organization of that number which tokens of the key may act for. An opaque token says nothing of itself,
/// and so acts for nobody else.
fn managed_numbered(
    world: &World,
    key: &Key,
    product: &Product,
    number: i64,
) -> Option<OrganizationId> {
    let mut known = world.organizations.values();
    let found = known.find(|organization| organization.number == number)?;
    let acts = product.tokens.token_type == TokenType::Jwt && world.may_act_for(key, found.id);
    acts.then_some(found.id)
}

impl From<NoToken> for Refusal {
    fn from(no: NoToken) -> Self {
        match no {
            NoToken::Client(denial) => Refusal::Unauthenticated(denial),
            NoToken::Secret => Refusal::Unauthenticated(Denial::Unknown),
            NoToken::Scope(scope) => Refusal::Forbidden { scope },
            NoToken::Organization => Refusal::NotFound("organization"),
        }
    }
}
