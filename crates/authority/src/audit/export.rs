//! The trail as JSON lines, for places that the server cannot write: what they hold shows any later change.
//!
//! ```text
//! {"kind":"header","format":1,"chain":"main","start_seq":0,"start_hash":"…","key_id":"…","public_key":"…",…}
//! {"kind":"event","seq":1,…,"hash":"…"}
//! {"kind":"checkpoint","seq":1,…,"signature":"…"}      directly after the event it speaks of
//! {"kind":"issued","chain":"…","seq":1,…,"hash":"…"}   after the main chain, chain by chain
//! {"kind":"end","seq":1,"hash":"…"}
//! ```

use std::collections::VecDeque;
use std::net::IpAddr;

use credential::event::{
    Action, Actor, ActorKind, Checkpoint, Event, Sealed, Subject, SubjectKind,
};
use credential::id::OrganizationId;
use credential::time::Instant;
use serde::{Deserialize, Serialize};
use store::Fault;
use store::audit::AuditFilter;
use store::change::MAIN_CHAIN;

use super::AuditQuery;
use super::walk::unhex;
use crate::Authority;
use crate::caller::Caller;
use crate::catalog::hex;
use crate::failure::{Failure, Refusal};

/// Events of one batch: some hundred kilobytes of text.
const BATCH: usize = 500;
/// The form that this program writes and reads.
pub(crate) const FORMAT: u32 = 1;

/// One line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Header {
        /// The form of what follows.
        format: u32,
        /// The organization whose events these are; `None` is the whole trail, which alone can be verified.
        organization: Option<OrganizationId>,
        /// The place before the first event.
        start_seq: i64,
        /// The hash at that place, in hexadecimal.
        start_hash: String,
        /// The name of the key that signs checkpoints.
        key_id: String,
        /// Its public half (Ed25519) in hexadecimal. Trust it only if you know it from elsewhere.
        public_key: String,
        /// When the export began, in milliseconds since 1970.
        at: i64,
    },
    /// An event of the main chain.
    Event(ExportedEvent),
    /// A signed checkpoint.
    Checkpoint {
        /// The place it speaks of.
        seq: i64,
        /// The hash there, in hexadecimal.
        hash: String,
        /// When it was signed, in milliseconds since 1970.
        at: i64,
        /// The key that signed it.
        key_id: String,
        /// The signature in hexadecimal.
        signature: String,
    },
    /// An event of an issuance chain.
    Issued {
        /// The chain.
        chain: String,
        /// The event.
        #[serde(flatten)]
        event: ExportedEvent,
    },
    /// The last line: an export without it was cut short.
    End {
        /// The place of the last event of the main chain.
        seq: i64,
        /// Its hash, in hexadecimal.
        hash: String,
    },
}

/// An event and its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedEvent {
    seq: i64,
    at: i64,
    organization: Option<OrganizationId>,
    actor_kind: ActorKind,
    actor_id: String,
    actor_organization: Option<OrganizationId>,
    address: Option<IpAddr>,
    request_id: Option<String>,
    action: Action,
    subject_kind: SubjectKind,
    subject_id: String,
    subject_version: i64,
    row_digest: String,
    detail: String,
    hash: String,
}

impl ExportedEvent {
    fn of(sealed: &Sealed) -> Self {
        let Event {
            seq,
            at,
            organization,
            actor,
            action,
            subject,
            subject_version,
            row_digest,
            detail,
        } = sealed.event.clone();
        Self {
            seq,
            at: at.millis(),
            organization,
            actor_kind: actor.kind,
            actor_id: actor.id,
            actor_organization: actor.organization,
            address: actor.address,
            request_id: actor.request_id,
            action,
            subject_kind: subject.kind,
            subject_id: subject.id,
            subject_version,
            row_digest: hex(&row_digest),
            detail,
            hash: hex(&sealed.hash),
        }
    }

    /// The event as it is chained; `None` when a digest is none.
    pub(crate) fn sealed(self) -> Option<Sealed> {
        let event = Event {
            seq: self.seq,
            at: Instant::from_millis(self.at),
            organization: self.organization,
            actor: Actor {
                kind: self.actor_kind,
                id: self.actor_id,
                organization: self.actor_organization,
                address: self.address,
                request_id: self.request_id,
            },
            action: self.action,
            subject: Subject {
                kind: self.subject_kind,
                id: self.subject_id,
            },
            subject_version: self.subject_version,
            row_digest: unhex(&self.row_digest)?,
            detail: self.detail,
        };
        Some(Sealed {
            event,
            hash: unhex(&self.hash)?,
        })
    }
}

impl Line {
    pub(crate) fn of_checkpoint(checkpoint: &Checkpoint) -> Self {
        Line::Checkpoint {
            seq: checkpoint.seq,
            hash: hex(&checkpoint.hash),
            at: checkpoint.at.millis(),
            key_id: checkpoint.key_id.clone(),
            signature: hex(&checkpoint.signature),
        }
    }

    pub(crate) fn write(&self, text: &mut String) -> Result<(), Failure> {
        let line = serde_json::to_string(self).map_err(|error| Fault::Shape(error.to_string()))?;
        text.push_str(&line);
        text.push('\n');
        Ok(())
    }
}

/// An export under way; ask it for the next batch until there is none.
pub struct AuditExport {
    authority: Authority,
    stage: Stage,
    /// The end of the main chain when the export began.
    head: (i64, [u8; 32]),
    start: (i64, [u8; 32]),
    /// `None` is the whole trail.
    filter: Option<AuditFilter>,
    chains: VecDeque<(String, i64)>,
}

enum Stage {
    Header,
    Events { after: i64 },
    Issued { after: i64 },
    End,
    Over,
}

impl Authority {
    /// Begins an export: of the whole trail, which can be verified elsewhere, or of the events of one organization.
    pub async fn export_audit(
        &self,
        caller: &Caller,
        query: AuditQuery,
    ) -> Result<AuditExport, Failure> {
        let whole = query.everywhere;
        let filter = self.readable(caller, query).await?;
        if whole {
            // What follows the last checkpoint proves nothing elsewhere, and makes no complete journal for a restore.
            self.sign_checkpoint().await?;
        }
        let (head, start) = self
            .store()
            .view(|view| -> Result<_, Fault> { Ok((view.audit_head()?, view.audit_start()?)) })
            .await?;
        let start = start.ok_or_else(|| {
            Refusal::Conflict(
                "the beginning of the trail is gone, and no checkpoint closes it".to_owned(),
            )
        })?;
        let filter = (!whole).then_some(filter);
        Ok(AuditExport {
            authority: self.clone(),
            stage: Stage::Header,
            head,
            start,
            filter,
            chains: VecDeque::new(),
        })
    }
}

impl AuditExport {
    /// The next lines; `None` at the end.
    pub async fn next_lines(&mut self) -> Result<Option<String>, Failure> {
        let mut text = String::new();
        match self.stage {
            Stage::Header => {
                self.header().write(&mut text)?;
                self.stage = Stage::Events {
                    after: self.start.0,
                };
            }
            Stage::Events { after } => self.write_events(after, &mut text).await?,
            Stage::Issued { after } => self.write_issued(after, &mut text).await?,
            Stage::End => {
                Line::End {
                    seq: self.head.0,
                    hash: hex(&self.head.1),
                }
                .write(&mut text)?;
                self.stage = Stage::Over;
            }
            Stage::Over => return Ok(None),
        }
        Ok(Some(text))
    }

    fn header(&self) -> Line {
        let (key_id, public_key) = self.authority.audit_public_key();
        Line::Header {
            format: FORMAT,
            organization: self.filter.as_ref().and_then(|filter| filter.organization),
            start_seq: self.start.0,
            start_hash: hex(&self.start.1),
            key_id,
            public_key: hex(&public_key),
            at: self.authority.now().millis(),
        }
    }

    async fn write_events(&mut self, after: i64, text: &mut String) -> Result<(), Failure> {
        let filter = self.filter.clone();
        let whole = filter.is_none();
        let (mut events, checkpoints) = self
            .authority
            .store()
            .view(move |view| -> Result<_, Fault> {
                match filter {
                    Some(filter) => {
                        Ok((view.audit_since(&filter, Some(after), BATCH)?, Vec::new()))
                    }
                    None => Ok((
                        view.audit_chain(after, BATCH)?,
                        view.checkpoints_after(after, BATCH)?,
                    )),
                }
            })
            .await?;
        let full = events.len() == BATCH;
        events.retain(|sealed| sealed.event.seq <= self.head.0);
        let mut checkpoints = checkpoints.iter().peekable();
        for sealed in &events {
            Line::Event(ExportedEvent::of(sealed)).write(text)?;
            while let Some(checkpoint) = checkpoints.next_if(|point| point.seq <= sealed.event.seq)
            {
                Line::of_checkpoint(checkpoint).write(text)?;
            }
        }
        self.stage = match events.last() {
            Some(last) if full && last.event.seq < self.head.0 => Stage::Events {
                after: last.event.seq,
            },
            _ if whole => {
                self.chains = self.issuance_chains().await?;
                Stage::Issued { after: 0 }
            }
            _ => Stage::End,
        };
        Ok(())
    }

    async fn write_issued(&mut self, after: i64, text: &mut String) -> Result<(), Failure> {
        let Some((chain, end)) = self.chains.front().cloned() else {
            self.stage = Stage::End;
            return Ok(());
        };
        let name = chain.clone();
        let mut events = self
            .authority
            .store()
            .view(move |view| view.issuance_chain(&name, after, BATCH))
            .await?;
        let full = events.len() == BATCH;
        events.retain(|sealed| sealed.event.seq <= end);
        for sealed in &events {
            Line::Issued {
                chain: chain.clone(),
                event: ExportedEvent::of(sealed),
            }
            .write(text)?;
        }
        let last = events.last().map_or(end, |sealed| sealed.event.seq);
        if full && last < end {
            self.stage = Stage::Issued { after: last };
        } else {
            self.chains.pop_front();
            self.stage = Stage::Issued { after: 0 };
        }
        Ok(())
    }

    /// The issuance chains, and how far the main chain that is exported vouches for them.
    async fn issuance_chains(&self) -> Result<VecDeque<(String, i64)>, Failure> {
        let mut chains: VecDeque<(String, i64)> = VecDeque::new();
        loop {
            let after = chains
                .back()
                .map(|(chain, _)| chain.clone())
                .unwrap_or_default();
            let page = self
                .authority
                .store()
                .view(move |view| view.issuance_heads(&after, BATCH))
                .await?;
            let full = page.len() == BATCH;
            chains.extend(page.into_iter().map(|(chain, seq, _)| (chain, seq)));
            if !full {
                return Ok(chains);
            }
        }
    }
}

/// The checkpoint that a line tells; `None` when a digest is none.
pub(crate) fn checkpoint_of(line: Line) -> Option<Checkpoint> {
    let Line::Checkpoint {
        seq,
        hash,
        at,
        key_id,
        signature,
    } = line
    else {
        return None;
    };
    Some(Checkpoint {
        chain: MAIN_CHAIN.to_owned(),
        seq,
        hash: unhex(&hash)?,
        at: Instant::from_millis(at),
        key_id,
        signature: bytes(&signature)?,
    })
}

pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|place| u8::from_str_radix(&text[place..place + 2], 16).ok())
        .collect()
}
