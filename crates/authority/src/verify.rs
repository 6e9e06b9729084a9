//! The life of a question: parse offline, find, prove, decide, spend. Every path that asks about a credential (verify,
//! introspection, the gateway, every dialect, the administration's own callers) is this one.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use credential::access::Rights;
use credential::family::Family;
use credential::id::{FamilyId, KeyId, OrganizationId};
use credential::key::{Ask, Denial, Kind, Verdict, decide, prove};
use credential::name::ProductName;
use credential::scope::Scope;
use credential::secret::Digest;
use credential::time::Instant;
use credential::token::{self, Parsed, Word};
use store::Fault;

use crate::Authority;
use crate::asker::Asker;
use crate::failure::{Failure, Refusal};
use crate::keyring::{Held, HeldFamily, Live};
use crate::limits::Spent;
use crate::signed::{NonceUse, Signature};
use crate::tokens::Claims;
use crate::usage::Call;

/// What is presented is refused unread beyond this length: the longest credential is a JWT of a few hundred bytes.
pub const MAX_CREDENTIAL: usize = 8 * 1024;
/// The longest public identifier: the longest that any dialect has is a prefix and a UUID.
const MAX_HANDLE: usize = 256;

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What was presented, as text.
    pub credential: Presented<'a>,
    /// The product whose key it must be, where that matters; a key of another is as unknown as one that does not exist.
    pub product: Option<&'a ProductName>,
    /// Every scope that the request needs.
    pub scopes: &'a [Scope],
    /// The resource it reaches for, as `kind:id`.
    pub resource: Option<&'a str>,
    /// Whether some resource that the credential reaches is enough, where none is named.
    pub somewhere: bool,
    /// Where it comes from.
    pub from: Option<IpAddr>,
    /// What it costs.
    pub cost: u64,
    /// Whether the cost is spent, or only looked at.
    pub consume: bool,
    /// The route it takes, by name: for usage and for limits by path.
    pub route: &'a str,
    /// The call that it is about, where reports may tell of it; whose it is is noted there.
    pub call: Option<&'a Call>,
    /// Who asks about a credential that is not its own; what it may not ask about is unknown.
    pub asker: Option<&'a Asker>,
}

/// How a credential is presented.
#[derive(Debug, Clone, Copy)]
pub enum Presented<'a> {
    /// One string that says it all: a native credential or a token.
    Bearer(&'a str),
    /// A public identifier and a secret, of a client or of a static key that has such an identifier.
    Pair {
        /// The client id, or the number of the key.
        id: &'a str,
        /// The secret.
        secret: &'a str,
    },
    /// A proof by a secret that is not sent.
    Signed(Signature<'a>),
}

impl<'a> Question<'a> {
    /// A question about a bearer credential that needs nothing but a good one.
    pub fn bearer(credential: &'a str) -> Self {
        Self {
            credential: Presented::Bearer(credential),
            product: None,
            scopes: &[],
            resource: None,
            somewhere: false,
            from: None,
            cost: 1,
            consume: true,
            route: "",
            call: None,
            asker: None,
        }
    }
}

/// The answer.
pub struct Answer {
    /// Yes or no.
    pub verdict: Result<Valid, Denial>,
    /// The number of the last change that the answer takes into account.
    pub revision: i64,
}

/// A good credential.
pub struct Valid {
    /// The key.
    pub live: Arc<Live>,
    /// The generation of the secret that was proven.
    pub generation: u32,
    /// What it was that was presented.
    pub form: Form,
    /// The presented credential is good before this moment: the key's expiry, or the token's if that is earlier.
    pub expires_at: Option<Instant>,
    /// How its limits stand; empty where it has none.
    pub limits: Vec<Spent>,
    narrowed: Option<Arc<Rights>>,
}

/// What was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// The key's own secret.
    Secret,
    /// An opaque access token.
    Access(FamilyId),
    /// A JWT access token.
    Jwt(Arc<Claims>),
    /// A signature, and what it uses up; nothing where its time is over.
    Signature(Option<Box<NonceUse>>),
}

impl Valid {
    /// What is proven and allowed, without a look at its limits.
    pub(crate) fn unspent(proven: ProvenKey) -> Self {
        let ProvenKey {
            live,
            generation,
            form,
            expires_at,
            narrowed,
            flaw: _,
        } = proven;
        Self {
            live,
            generation,
            form,
            expires_at,
            limits: Vec::new(),
            narrowed,
        }
    }

    /// What the presented credential may: the key's rights, or the part of them that the token carries.
    pub fn rights(&self) -> &Rights {
        self.narrowed.as_deref().unwrap_or(&self.live.rights)
    }

    /// What the presented credential carries, when that is less than its key's rights.
    pub(crate) fn narrowed_rights(&self) -> Option<Arc<Rights>> {
        self.narrowed.clone()
    }

    /// The organization that it acts for: its key's, or the one that its token names.
    pub fn organization(&self) -> OrganizationId {
        self.form.acts_for().unwrap_or(self.live.key.organization)
    }

    /// The scopes in it.
    pub fn scopes(&self) -> Vec<&Scope> {
        match &self.narrowed {
            Some(rights) => rights.names(),
            None => self.live.scopes.iter().collect(),
        }
    }
}

impl Form {
    /// The organization that it acts for, where that is not its key's.
    pub(crate) fn acts_for(&self) -> Option<OrganizationId> {
        match self {
            Form::Jwt(claims) => claims.acts_for,
            Form::Secret | Form::Access(_) | Form::Signature(_) => None,
        }
    }
}

/// A credential whose proof holds; nothing is decided yet.
pub(crate) struct ProvenKey {
    pub(crate) live: Arc<Live>,
    pub(crate) generation: u32,
    pub(crate) form: Form,
    pub(crate) expires_at: Option<Instant>,
    pub(crate) narrowed: Option<Arc<Rights>>,
    /// What is wrong with the credential itself: it is revoked or over.
    pub(crate) flaw: Option<Denial>,
}

impl ProvenKey {
    /// The organization that it acts for.
    pub(crate) fn organization(&self) -> OrganizationId {
        self.form.acts_for().unwrap_or(self.live.key.organization)
    }
}

impl Authority {
    /// Answers a question; see the module's text. An `Err` is never a yes: the replica is not fresh, or the world
    /// failed.
    pub async fn verify(&self, question: &Question<'_>) -> Result<Answer, Failure> {
        let tick = self.clock().tick();
        let now = self.time_at(tick);
        self.must_be_fresh_at(tick)?;
        let revision = self.revision();
        let verdict = self.judge(question, now).await?;
        // A load from the store may have taken long; what was decided on it holds only if this replica still is fresh.
        self.must_be_fresh()?;
        self.tell_verdict(&verdict);
        Ok(Answer { verdict, revision })
    }

    /// Answers like [`Authority::verify`], and not before this replica has applied the change `revision`. A change that
    /// never was cannot be demanded.
    pub async fn verify_since(
        &self,
        question: &Question<'_>,
        revision: i64,
    ) -> Result<Answer, Failure> {
        if self.revision() < revision {
            // A poll applies everything that is committed: what is not there then is nowhere.
            self.poll().await?;
            if self.revision() < revision {
                return Err(Refusal::invalid("min_revision", "there is no such change yet").into());
            }
        }
        self.verify(question).await
    }

    async fn judge(
        &self,
        question: &Question<'_>,
        now: Instant,
    ) -> Result<Result<Valid, Denial>, Failure> {
        let proven = match self.examined(question.credential, now).await? {
            Ok(proven) => proven,
            Err(denial) => return Ok(Err(denial)),
        };
        let live = &proven.live;
        if let Err(denial) = self.decided(question, &proven, now) {
            return Ok(Err(denial));
        }
        if !self.may_come(&proven.form, question.from).await? {
            return Ok(Err(Denial::Replayed));
        }
        let limits = match self.spend(live, question).await? {
            Ok(limits) => limits,
            Err(retry_after_ms) => return Ok(Err(Denial::Limited { retry_after_ms })),
        };
        if question.consume {
            self.note_use(live, proven.generation, question, now);
        }
        let ProvenKey {
            live,
            generation,
            form,
            expires_at,
            narrowed,
            flaw: _,
        } = proven;
        Ok(Ok(Valid {
            live,
            generation,
            form,
            expires_at,
            limits,
            narrowed,
        }))
    }

    /// Whether the asker may know of the key, and the key may do what is asked; all from one version of the world.
    fn decided(
        &self,
        question: &Question<'_>,
        proven: &ProvenKey,
        now: Instant,
    ) -> Result<(), Denial> {
        let live = &proven.live;
        let world = self.0.world.load();
        let outside = question
            .asker
            .is_some_and(|asker| !asker.may_ask(&world, proven.organization()));
        if outside
            || question
                .product
                .is_some_and(|product| *product != live.key.product)
        {
            return Err(Denial::Unknown);
        }
        if let Some(call) = question.call {
            call.is_by(&world, &live.key);
        }
        if let Some(flaw) = &proven.flaw {
            return Err(flaw.clone());
        }
        let rights = proven.narrowed.as_deref().unwrap_or(&live.rights);
        let ask = Ask {
            scopes: question.scopes,
            resource: question.resource,
            somewhere: question.somewhere,
            from: question.from,
        };
        let verdict = match decide(&live.key, rights, world.standing(&live.key), &ask, now) {
            Verdict::Valid(_) => world.must_reach(&live.key, rights, question.resource),
            Verdict::Denied(denial) => Err(denial),
        };
        match verdict {
            Ok(()) => Ok(()),
            Err(denial) => {
                self.note_denial(live, proven.generation, question, &denial, now);
                Err(denial)
            }
        }
    }

    /// Parse, find and prove: a credential that is good itself, whatever its key's state.
    pub(crate) async fn proven(
        &self,
        presented: Presented<'_>,
        now: Instant,
    ) -> Result<Result<ProvenKey, Denial>, Failure> {
        let examined = self.examined(presented, now).await?;
        Ok(examined.and_then(|mut proven| proven.flaw.take().map_or(Ok(proven), Err)))
    }

    /// The same, with what is wrong with a genuine credential beside it: that is told only to those who may know.
    async fn examined(
        &self,
        presented: Presented<'_>,
        now: Instant,
    ) -> Result<Result<ProvenKey, Denial>, Failure> {
        match presented {
            Presented::Signed(signature) => self.prove_signed(signature, now).await,
            Presented::Bearer(text) if text.len() > MAX_CREDENTIAL => Ok(Err(Denial::Unknown)),
            Presented::Bearer(text) if text.starts_with("lk_") => {
                let Ok(parsed) = token::parse(text, &self.tags()) else {
                    return Ok(Err(Denial::Unknown));
                };
                match parsed.word {
                    Word::Key => {
                        let id = KeyId::from_bytes(parsed.id);
                        self.prove_secret(id, &[Kind::Static], text, now).await
                    }
                    Word::Access => self.prove_access(parsed, text, now).await,
                    // A client's secret, a signing secret and a refresh token open their own endpoints only.
                    Word::Client | Word::Signed | Word::Refresh | Word::Setup => {
                        Ok(Err(Denial::Unknown))
                    }
                }
            }
            Presented::Bearer(text) => self.prove_jwt(text, now).await,
            Presented::Pair { id, secret } => {
                if secret.len() > MAX_CREDENTIAL {
                    return Ok(Err(Denial::Unknown));
                }
                if secret.starts_with("lk_") && token::parse(secret, &self.tags()).is_err() {
                    return Ok(Err(Denial::Unknown));
                }
                let Some(key) = self.key_named(id).await? else {
                    return Ok(Err(Denial::Unknown));
                };
                let kinds = &[Kind::Client, Kind::Static];
                let proven = self.prove_secret(key, kinds, secret, now).await?;
                // A client id that was replaced proves nothing with a secret that was not its own.
                Ok(proven.and_then(|proven| {
                    let owns = |credential: &credential::key::Credential| {
                        credential.generation == proven.generation
                            && match credential.handle.as_deref() {
                                Some(handle) => handle == id,
                                // A static key without one says by itself whose it is.
                                None => proven.live.key.kind == Kind::Client,
                            }
                    };
                    if proven.live.key.live(now).any(owns) {
                        Ok(proven)
                    } else {
                        Err(Denial::Unknown)
                    }
                }))
            }
        }
    }

    /// The key that a public identifier names: its own id, or what a dialect calls it.
    pub(crate) async fn key_named(&self, id: &str) -> Result<Option<KeyId>, Fault> {
        match id.parse::<KeyId>() {
            Ok(id) => Ok(Some(id)),
            // Nothing is named so; the store refuses to look for a NUL at all.
            Err(_) if id.len() > MAX_HANDLE || id.contains('\0') => Ok(None),
            Err(_) => self.keyring().key_of_handle(id, self.store()).await,
        }
    }

    async fn prove_secret(
        &self,
        id: KeyId,
        kinds: &[Kind],
        text: &str,
        now: Instant,
    ) -> Result<Result<ProvenKey, Denial>, Failure> {
        let live = match self.live(id).await? {
            Ok(live) if kinds.contains(&live.key.kind) => live,
            Ok(_) => return Ok(Err(Denial::Unknown)),
            Err(denial) => return Ok(Err(denial)),
        };
        let Some(proven) = prove(&live.key, &Digest::of(text), now) else {
            return Ok(Err(Denial::Unknown));
        };
        let expires_at = live.key.expires_at;
        let generation = proven.generation;
        Ok(Ok(ProvenKey {
            live,
            generation,
            form: Form::Secret,
            expires_at,
            narrowed: None,
            flaw: None,
        }))
    }

    async fn prove_access(
        &self,
        parsed: Parsed,
        text: &str,
        now: Instant,
    ) -> Result<Result<ProvenKey, Denial>, Failure> {
        let id = FamilyId::from_bytes(parsed.id);
        let family = match self.keyring().family(id, self.store()).await? {
            HeldFamily::Live(family) => family,
            HeldFamily::Tampered => return Ok(Err(Denial::Tampered)),
            HeldFamily::Absent => return Ok(Err(Denial::Unknown)),
        };
        if !family.issued(&parsed, text, &self.tags()) {
            return Ok(Err(Denial::Unknown));
        }
        // Refreshing is not in the feed: a token of a later generation than is known here was issued by another
        // replica, and tells to look.
        let family = if parsed.generation > family.generation {
            self.keyring().forget_family(id);
            match self.keyring().family(id, self.store()).await? {
                HeldFamily::Live(family) => family,
                HeldFamily::Tampered => return Ok(Err(Denial::Tampered)),
                HeldFamily::Absent => return Ok(Err(Denial::Unknown)),
            }
        } else {
            family
        };
        let live = match self.live(family.key).await? {
            Ok(live) => live,
            Err(denial) => return Ok(Err(denial)),
        };
        let until = family.access_until(parsed.generation);
        // A family began with the secret that was the newest then, and ends with it.
        let began_with = live
            .key
            .live(now)
            .filter(|credential| credential.since <= family.created_at)
            .max_by_key(|credential| credential.generation);
        // The key's own state is told first; a dead or lapsed token of a good key comes after it.
        let flaw = match until {
            _ if live.key.is_revoked() || family.dead.is_some() => Some(Denial::Revoked),
            _ if began_with.is_none() => Some(Denial::Revoked),
            Some(until) if now < until => None,
            _ => Some(Denial::Expired),
        };
        if flaw.is_none() {
            self.note_family_use(&family, parsed.generation).await?;
        }
        let expires_at = [live.key.expires_at, until].into_iter().flatten().min();
        let generation = began_with.unwrap_or(&live.key.current).generation;
        Ok(Ok(ProvenKey {
            live,
            generation,
            form: Form::Access(id),
            expires_at,
            narrowed: None,
            flaw,
        }))
    }

    async fn prove_jwt(
        &self,
        text: &str,
        now: Instant,
    ) -> Result<Result<ProvenKey, Denial>, Failure> {
        let Some(checked) = self.checked(text) else {
            return Ok(Err(Denial::Unknown));
        };
        let claims = Arc::clone(&checked.claims);
        let live = match self.live(claims.key).await? {
            Ok(live) => live,
            Err(denial) => return Ok(Err(denial)),
        };
        // A token ends with the secret that it was issued for.
        let replaced = !live
            .key
            .live(now)
            .any(|credential| credential.generation == claims.generation);
        let world = self.0.world.load();
        let acts_no_more = claims
            .acts_for
            .is_some_and(|organization| !world.may_act_for(&live.key, organization));
        let flaw = if live.key.is_revoked() || world.revoked.contains(&claims.id) {
            Some(Denial::Revoked)
        } else if claims.ends().is_some_and(|end| now >= end) {
            Some(Denial::Expired)
        } else {
            // An organization that is not managed now, or not active, may be again.
            match (replaced, acts_no_more) {
                (true, _) => Some(Denial::Revoked),
                (false, true) => Some(Denial::Disabled),
                (false, false) => None,
            }
        };
        let expires_at = [live.key.expires_at, claims.ends()]
            .into_iter()
            .flatten()
            .min();
        let narrowed = checked.worth(&live);
        let generation = claims.generation;
        let form = Form::Jwt(claims);
        Ok(Ok(ProvenKey {
            live,
            generation,
            form,
            expires_at,
            narrowed,
            flaw,
        }))
    }

    /// The key as it is now, compiled against the world as it is now.
    pub(crate) async fn live(&self, id: KeyId) -> Result<Result<Arc<Live>, Denial>, Fault> {
        let held = match self.keyring().at_hand(id) {
            Some(held) => held,
            None => {
                self.keyring()
                    .key(id, self.store(), || self.world())
                    .await?
            }
        };
        match held {
            Held::Live(live) => {
                let world = self.0.world.load();
                if live.rights_version == world.rights_version {
                    return Ok(Ok(live));
                }
                let again = Arc::new(Live::compile(live.key.clone(), &world));
                again
                    .used
                    .store(live.used.load(Ordering::Relaxed), Ordering::Relaxed);
                self.keyring().recompiled(&live, Arc::clone(&again));
                Ok(Ok(again))
            }
            Held::Tampered => Ok(Err(Denial::Tampered)),
            Held::Absent => Ok(Err(Denial::Unknown)),
        }
    }

    /// Writes once per generation that its access token was presented: from then on the refresh token before it is
    /// no longer a lost answer.
    async fn note_family_use(&self, family: &Arc<Family>, generation: u32) -> Result<(), Fault> {
        if family.used || generation != family.generation {
            return Ok(());
        }
        self.mark_family_used(family.id, generation).await
    }
}
