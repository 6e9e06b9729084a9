//! The rows held against the trail, a batch at a time, and what is done about a row that disagrees.
//!
//! An edited row needs nothing done: its seal or its MAC is broken, and whatever depends on it is refused. A row that was
//! put back is genuine, only not the latest; it is taken out of use until somebody looks. Whatever is found is told once.

use credential::event::{Action, Actor, Subject, SubjectKind};
use credential::family::Death;
use credential::group::Group;
use credential::id::{KeyId, OrganizationId, TokenId};
use credential::key::{Maker, State};
use credential::organization::{Organization, User};
use credential::role::Role;
use credential::time::{Instant, Span};
use store::audit::AuditFilter;
use store::compare::{ComparePlace, KINDS};
use store::tokens::RevokedToken;
use store::{Change, Found, View};

pub use store::compare::{Mismatch, Wrong};

use crate::Authority;
use crate::failure::Failure;
use crate::organizations::OPERATOR;

/// Rows of one batch: a read of a few milliseconds.
const BATCH: usize = 200;
/// Events about one thing that are looked through for the last that tells of its row.
const LOOK_BACK: usize = 20;
/// For how long a token whose revocation was deleted is refused, since nobody knows when it expires: longer than any
/// token that is not a key of its own.
const UNKNOWN_EXPIRY: Span = Span::from_days(366);

/// Where a comparison goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompareStep {
    kind: usize,
    place: Option<ComparePlace>,
}

impl Authority {
    /// Compares the next batch, and takes out of use what disagrees. Gives what it found, and where to go on; `None` at
    /// the end.
    pub async fn compare_rows(
        &self,
        from: CompareStep,
    ) -> Result<(Vec<Mismatch>, Option<CompareStep>), Failure> {
        let Some(kind) = KINDS.get(from.kind) else {
            return Ok((Vec::new(), None));
        };
        let compared = self.store().compare(*kind, from.place, BATCH).await?;
        for mismatch in &compared.mismatches {
            self.suspend(mismatch).await?;
        }
        let next = match compared.next {
            Some(place) => Some(CompareStep {
                kind: from.kind,
                place: Some(place),
            }),
            None if from.kind + 1 < KINDS.len() => Some(CompareStep {
                kind: from.kind + 1,
                place: None,
            }),
            None => None,
        };
        Ok((compared.mismatches, next))
    }

    /// Compares everything, batch by batch.
    pub async fn compare_everything(&self) -> Result<Vec<Mismatch>, Failure> {
        let (mut found, mut step) = (Vec::new(), Some(CompareStep::default()));
        while let Some(from) = step {
            let (more, next) = self.compare_rows(from).await?;
            found.extend(more);
            step = next;
        }
        Ok(found)
    }

    async fn suspend(&self, mismatch: &Mismatch) -> Result<(), Failure> {
        let Mismatch { subject, wrong } = mismatch.clone();
        let now = self.now();
        let word = word(wrong);
        tracing::error!(subject.kind = %subject.kind, subject.id, wrong = word, "a row disagrees with the audit trail");
        let filter = AuditFilter {
            subject_kind: Some(subject.kind),
            subject_id: Some(subject.id.clone()),
            ..AuditFilter::default()
        };
        let last = self
            .store()
            .view(move |view| view.audit_page(&filter, None, LOOK_BACK))
            .await?;
        let last = last
            .into_iter()
            .find(|sealed| sealed.event.subject_version > 0);
        let organization = last.as_ref().and_then(|sealed| sealed.event.organization);
        // Told once for the state that the trail knows; when the row was changed since, that is another state.
        let known = last.map_or(0, |sealed| sealed.event.seq);
        let once = format!("tampering:{}:{}:{word}:{known}", subject.kind, subject.id);
        let body = serde_json::json!({ "wrong": word });
        let notice = self.notice(organization, "tampering", subject.clone(), once, &body, now)?;
        let changed = self
            .store()
            .change(
                Actor::SYSTEM,
                now,
                |_: &View<'_>| Ok::<(), Failure>(()),
                move |change| {
                    if !change.raise_notice(&notice)? {
                        return Ok(());
                    }
                    change.note(
                        Action::TamperingFound,
                        subject.clone(),
                        organization,
                        &notice.body,
                    );
                    // Replicas that still hold the row as it was read it again.
                    change.announce(&subject);
                    change.repairs(&subject);
                    take_out_of_use(change, &subject, organization, wrong, now)
                },
            )
            .await?;
        self.settle(&changed).await?;
        Ok(())
    }
}

fn word(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::Edited => "edited",
        Wrong::PutBack => "put_back",
        Wrong::Deleted => "deleted",
        Wrong::Unknown => "unknown",
    }
}

fn take_out_of_use(
    change: &mut Change<'_>,
    subject: &Subject,
    organization: Option<OrganizationId>,
    wrong: Wrong,
    now: Instant,
) -> Result<(), Failure> {
    const DETAIL: &str = r#"{"because":"tampering"}"#;
    let id = &subject.id;
    match subject.kind {
        SubjectKind::Key => {
            if let Some(Found::Good(key)) = id.parse().ok().map_or(Ok(None), |id| change.key(id))?
                && key.state == State::Active
            {
                let suspended = key.disable(Maker::System, now)?;
                change.update_key(suspended, Action::KeySuspended, DETAIL)?;
            }
        }
        SubjectKind::User => {
            if let Some(Found::Good(user)) =
                id.parse().ok().map_or(Ok(None), |id| change.user(id))?
                && user.active
            {
                change.update_user(
                    User {
                        active: false,
                        ..user
                    },
                    Action::UserDisabled,
                    DETAIL,
                )?;
            }
        }
        SubjectKind::Organization => {
            // Without the operator's organization nobody could look into it.
            if let Some(Found::Good(found)) = id
                .parse()
                .ok()
                .map_or(Ok(None), |id| change.organization(id))?
                && found.active
                && found.number != OPERATOR
            {
                let off = Organization {
                    active: false,
                    ..found
                };
                change.update_organization(off, Action::OrganizationDisabled, DETAIL)?;
            }
        }
        SubjectKind::Group => {
            if let Some(Found::Good(group)) =
                id.parse().ok().map_or(Ok(None), |id| change.group(id))?
                && !group.roles.is_empty()
            {
                let bare = Group {
                    roles: Vec::new(),
                    ..group
                };
                change.update_group(bare, Action::GroupEdited, DETAIL)?;
            }
        }
        SubjectKind::Role => {
            if let Some(Found::Good(role)) =
                id.parse().ok().map_or(Ok(None), |id| change.role(id))?
                && !role.deleted
            {
                change.update_role(
                    Role {
                        deleted: true,
                        ..role
                    },
                    Action::RoleDeleted,
                    DETAIL,
                )?;
            }
        }
        SubjectKind::Family => {
            if let Some(Found::Good(family)) =
                id.parse().ok().map_or(Ok(None), |id| change.family(id))?
                && family.dead.is_none()
            {
                change.update_family(
                    family.die(Death::Revoked, now),
                    Action::FamilyRevoked,
                    DETAIL,
                )?;
            }
        }
        SubjectKind::Token if wrong == Wrong::Deleted => {
            if let (Ok(id), Some(organization)) = (id.parse::<TokenId>(), organization) {
                let key = KeyId::from_bytes([0; 16]);
                let again = RevokedToken {
                    id,
                    organization,
                    key,
                    expires_at: now + UNKNOWN_EXPIRY,
                    at: now,
                };
                change.revoke_token(&again, DETAIL)?;
            }
        }
        SubjectKind::SigningKey => {
            if let Some(Found::Good(mut key)) = change.signing_key(id)?
                && key.revoked_at.is_none()
            {
                (key.retired_at, key.revoked_at, key.not_after) =
                    (key.retired_at.or(Some(now)), Some(now), Some(now));
                change.update_signing_key(key, Action::SigningKeyRevoked, DETAIL)?;
            }
        }
        // Settings, catalogs and data keys are looked into by people.
        _ => {}
    }
    Ok(())
}
