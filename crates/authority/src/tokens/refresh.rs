//! A refresh token for the next pair.

use std::net::IpAddr;
use std::sync::Arc;

use credential::event::{Action, Actor};
use credential::family::{Death, Family, NotRefreshed as OfFamily, Refreshed};
use credential::id::{FamilyId, KeyId, NoticeId, OrganizationId};
use credential::key::{Ask, Denial, Key, Kind, Maker, Verdict, decide};
use credential::name::ProductName;
use credential::time::Instant;
use credential::token::{self, Word};
use store::change::NO_DETAIL;
use store::{Fault, Found, Issue};

use crate::Authority;
use crate::failure::Failure;
use crate::keyring::Live;
use crate::keys::Shown;

/// The answer to a refresh token.
pub struct RefreshedPair {
    /// The key.
    pub live: Arc<Live>,
    /// The tokens.
    pub shown: Shown,
}

/// Whose refresh token it must be; what is `None` asks nothing. One of another is as unknown as one that nobody issued.
#[derive(Debug, Clone, Copy, Default)]
pub struct Whose<'a> {
    /// Of this key.
    pub key: Option<KeyId>,
    /// Of a key of this organization.
    pub organization: Option<OrganizationId>,
    /// Of a key of this product.
    pub product: Option<&'a ProductName>,
}

impl From<Option<KeyId>> for Whose<'_> {
    fn from(key: Option<KeyId>) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }
}

impl Whose<'_> {
    fn fits(&self, key: &Key) -> bool {
        self.key.is_none_or(|id| id == key.id)
            && self.organization.is_none_or(|id| id == key.organization)
            && self.product.is_none_or(|product| *product == key.product)
    }
}

/// Why there is no next pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRefreshed {
    /// Not a refresh token known here, or not of the key that was named.
    Unknown,
    /// The key is not good.
    Key(Denial),
    /// The refresh token was not used in time.
    Lapsed,
    /// Its chain was ended, now or before.
    Ended(Death),
}

impl Authority {
    /// Answers a refresh token. One compare-and-swap in the store decides, so that of two that race, one makes the
    /// next pair and the other gets the same.
    pub async fn refresh(
        &self,
        refresh_token: &str,
        of: impl Into<Whose<'_>>,
        from: Option<IpAddr>,
    ) -> Result<Result<RefreshedPair, NotRefreshed>, Failure> {
        let (now, of) = (self.now(), of.into());
        self.must_be_fresh()?;
        let tags = self.tags();
        let Ok(parsed) = token::parse(refresh_token, &tags) else {
            return Ok(Err(NotRefreshed::Unknown));
        };
        if parsed.word != Word::Refresh {
            return Ok(Err(NotRefreshed::Unknown));
        }
        let id = FamilyId::from_bytes(parsed.id);
        let family = match self
            .store()
            .view::<_, Fault>(move |view| view.family(id))
            .await?
        {
            Some(Found::Good(family)) if family.issued(&parsed, refresh_token, &tags) => family,
            Some(Found::Tampered(_)) => return Ok(Err(NotRefreshed::Key(Denial::Tampered))),
            _ => return Ok(Err(NotRefreshed::Unknown)),
        };
        if of.key.is_some_and(|key| key != family.key) {
            return Ok(Err(NotRefreshed::Unknown));
        }
        let live = match self.live(family.key).await? {
            Ok(live) if live.key.kind == Kind::TokenPair && of.fits(&live.key) => live,
            Ok(_) => return Ok(Err(NotRefreshed::Unknown)),
            Err(denial) => return Ok(Err(NotRefreshed::Key(denial))),
        };
        let ask = Ask {
            from,
            ..Ask::default()
        };
        if let Verdict::Denied(denial) = decide(
            &live.key,
            &live.rights,
            self.world().standing(&live.key),
            &ask,
            now,
        ) {
            return Ok(Err(NotRefreshed::Key(denial)));
        }

        let grace = self.settings().refresh_grace;
        let (cap, generation) = (live.key.expires_at, parsed.generation);
        let actor = Actor::of(
            Maker::Key(live.key.id),
            Some(live.key.organization),
            from,
            "",
        );
        let turn = move |issue: &mut Issue<'_>| -> Result<Option<Refreshed>, Fault> {
            let Some(Found::Good(family)) = issue.family(id)? else {
                return Ok(None);
            };
            Ok(Some(match family.refresh(generation, grace, cap, now) {
                Refreshed::Next(next) => {
                    Refreshed::Next(issue.update_family(next, Action::KeyRefreshed, NO_DETAIL)?)
                }
                unwritten => unwritten,
            }))
        };
        let decided = self.store().issue(actor.clone(), now, turn).await?;
        self.keyring().forget_family(id);
        match decided {
            None => Ok(Err(NotRefreshed::Unknown)),
            Some(Refreshed::Next(family) | Refreshed::Again(family)) => {
                self.note_issue(&live, live.key.current.generation, from, now);
                Ok(Ok(RefreshedPair {
                    shown: self.pair_of(&family),
                    live,
                }))
            }
            Some(Refreshed::Reuse(_)) => {
                self.kill_family(actor, id, Death::Reused, now).await?;
                Ok(Err(NotRefreshed::Ended(Death::Reused)))
            }
            Some(Refreshed::Refused(why)) => Ok(Err(match why {
                OfFamily::Unknown => NotRefreshed::Unknown,
                OfFamily::Lapsed | OfFamily::Worn => NotRefreshed::Lapsed,
                OfFamily::Dead(death) => NotRefreshed::Ended(death),
            })),
        }
    }

    fn pair_of(&self, family: &Family) -> Shown {
        crate::keys::pair(family, &self.tags())
    }

    /// Ends a family for good, everywhere.
    pub(crate) async fn kill_family(
        &self,
        actor: Actor,
        id: FamilyId,
        why: Death,
        now: Instant,
    ) -> Result<i64, Failure> {
        let action = match why {
            Death::Reused => Action::FamilyReused,
            Death::Revoked | Death::Replaced => Action::FamilyRevoked,
        };
        let notice_id = NoticeId::mint(now, self.entropy().draw()?);
        let changed = self
            .store()
            .change(
                actor,
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    if let Some(Found::Good(family)) = change.family(id)?
                        && family.dead.is_none()
                    {
                        if why == Death::Reused {
                            change
                                .raise_notice(&crate::notices::of_reuse(notice_id, &family, now))?;
                        }
                        change.update_family(family.die(why, now), action, NO_DETAIL)?;
                    }
                    Ok::<(), Failure>(())
                },
            )
            .await?;
        self.settle(&changed).await
    }

    /// Writes that a token of the current generation was presented.
    pub(crate) async fn mark_family_used(
        &self,
        id: FamilyId,
        generation: u32,
    ) -> Result<(), Fault> {
        let mark = move |issue: &mut Issue<'_>| -> Result<(), Fault> {
            if let Some(Found::Good(family)) = issue.family(id)?
                && family.generation == generation
                && !family.used
                && family.dead.is_none()
            {
                issue.update_family(family.mark_used(), Action::FamilyUsed, NO_DETAIL)?;
            }
            Ok(())
        };
        self.store().issue(Actor::SYSTEM, self.now(), mark).await?;
        self.keyring().forget_family(id);
        Ok(())
    }
}
