//! The audit trail: read in pages, signed at its end, verified, exported, and held against the rows it tells of.
//!
//! Whoever may read the trail of an organization sees the events of that organization. The chain as a whole, with its
//! checkpoints, is the operator's: it is what verification needs.

mod compare;
mod export;
mod offline;
mod walk;

use std::path::Path;

use credential::event::{Checkpoint, Sealed};
use credential::id::OrganizationId;
use store::audit::AuditFilter;
use store::change::MAIN_CHAIN;
use tokio::io::AsyncWriteExt as _;

pub use compare::{CompareStep, Mismatch, Wrong};
pub use export::{AuditExport, Line};
pub(crate) use offline::verify_each;
pub use offline::{BadExport, OfflineReport, Trust, verify_export};
pub use walk::{AuditReport, Flaw};

use crate::Authority;
use crate::act::MAX_PAGE;
use crate::caller::{Caller, Need};
use crate::failure::{Failure, Refusal};
use crate::organizations::is_operator;

pub(crate) const READ: &str = "latchkey.audit:read";

/// Which events a page is about.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// What they have in common; without an organization, they are those of the caller's own.
    pub filter: AuditFilter,
    /// The events of all organizations and of the server itself; for the operator only.
    pub everywhere: bool,
}

impl Authority {
    /// A page of events, the newest first; `before` is the last place of the page before.
    pub async fn audit(
        &self,
        caller: &Caller,
        query: AuditQuery,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Sealed>, Failure> {
        let filter = self.readable(caller, query).await?;
        let limit = limit.clamp(1, MAX_PAGE);
        Ok(self
            .store()
            .view(move |view| view.audit_page(&filter, before, limit))
            .await?)
    }

    /// The key that checkpoints are signed with: its name in them, and its public half (Ed25519, 32 bytes).
    pub fn audit_public_key(&self) -> (String, Vec<u8>) {
        let key = self.audit_key();
        (key.id.clone(), key.public())
    }

    /// Signs the end of the trail, if anything happened since it was last signed.
    pub async fn sign_checkpoint(&self) -> Result<Option<Checkpoint>, Failure> {
        let key = self.audit_key();
        let sign = move |checkpoint: &mut Checkpoint| {
            checkpoint.key_id.clone_from(&key.id);
            checkpoint.signature = key.sign(&checkpoint.message());
            Ok::<(), Failure>(())
        };
        let signed = self.store().checkpoint(self.now(), sign).await?;
        if let (Some(checkpoint), Some(directory)) =
            (&signed, &self.settings().audit.checkpoint_directory)
        {
            self.hand_out(checkpoint, directory).await;
        }
        Ok(signed)
    }

    /// Writes a checkpoint as a file of its own, which is never written again. That it stands in the store is what
    /// counts here: a file that cannot be written is reported, and the next may succeed.
    async fn hand_out(&self, checkpoint: &Checkpoint, directory: &Path) {
        let mut text = String::new();
        if Line::of_checkpoint(checkpoint).write(&mut text).is_err() {
            return;
        }
        let path = directory.join(format!("checkpoint-{:012}.json", checkpoint.seq));
        let made = tokio::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .await;
        let written = match made {
            Ok(mut file) => match file.write_all(text.as_bytes()).await {
                Ok(()) => file.sync_all().await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "a checkpoint could not be handed out");
        }
    }

    /// Signs the end of the trail if that is due: so many events or so long after it was last signed.
    pub async fn sign_checkpoint_if_due(&self) -> Result<Option<Checkpoint>, Failure> {
        let (head, last) = self
            .store()
            .view(|view| -> Result<_, store::Fault> {
                Ok((view.audit_head()?.0, view.last_checkpoint(None)?))
            })
            .await?;
        let settings = &self.settings().audit;
        let due = last.is_none_or(|last| {
            head - last.seq >= settings.checkpoint_events
                || last.at + settings.checkpoint_every <= self.now()
        });
        if due {
            self.sign_checkpoint().await
        } else {
            Ok(None)
        }
    }

    /// The filter of what the caller asks for, if the caller may read it.
    async fn readable(&self, caller: &Caller, query: AuditQuery) -> Result<AuditFilter, Failure> {
        let AuditQuery {
            mut filter,
            everywhere,
        } = query;
        if everywhere {
            self.permit_whole_trail(caller).await?;
            return Ok(filter);
        }
        let organization = filter.organization.unwrap_or(caller.organization);
        self.permit(caller, &need(organization)).await?;
        filter.organization = Some(organization);
        Ok(filter)
    }

    async fn permit_whole_trail(&self, caller: &Caller) -> Result<(), Failure> {
        self.permit(caller, &need(caller.organization)).await?;
        if is_operator(&self.world(), caller) {
            return Ok(());
        }
        Err(Refusal::Ceiling("reading the trail of the whole server".to_owned()).into())
    }
}

fn need(organization: OrganizationId) -> Need {
    Need {
        scope: READ,
        organization,
        product: None,
    }
}

/// Whether a checkpoint is of the main chain and signed with this key.
pub(crate) fn is_genuine(checkpoint: &Checkpoint, key_id: &str, public_key: &[u8]) -> bool {
    checkpoint.chain == MAIN_CHAIN
        && checkpoint.key_id == key_id
        && checkpoint.is_signed_by(public_key)
}
