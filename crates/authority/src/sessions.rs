//! Sessions: people who are signed in.
//!
//! What a browser holds is 256 random bits behind a public part; the store keeps their digest. A session is read from the
//! store at each request and nowhere kept at hand, so that one which was ended is over everywhere at once. It ends by
//! itself after [`IDLE`] without use and after [`LIFE`] in any case, and with whatever ends the person.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use credential::event::{Action, Actor};
use credential::id::{OrganizationId, SessionId, UserId};
use credential::key::Maker;
use credential::organization::User;
use credential::password::Password;
use credential::secret::{Digest, Secret};
use credential::time::{Instant, Span};
use store::sessions::Session;
use store::{Change, Fault, Found};

use crate::Authority;
use crate::act::MAX_PAGE;
use crate::caller::Caller;
use crate::failure::{Failure, Refusal};
use crate::passwords::{NotSignedIn, SignIn};

/// How long a session lasts that nobody uses (OWASP ASVS 7.3.1).
pub const IDLE: Span = Span::from_minutes(30);
/// How long a session lasts at most (OWASP ASVS 7.3.2).
pub const LIFE: Span = Span::from_hours(12);
/// For how long a person who has typed their password is believed in grave things.
pub const PROVEN: Span = Span::from_minutes(10);
/// How exactly it is known when a session was last used: a write at every request would be dear.
const SEEN_EVERY: Span = Span::from_minutes(1);
/// Characters of what a browser says of itself that are kept.
const MAX_AGENT: usize = 200;
/// Sessions of one person; the oldest goes when another begins.
const MAX_SESSIONS: usize = 20;

/// A session that has begun.
pub struct Begun {
    /// What the person's browser shall hold; shown once.
    pub token: Secret,
    /// The session.
    pub session: Session,
}

/// Somebody who is signed in, and calls.
pub struct SignedIn {
    /// As whom changes are made.
    pub caller: Caller,
    /// The person.
    pub user: User,
    /// The session.
    pub session: Session,
    /// What forms of this session carry, so that no other site can send them: it follows from what the browser holds, and
    /// says nothing of it.
    pub form_key: String,
    /// Whether they have said lately by a password who they are.
    pub is_proven: bool,
}

impl Authority {
    /// Begins a session for somebody who was found to be who they say.
    pub async fn begin_session(
        &self,
        user: &User,
        from: Option<IpAddr>,
        agent: &str,
        request_id: &str,
    ) -> Result<Begun, Failure> {
        let now = self.now();
        let id = SessionId::mint(now, self.entropy().draw()?);
        let token = token_of(id, self.entropy().draw()?);
        let agent: String = agent
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_AGENT)
            .collect();
        let session = Session {
            id,
            user: user.id,
            organization: user.organization,
            digest: *token.digest().as_bytes(),
            address: from,
            agent,
            created_at: now,
            proven_at: now,
            seen_at: now,
            version: 1,
        };
        let new = session.clone();
        let actor = Actor::of(
            Maker::User(user.id),
            Some(user.organization),
            from,
            request_id,
        );
        self.store()
            .change(
                actor,
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    let others = change.sessions_of(new.user, MAX_PAGE)?;
                    for other in others.iter().skip(MAX_SESSIONS - 1) {
                        if let Found::Good(other) = other {
                            change.delete_session(other, Action::SessionEnded, "{}")?;
                        }
                    }
                    change.insert_session(&new, Action::SessionBegan, "{}")?;
                    Ok::<(), Failure>(())
                },
            )
            .await?;
        Ok(Begun { token, session })
    }

    /// Who holds this session now; nobody, whatever is wrong with it.
    pub async fn signed_in(
        &self,
        token: &str,
        from: Option<IpAddr>,
        request_id: &str,
    ) -> Result<Option<SignedIn>, Failure> {
        let now = self.now();
        self.must_be_fresh()?;
        let Some(id) = id_of(token) else {
            return Ok(None);
        };
        let found = self
            .store()
            .view::<_, Fault>(move |view| view.session(id))
            .await?;
        let Some(Found::Good(session)) = found else {
            return Ok(None);
        };
        if Digest::from_bytes(session.digest) != Digest::of(token) || is_over(&session, now) {
            return Ok(None);
        }
        let world = self.world();
        let Some(user) = world.user(session.user).filter(|user| user.active) else {
            return Ok(None);
        };
        if !world.is_in_use(user.organization) {
            return Ok(None);
        }
        if now >= session.seen_at + SEEN_EVERY {
            self.store().see_session(id, now).await?;
        }
        let user = User::clone(user);
        Ok(Some(SignedIn {
            caller: Caller::person(&user, session.id, from, request_id),
            form_key: form_key(token),
            is_proven: now < session.proven_at + PROVEN,
            user,
            session,
        }))
    }

    /// Lets somebody who is signed in say again, by their password, who they are.
    pub async fn prove_session(
        &self,
        signed_in: &SignedIn,
        password: Password,
    ) -> Result<Result<(), NotSignedIn>, Failure> {
        let sign_in = SignIn {
            email: signed_in.user.email.clone(),
            password,
            organization: Some(signed_in.user.organization),
            from: signed_in.caller.address,
            request_id: signed_in.caller.request_id.clone(),
        };
        if let Err(no) = self.check_password(sign_in).await? {
            return Ok(Err(no));
        }
        let id = signed_in.session.id;
        self.store()
            .change(
                signed_in.caller.actor(),
                self.now(),
                |_| Ok::<(), Failure>(()),
                move |change| match change.session(id)? {
                    Some(Found::Good(session)) => {
                        change.prove_session(session, Action::SessionProven)?;
                        Ok(())
                    }
                    _ => Err(Refusal::Restricted.into()),
                },
            )
            .await?;
        Ok(Ok(()))
    }

    /// A word that nobody has had before: what tells a form from its repetition.
    pub fn fresh_word(&self) -> Result<String, Failure> {
        Ok(BASE64URL.encode(self.entropy().draw::<16>()?))
    }

    /// Ends the session, or with `others` every other one of the person.
    pub async fn end_sessions(&self, signed_in: &SignedIn, others: bool) -> Result<(), Failure> {
        let (user, own) = (signed_in.user.id, signed_in.session.id);
        self.store()
            .change(
                signed_in.caller.actor(),
                self.now(),
                |_| Ok::<(), Failure>(()),
                move |change| {
                    for found in change.sessions_of(user, MAX_PAGE)? {
                        if let Found::Good(session) = found
                            && (session.id == own) != others
                        {
                            change.delete_session(&session, Action::SessionEnded, "{}")?;
                        }
                    }
                    Ok::<(), Failure>(())
                },
            )
            .await?;
        Ok(())
    }

    /// The sessions of somebody who is signed in, the newest first; those that are over are left out.
    pub async fn sessions_of(&self, signed_in: &SignedIn) -> Result<Vec<Session>, Failure> {
        let (user, now) = (signed_in.user.id, self.now());
        let found = self
            .store()
            .view::<_, Fault>(move |view| view.sessions_of(user, MAX_PAGE))
            .await?;
        let good = found.into_iter().filter_map(Found::good);
        Ok(good.filter(|session| !is_over(session, now)).collect())
    }

    /// Removes a batch of sessions that are over; says how many.
    pub(crate) async fn purge_sessions(&self) -> Result<u64, Failure> {
        let (now, batch) = (self.now(), self.settings().retention.batch);
        let old = self
            .store()
            .view::<_, Fault>(move |view| view.old_sessions(now - LIFE, batch))
            .await?;
        let old: Vec<Session> = old.into_iter().filter_map(Found::good).collect();
        if old.is_empty() {
            return Ok(0);
        }
        let count = old.len() as u64;
        self.store()
            .change(
                Actor::SYSTEM,
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    for session in &old {
                        // Another replica may have been faster.
                        if let Some(Found::Good(session)) = change.session(session.id)? {
                            change.delete_session(&session, Action::SessionEnded, "{}")?;
                        }
                    }
                    Ok::<(), Failure>(())
                },
            )
            .await?;
        Ok(count)
    }
}

impl SignedIn {
    /// The same person acting in another organization; what they may there is asked by each use case.
    #[must_use]
    pub fn acting_in(mut self, organization: OrganizationId) -> Self {
        self.caller.organization = organization;
        self
    }
}

/// Ends the sessions of a person together with what else is changed, but for one.
pub(crate) fn end_sessions_of(
    change: &mut Change<'_>,
    user: UserId,
    but: Option<SessionId>,
) -> Result<(), Fault> {
    for found in change.sessions_of(user, MAX_PAGE)? {
        if let Found::Good(session) = found
            && Some(session.id) != but
        {
            change.delete_session(&session, Action::SessionEnded, "{}")?;
        }
    }
    Ok(())
}

/// Whether it ended by itself.
fn is_over(session: &Session, now: Instant) -> bool {
    now >= session.created_at + LIFE || now >= session.seen_at + IDLE
}

fn token_of(id: SessionId, secret: [u8; 32]) -> Secret {
    Secret::from(format!(
        "{}.{}",
        BASE64URL.encode(id.as_bytes()),
        BASE64URL.encode(secret)
    ))
}

fn id_of(token: &str) -> Option<SessionId> {
    let (id, secret) = token.split_once('.')?;
    let id: [u8; 16] = BASE64URL.decode(id).ok()?.try_into().ok()?;
    (secret.len() == 43).then_some(SessionId::from_bytes(id))
}

/// What forms carry.
fn form_key(token: &str) -> String {
    let digest = Digest::of(&format!("latchkey form {token}"));
    BASE64URL.encode(digest.as_bytes())
}
