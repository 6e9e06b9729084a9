//! Passwords of people: given, taken away, and checked when somebody signs in.
//!
//! A check costs a slow hash whatever it is about, so that an answer and its time tell nothing about who has an account.
//! At most `MAX_HASHES` are made at once and `MAX_WAITING` wait; wrong tries are counted by address (`tries`).
//!
//! The counts are in this process's memory. The limits of keys, which hold across processes and restarts, are rows in the
//! store, and a counter that anybody without an account could make them write would be a way to fill the store. So the bound
//! is `MAX_TRIES` for each process, and a restart forgets it: against guessing online, that is as good.

mod tries;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use credential::access::Ceiling;
use credential::event::{Action, Actor, ActorKind, Subject, SubjectKind};
use credential::id::{OrganizationId, UserId};
use credential::key::Maker;
use credential::organization::{Email, User};
use credential::password::Password;
use credential::time::{Instant, Span};
use store::{Fault, Found, View};
use tokio::sync::Semaphore;

use crate::Authority;
use crate::act::{Done, refuse_stale};
use crate::caller::Caller;
use crate::failure::{Failure, Refusal};
use crate::keys::begin_own_keys_anew;
use crate::sessions::end_sessions_of;
use crate::settings::PasswordCost;
use crate::users::{WRITE, latchkey, may_give_all_of, need, stored};
use crate::world::World;

use tries::Tries;

/// Hashes made at once: each takes 19 MiB and one core for some hundredths of a second.
const MAX_HASHES: usize = 4;
/// Hashes that may wait or be made: about a second of work. Whoever comes then is told to come again.
const MAX_WAITING: usize = 64;
/// When whoever found no place may come again.
const AGAIN: Span = Span::from_secs(1);
/// People of one address who are looked at, in the order of their ids; each costs a hash. Who has more organizations names
/// one.
pub const MAX_PEOPLE: usize = 4;

/// What the process remembers of sign-ins, and its places for hashing.
pub(crate) struct Passwords {
    tries: Mutex<Tries>,
    places: Arc<Semaphore>,
    hashing: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            tries: Mutex::default(),
            places: Arc::new(Semaphore::new(MAX_WAITING)),
            hashing: Arc::new(Semaphore::new(MAX_HASHES)),
        }
    }
}

/// Somebody who says who they are.
pub struct SignIn {
    /// Their address.
    pub email: Email,
    /// What they typed.
    pub password: Password,
    /// Where they are to be looked for; `None` is everywhere.
    pub organization: Option<OrganizationId>,
    /// Where the request comes from.
    pub from: Option<IpAddr>,
    /// The request's id, for the audit trail.
    pub request_id: String,
}

/// Why nobody is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSignedIn {
    /// Nobody here has this address and this password, or they may not act. Which of these is told to nobody.
    Wrong,
    /// There were too many wrong tries with this address, whether somebody has it or not; nothing was looked at.
    LockedOut {
        /// How long until the next try is looked at.
        retry_after: Span,
    },
}

impl Authority {
    /// Gives a person this password, in place of any earlier one, or takes it away (`None`).
    ///
    /// Who sets another's password can sign in as them: it takes what giving all of their roles would take, those of their groups too. For one's own, a
    /// key is needed that has all that one may administer, so that a narrow key does not become the whole person.
    pub async fn set_password(
        &self,
        caller: &Caller,
        id: UserId,
        password: Option<Password>,
        version: Option<i64>,
    ) -> Result<Done<User>, Failure> {
        let is_own = caller.maker == Maker::User(id);
        let seen = match self.world().user(id) {
            Some(user) if is_own => User::clone(user),
            _ => self.seen_user(caller, WRITE, id).await?,
        };
        if let Some(password) = &password {
            password
                .may_be_of(&seen.email)
                .map_err(|error| Refusal::invalid("password", error))?;
        }
        let hash = match password {
            Some(password) => Some(self.hashed(password).await?),
            None => None,
        };
        let may_give_all = may_give_all_of(seen.clone());
        let rule = move |world: &World, ceiling: &Ceiling| {
            if is_own {
                is_whole_person(world, ceiling, id)
            } else {
                may_give_all(world, ceiling)
            }
        };
        let needs = match is_own {
            true => Vec::new(),
            false => vec![need(WRITE, seen.organization)],
        };
        let (known, now) = (self.world(), self.now());
        let session = caller.session();
        self.act(caller, needs, rule, move |change| {
            let user = stored(change, id)?;
            refuse_stale(user.version, version)?;
            // What was weighed are the roles, and the address that is no password, as they were read.
            if user.roles != seen.roles || user.email != seen.email {
                return Err(Refusal::Stale {
                    version: user.version,
                }
                .into());
            }
            match &hash {
                Some(hash) => change.set_password(id, hash)?,
                None if change.password(id)?.is_some() => change.remove_password(id)?,
                None => {}
            }
            begin_own_keys_anew(change, &known, &user, now)?;
            // Whoever came in with the password of before is out.
            end_sessions_of(change, id, session)?;
            Ok(user)
        })
        .await
    }

    /// Who it is that signs in: everybody of that address whose password it is and who may act, in the order of their ids.
    pub async fn check_password(
        &self,
        sign_in: SignIn,
    ) -> Result<Result<Vec<User>, NotSignedIn>, Failure> {
        let now = self.now();
        let SignIn {
            email,
            password,
            organization,
            from,
            request_id,
        } = sign_in;
        if let Err(retry_after) = self.tries(|tries| tries.begin(&email, now)) {
            return Ok(Err(NotSignedIn::LockedOut { retry_after }));
        }
        let place = Arc::clone(&self.0.passwords.places).try_acquire_owned();
        let Ok(_place) = place else {
            self.tries(|tries| tries.take_back(&email, now));
            return Err(busy());
        };
        let address = email.clone();
        let candidates = self
            .store()
            .view(move |view| candidates(view, &address, organization))
            .await?;
        let hashes: Vec<Option<String>> =
            candidates.iter().map(|known| known.hash.clone()).collect();
        let cost = self.settings().password_cost;
        let fits = self
            .hashing(move || fitting(&password, &hashes, cost))
            .await??;
        let fitting: Vec<Candidate> = candidates
            .iter()
            .zip(fits)
            .filter(|(known, fits)| *fits && known.may_act)
            .map(|(known, _)| known.clone())
            .collect();
        if fitting.is_empty() {
            self.tell_of_a_wrong_try(&candidates, from, &request_id, now)
                .await?;
            return Ok(Err(NotSignedIn::Wrong));
        }
        let signed_in = self.tell_of_sign_ins(fitting, from, &request_id, now).await;
        match signed_in {
            Ok(users) => {
                self.tries(|tries| tries.forget(&email));
                Ok(Ok(users))
            }
            Err(Failure::Refused(Refusal::Restricted)) => Ok(Err(NotSignedIn::Wrong)),
            Err(failure) => Err(failure),
        }
    }

    /// Writes who signed in, if under the lock all is still as it was found.
    async fn tell_of_sign_ins(
        &self,
        fitting: Vec<Candidate>,
        from: Option<IpAddr>,
        request_id: &str,
        now: Instant,
    ) -> Result<Vec<User>, Failure> {
        let mut signed_in = Vec::new();
        for known in fitting {
            let user = known.user.clone();
            let (id, home) = (user.id, user.organization);
            let actor = Actor::of(Maker::User(id), Some(home), from, request_id);
            let unchanged = move |view: &View<'_>| {
                let found = match view.user(id)? {
                    Some(Found::Good(user)) => candidate(view, user)?,
                    _ => return Err(Refusal::Restricted.into()),
                };
                if found.may_act && found.hash == known.hash {
                    Ok(())
                } else {
                    Err(Refusal::Restricted.into())
                }
            };
            self.store()
                .change(actor, now, unchanged, move |change| {
                    let subject = Subject {
                        kind: SubjectKind::User,
                        id: id.to_string(),
                    };
                    change.note(Action::UserLoggedIn, subject, Some(home), "{}");
                    Ok::<(), Failure>(())
                })
                .await?;
            signed_in.push(user);
        }
        Ok(signed_in)
    }

    /// Writes that somebody was turned away, to the trail of everybody of that address; no more often than the trail bears.
    async fn tell_of_a_wrong_try(
        &self,
        candidates: &[Candidate],
        from: Option<IpAddr>,
        request_id: &str,
        now: Instant,
    ) -> Result<(), Failure> {
        if !self.tries(|tries| tries.may_tell(now)) {
            return Ok(());
        }
        let actor = Actor {
            kind: ActorKind::Nobody,
            address: from,
            request_id: Some(request_id.to_owned()).filter(|id| !id.is_empty()),
            ..Actor::SYSTEM
        };
        let mut subjects: Vec<_> = candidates
            .iter()
            .map(|known| {
                let subject = Subject {
                    kind: SubjectKind::User,
                    id: known.user.id.to_string(),
                };
                (subject, Some(known.user.organization))
            })
            .collect();
        if subjects.is_empty() {
            let server = Subject {
                kind: SubjectKind::Server,
                id: "sign-in".to_owned(),
            };
            subjects.push((server, None));
        }
        self.store()
            .change(
                actor,
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    for (subject, organization) in &subjects {
                        let detail = "{\"by\":\"password\"}";
                        change.note(
                            Action::AuthenticationDenied,
                            subject.clone(),
                            *organization,
                            detail,
                        );
                    }
                    Ok(())
                },
            )
            .await?;
        Ok(())
    }

    /// Does slow work on a thread that may be blocked, once there is a place for it.
    /// What is kept of a password.
    pub(crate) async fn hashed(&self, password: Password) -> Result<String, Failure> {
        let salt = self.entropy().draw()?;
        let cost = self.settings().password_cost;
        self.in_a_place(move || hash(&password, salt, cost)).await?
    }

    async fn in_a_place<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let place = Arc::clone(&self.0.passwords.places).try_acquire_owned();
        let Ok(_place) = place else {
            return Err(busy());
        };
        self.hashing(work).await
    }

    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = Arc::clone(&self.0.passwords.hashing).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            // Whoever no longer waits has not made room: the work goes on to its end.
            let _turn = turn;
            work()
        });
        done.await.map_err(|_| no_hash())
    }

    fn tries<T>(&self, with: impl FnOnce(&mut Tries) -> T) -> T {
        with(
            &mut self
                .0
                .passwords
                .tries
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// Somebody of an address.
#[derive(Clone)]
struct Candidate {
    user: User,
    /// They are not switched off, and neither is their organization or its manager.
    may_act: bool,
    /// `None` where there is no password, or none that opens.
    hash: Option<String>,
}

fn candidates(
    view: &View<'_>,
    email: &Email,
    organization: Option<OrganizationId>,
) -> Result<Vec<Candidate>, Fault> {
    let found = match organization {
        Some(organization) => view
            .user_by_email(organization, email)?
            .into_iter()
            .collect(),
        None => view.users_by_email(email, MAX_PEOPLE)?,
    };
    found
        .into_iter()
        .filter_map(Found::good)
        .map(|user| candidate(view, user))
        .collect()
}

fn candidate(view: &View<'_>, user: User) -> Result<Candidate, Fault> {
    let is_active = |id| -> Result<_, Fault> {
        let found = view.organization(id)?.and_then(Found::good);
        Ok(found.filter(|organization| organization.active))
    };
    let home = is_active(user.organization)?;
    let at_home = match home {
        Some(home) => match home.parent {
            Some(parent) => is_active(parent)?.is_some(),
            None => true,
        },
        None => false,
    };
    Ok(Candidate {
        may_act: user.active && at_home,
        hash: view.password(user.id)?.and_then(Found::good),
        user,
    })
}

/// Whether the ceiling is all that the person may administer.
fn is_whole_person(world: &World, ceiling: &Ceiling, user: UserId) -> Result<(), Refusal> {
    let name = latchkey().map_err(|_| Refusal::NotFound("product"))?;
    let product = world.product(&name).ok_or(Refusal::NotFound("product"))?;
    if ceiling.admits(&name, &world.user_rights(product, user)) {
        return Ok(());
    }
    Err(Refusal::Ceiling(
        "the password of a whole person".to_owned(),
    ))
}

/// Which of the hashes are of the password. Where there is none to try, the work is done all the same.
fn fitting(
    password: &Password,
    hashes: &[Option<String>],
    cost: PasswordCost,
) -> Result<Vec<bool>, Failure> {
    if hashes.is_empty() {
        is_of(password, None, cost)?;
    }
    hashes
        .iter()
        .map(|hash| is_of(password, hash.as_deref(), cost))
        .collect()
}

fn is_of(password: &Password, kept: Option<&str>, cost: PasswordCost) -> Result<bool, Failure> {
    // What is too long to be anybody's is not worth more time than the rest.
    let text = if password.is_typable() {
        password.expose()
    } else {
        ""
    };
    let Some(kept) = kept else {
        const NO_SALT: [u8; 16] = [0; 16];
        hasher(cost)?
            .hash_password_with_salt(text.as_bytes(), &NO_SALT)
            .map_err(|_| no_hash())?;
        return Ok(false);
    };
    match hasher(cost)?.verify_password(text.as_bytes(), kept) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(_) => Err(no_hash()),
    }
}

/// What is kept of a password: Argon2id with its parameters and salt, as a PHC string.
fn hash(password: &Password, salt: [u8; 16], cost: PasswordCost) -> Result<String, Failure> {
    let hash = hasher(cost)?
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map_err(|_| no_hash())?;
    Ok(hash.to_string())
}

fn hasher(cost: PasswordCost) -> Result<Argon2<'static>, Failure> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None);
    let params = params.map_err(|_| no_hash())?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn no_hash() -> Failure {
    Fault::Unsupported(
        "a password could not be hashed: is there memory, and is the cost one that Argon2 has?",
    )
    .into()
}

fn busy() -> Failure {
    Refusal::Limited {
        retry_after_ms: AGAIN.millis(),
    }
    .into()
}
