//! Backups, and what a restored store owes before it answers.
//!
//! A backup is the past: what was revoked since is good again in it. So a restored store begins a new epoch of the feed,
//! refuses every token and family that was issued before, and brings its keys back disabled, unless something better is
//! known: a journal (an export of the trail that goes on from the backup to its signed end), or an operator's word that
//! the state of the backup may be used as it is.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use credential::event::{Action, Sealed, Subject, SubjectKind};
use credential::family::Death;
use credential::group::Group;
use credential::id::{FamilyId, KeyId};
use credential::key::{Key, Maker, State};
use credential::organization::{Organization, User};
use credential::role::Role;
use credential::time::Instant;
use store::keys::{KeyFilter, KeyOrder, KeyPlace};
use store::{Change, Fault, Found};

use crate::Authority;
use crate::act::MAX_PAGE;
use crate::audit::{Trust, verify_each};
use crate::caller::{Caller, Need};
use crate::failure::{Failure, Refusal};
use crate::keys::place_after;
use crate::organizations::is_operator;
use crate::users::latchkey;

pub(crate) const OPERATE: &str = "latchkey.server:operate";

/// Rows of one transaction: others wait for it some tens of milliseconds.
const BATCH: usize = 500;

/// How many administering keys a restore names: the first administrator's is the oldest.
const ADMINISTERING: usize = 5;

/// What a restored store is held against.
#[derive(Default)]
pub struct Evidence<'j> {
    /// The operator's word: what was restricted after this moment and is not in the backup may be lost.
    pub accept_as_of: Option<Instant>,
    /// An export of the trail that goes on from the backup.
    pub journal: Option<Box<dyn BufRead + Send + 'j>>,
}

/// What finishing a restore did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// The feed's new epoch.
    pub epoch: i64,
    /// Keys that were brought back disabled.
    pub suspended: u64,
    /// Those among them that open this server's own administration, the oldest few: one must be enabled from the
    /// shell before anybody can call for the others.
    pub administering: Vec<KeyId>,
    /// Restrictions from the journal that were made again.
    pub replayed: u64,
    /// Families that were ended.
    pub families: u64,
    /// Whether the journal was complete.
    pub journal_complete: bool,
}

/// What the journal says of a thing since the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// It is over for good.
    Ended,
    /// It changed in a way that the trail does not repeat, or was switched off: nobody knows it to be good.
    Unsure,
}

/// The things that the journal tells of.
type Losses = BTreeMap<(SubjectKind, String), Lost>;

impl Authority {
    /// Copies the database as it is at one moment into a new file. SQLite only: PostgreSQL has its own tools.
    pub async fn backup(&self, caller: &Caller, path: &Path) -> Result<(), Failure> {
        self.permit(
            caller,
            &Need {
                scope: OPERATE,
                organization: caller.organization,
                product: None,
            },
        )
        .await?;
        if !is_operator(&self.world(), caller) {
            return Err(Refusal::Ceiling("backing up the whole server".to_owned()).into());
        }
        let actor = caller.actor();
        self.store()
            .change(
                actor,
                self.now(),
                |_| Ok::<(), Failure>(()),
                |change| {
                    change.note(Action::BackupTaken, server("backup"), None, "{}");
                    Ok::<(), Failure>(())
                },
            )
            .await?;
        // The copy ends at a signed place, from which a journal can go on.
        self.sign_checkpoint().await?;
        self.store()
            .backup_to(path)
            .await
            .map_err(|fault| match fault {
                Fault::Unsupported(why) => Refusal::Conflict(why.to_owned()).into(),
                fault => Failure::Fault(fault),
            })
    }

    /// Makes a store that was brought back from a backup fit to answer. It belongs to whoever holds the server's shell,
    /// and is done before anybody else uses the store; when it is interrupted, it is done again.
    pub async fn finish_restore(
        &self,
        caller: &Caller,
        evidence: Evidence<'_>,
    ) -> Result<Restored, Failure> {
        if !caller.is_shell() {
            return Err(Refusal::Ceiling("restoring the server".to_owned()).into());
        }
        let now = self.now();
        let (head, last) = self
            .store()
            .view(|view| -> Result<_, Fault> {
                Ok((
                    view.audit_head()?,
                    view.audit_page(&Default::default(), None, 1)?,
                ))
            })
            .await?;
        let ends_at = last
            .first()
            .map_or(Instant::from_millis(0), |sealed| sealed.event.at);
        if let Some(as_of) = evidence.accept_as_of.filter(|as_of| *as_of > ends_at) {
            let why = format!(
                "the backup ends at {} ms, before {} ms",
                ends_at.millis(),
                as_of.millis()
            );
            return Err(Refusal::invalid("accept_as_of", why).into());
        }
        let mut restored = Restored::default();
        let mut lost = BTreeMap::new();
        if let Some(journal) = evidence.journal {
            let (since, complete) = self.read_journal(journal, head)?;
            restored.journal_complete = complete;
            lost = since;
        }
        for (subject, lost) in &lost {
            restored.replayed += self.replay(caller, subject, *lost).await?;
        }
        if !restored.journal_complete && evidence.accept_as_of.is_none() {
            restored.suspended = self.suspend_keys(caller).await?;
        }
        restored.administering = self.suspended_administrators().await?;
        restored.families = self.end_families(caller).await?;
        self.forget_replicas().await?;

        let detail = serde_json::json!({
            "accept_as_of_ms": evidence.accept_as_of.map(Instant::millis),
            "journal_complete": restored.journal_complete,
            "suspended": restored.suspended,
        })
        .to_string();
        let changed = self
            .store()
            .change(
                caller.actor(),
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    // What earlier signing keys signed is refused from here on.
                    let mut after: Option<String> = None;
                    loop {
                        let page = change.signing_keys_page(after.as_deref(), MAX_PAGE)?;
                        let full = page.len() == MAX_PAGE;
                        for mut key in page.into_iter().filter_map(Found::good) {
                            after = Some(key.kid.clone());
                            if key.revoked_at.is_none() {
                                key.retired_at = key.retired_at.or(Some(now));
                                (key.revoked_at, key.not_after) = (Some(now), Some(now));
                                change.update_signing_key(key, Action::SigningKeyRevoked, "{}")?;
                            }
                        }
                        if !full {
                            break;
                        }
                    }
                    change.note(Action::BackupRestored, server("restore"), None, &detail);
                    Ok::<i64, Failure>(change.begin_epoch()?)
                },
            )
            .await?;
        restored.epoch = changed.value;
        // Another epoch: what this process has at hand is dropped and read anew.
        self.poll().await?;
        self.reload_signing_keys().await?;
        self.roll_signing_keys().await?;
        self.sign_checkpoint().await?;
        Ok(restored)
    }

    /// What a journal says happened since the backup, and whether it goes to a signed end. It must be this server's, and
    /// go on from the very place where the backup ends.
    fn read_journal(
        &self,
        journal: impl BufRead,
        head: (i64, [u8; 32]),
    ) -> Result<(Losses, bool), Failure> {
        let trust = Trust {
            public_key: Some(self.audit_public_key().1),
            checkpoint: None,
        };
        let mut lost = BTreeMap::new();
        let mut meets = head.0 == 0;
        let report = verify_each(journal, &trust, |sealed| {
            if sealed.event.seq == head.0 {
                meets = sealed.hash == head.1;
            }
            if sealed.event.seq > head.0 {
                note_lost(&mut lost, sealed);
            }
        });
        let report = report.map_err(|bad| Refusal::invalid("journal", bad))?;
        if !meets {
            return Err(Refusal::invalid(
                "journal",
                "it does not go on from the end of the backup",
            )
            .into());
        }
        Ok((lost, report.head >= head.0 && report.sealed == report.head))
    }

    /// Makes a lost restriction again; says whether there was anything to do.
    async fn replay(
        &self,
        caller: &Caller,
        subject: &(SubjectKind, String),
        lost: Lost,
    ) -> Result<u64, Failure> {
        let (kind, id) = subject.clone();
        let now = self.now();
        let changed = self
            .store()
            .change(
                caller.actor(),
                now,
                |_| Ok::<(), Failure>(()),
                move |change| restrict(change, kind, &id, lost, now),
            )
            .await?;
        Ok(u64::from(changed.value))
    }

    async fn suspend_keys(&self, caller: &Caller) -> Result<u64, Failure> {
        let filter = KeyFilter {
            state: Some(State::Active.as_str()),
            ..KeyFilter::default()
        };
        let (mut count, mut after) = (0, None::<KeyId>);
        loop {
            let (filter, place) = (
                filter.clone(),
                after.map(|id| KeyPlace {
                    id,
                    name: String::new(),
                }),
            );
            let page = self
                .store()
                .view(move |view| view.keys_page(&filter, KeyOrder::Oldest, place.as_ref(), BATCH))
                .await?;
            let full = page.len() == BATCH;
            // An edited row is refused as it is; it must not hide the ones behind it.
            after = place_after(&page).map(|place| place.id);
            let keys: Vec<Key> = page.into_iter().filter_map(Found::good).collect();
            count += keys.len() as u64;
            let now = self.now();
            self.store()
                .change(
                    caller.actor(),
                    now,
                    |_| Ok::<(), Failure>(()),
                    move |change| {
                        for key in &keys {
                            suspend(change, key.clone(), now)?;
                        }
                        Ok::<(), Failure>(())
                    },
                )
                .await?;
            if !full || after.is_none() {
                return Ok(count);
            }
        }
    }

    /// Keys of this server's own product that a restore took out of use, oldest first.
    async fn suspended_administrators(&self) -> Result<Vec<KeyId>, Failure> {
        let filter = KeyFilter {
            product: Some(latchkey()?),
            state: Some("disabled"),
            ..KeyFilter::default()
        };
        let page = self
            .store()
            .view::<_, Fault>(move |view| view.keys_page(&filter, KeyOrder::Oldest, None, BATCH))
            .await?;
        let by_restore = |key: &Key| {
            matches!(
                key.state,
                State::Disabled {
                    by: Maker::System,
                    ..
                }
            )
        };
        Ok(page
            .into_iter()
            .filter_map(Found::good)
            .filter(by_restore)
            .map(|key| key.id)
            .take(ADMINISTERING)
            .collect())
    }

    async fn end_families(&self, caller: &Caller) -> Result<u64, Failure> {
        let (mut count, mut after) = (0, None::<FamilyId>);
        loop {
            let page = self
                .store()
                .view(move |view| view.families_page(after, BATCH))
                .await?;
            let full = page.len() == BATCH;
            after = page.iter().rev().find_map(|found| match found {
                Found::Good(family) => Some(family.id),
                Found::Tampered(subject) => subject.id.parse().ok(),
            });
            let families: Vec<_> = page.into_iter().filter_map(Found::good).collect();
            let now = self.now();
            let ended = self
                .store()
                .change(
                    caller.actor(),
                    now,
                    |_| Ok::<(), Failure>(()),
                    move |change| {
                        let mut ended = 0;
                        for family in families.iter().filter(|family| family.dead.is_none()) {
                            change.update_family(
                                family.clone().die(Death::Revoked, now),
                                Action::FamilyRevoked,
                                "{}",
                            )?;
                            ended += 1;
                        }
                        Ok::<u64, Failure>(ended)
                    },
                )
                .await?;
            count += ended.value;
            if !full || after.is_none() {
                return Ok(count);
            }
        }
    }

    /// The processes that the backup knew of are not there; nobody shall wait for them.
    async fn forget_replicas(&self) -> Result<(), Failure> {
        let own = self.0.position.lock().await.replica;
        for replica in self.store().view(|view| view.replicas()).await? {
            if Some(replica.id) != own {
                self.store().delete_replica(replica.id).await?;
            }
        }
        Ok(())
    }
}

fn server(id: &str) -> Subject {
    Subject {
        kind: SubjectKind::Server,
        id: id.to_owned(),
    }
}

fn note_lost(lost: &mut Losses, sealed: &Sealed) {
    let event = &sealed.event;
    let what = match event.action {
        Action::KeyRevoked
        | Action::KeyPurged
        | Action::UserDeleted
        | Action::GroupDeleted
        | Action::RoleDeleted => Lost::Ended,
        Action::KeyEdited
        | Action::KeyDisabled
        | Action::KeySuspended
        | Action::KeyRotated
        | Action::KeyOverlapEnded
        | Action::UserDisabled
        | Action::UserRolesChanged
        | Action::GroupEdited
        | Action::GroupMembersChanged
        | Action::RoleEdited
        | Action::OrganizationDisabled => Lost::Unsure,
        _ => return,
    };
    let entry = lost
        .entry((event.subject.kind, event.subject.id.clone()))
        .or_insert(what);
    // What has ended stays so, whatever came before or after.
    if what == Lost::Ended {
        *entry = what;
    }
}

fn restrict(
    change: &mut Change<'_>,
    kind: SubjectKind,
    id: &str,
    lost: Lost,
    now: Instant,
) -> Result<bool, Failure> {
    match kind {
        SubjectKind::Key => {
            let Some(Found::Good(key)) = id.parse().ok().map_or(Ok(None), |id| change.key(id))?
            else {
                return Ok(false);
            };
            if lost == Lost::Unsure {
                return suspend(change, key, now);
            }
            if key.is_revoked() {
                return Ok(false);
            }
            let revoked = key.revoke(Maker::System, now)?;
            change.update_key(revoked, Action::KeyRevoked, "{}")?;
        }
        SubjectKind::User => match id.parse().ok().map_or(Ok(None), |id| change.user(id))? {
            Some(Found::Good(user)) if user.active => {
                change.update_user(
                    User {
                        active: false,
                        ..user
                    },
                    Action::UserDisabled,
                    "{}",
                )?;
            }
            _ => return Ok(false),
        },
        SubjectKind::Group => match id.parse().ok().map_or(Ok(None), |id| change.group(id))? {
            Some(Found::Good(group)) if !group.roles.is_empty() => {
                let bare = Group {
                    roles: Vec::new(),
                    ..group
                };
                change.update_group(bare, Action::GroupEdited, "{}")?;
            }
            _ => return Ok(false),
        },
        SubjectKind::Role => match id.parse().ok().map_or(Ok(None), |id| change.role(id))? {
            Some(Found::Good(role)) if !role.deleted => {
                change.update_role(
                    Role {
                        deleted: true,
                        ..role
                    },
                    Action::RoleDeleted,
                    "{}",
                )?;
            }
            _ => return Ok(false),
        },
        SubjectKind::Organization => match id
            .parse()
            .ok()
            .map_or(Ok(None), |id| change.organization(id))?
        {
            Some(Found::Good(found)) if found.active => {
                let off = Organization {
                    active: false,
                    ..found
                };
                change.update_organization(off, Action::OrganizationDisabled, "{}")?;
            }
            _ => return Ok(false),
        },
        _ => return Ok(false),
    }
    Ok(true)
}

fn suspend(change: &mut Change<'_>, key: Key, now: Instant) -> Result<bool, Failure> {
    if key.state != State::Active {
        return Ok(false);
    }
    let suspended = key.disable(Maker::System, now)?;
    change.update_key(suspended, Action::KeySuspended, r#"{"because":"restored"}"#)?;
    Ok(true)
}
