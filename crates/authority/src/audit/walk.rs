//! A walk along the chains in constant memory.

use std::collections::BTreeMap;

use credential::event::{Action, Anchors, Break, Checkpoint, Sealed, genesis, verify_chain};
use store::Fault;
use store::change::MAIN_CHAIN;
use store::issuance::IssuanceHead;

use super::{Mismatch, is_genuine};
use crate::Authority;
use crate::caller::Caller;
use crate::failure::Failure;

/// Events of one step: some hundred kilobytes.
const STEP: usize = 1000;
/// The most rows that a report names; whoever changed more has changed everything.
const MAX_MISMATCHES: usize = 100;

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Events of the main chain that were looked at.
    pub events: u64,
    /// Events of the issuance chains that were looked at.
    pub issued: u64,
    /// Checkpoints whose signatures hold.
    pub checkpoints: u64,
    /// The place of the last event.
    pub head: i64,
    /// The last place that a signed checkpoint vouches for. What comes after hangs together, but whoever can write the
    /// database could have written it.
    pub sealed: i64,
    /// The first bad place of the trail itself.
    pub flaw: Option<Flaw>,
    /// Rows that disagree with the trail; looked for only in a trail without a flaw.
    pub mismatches: Vec<Mismatch>,
}

/// A bad place of the trail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A chain does not hang together.
    #[error("chain {chain}: {at}")]
    Broken {
        /// Which one.
        chain: String,
        /// Where and how.
        at: Break,
    },
    /// A checkpoint was not signed by the server.
    #[error("the checkpoint at event {seq} does not bear the server's signature")]
    Unsigned {
        /// The place it speaks of.
        seq: i64,
    },
    /// The first events are gone, and no checkpoint says that they were closed.
    #[error("the beginning of the trail is gone, and no checkpoint closes it")]
    NoBeginning,
    /// A row of the trail does not read.
    #[error("a row of the trail does not read")]
    Unreadable,
}

impl AuditReport {
    /// Whether nothing bad was found.
    pub fn is_good(&self) -> bool {
        self.flaw.is_none() && self.mismatches.is_empty()
    }
}

/// A walk along one chain, as far as it has come.
pub(crate) struct Walk {
    chain: String,
    pub(crate) seq: i64,
    hash: [u8; 32],
    pub(crate) sealed: i64,
}

impl Walk {
    pub(crate) fn from(chain: &str, start: (i64, [u8; 32])) -> Self {
        Self {
            chain: chain.to_owned(),
            seq: start.0,
            hash: start.1,
            sealed: start.0,
        }
    }

    /// Walks on over the next events, held against the checkpoints that speak of them.
    pub(crate) fn step(
        &mut self,
        events: Vec<Sealed>,
        checkpoints: &[Checkpoint],
    ) -> Result<(), Flaw> {
        let anchors = Anchors {
            start: (self.seq, self.hash),
            checkpoints,
            head: None,
        };
        let head = verify_chain(events, anchors).map_err(|at| self.broken(at))?;
        (self.seq, self.hash) = (head.seq, head.hash);
        self.sealed = self
            .sealed
            .max(checkpoints.last().map_or(0, |last| last.seq.min(head.seq)));
        Ok(())
    }

    /// The end, held against what is known of it from elsewhere.
    pub(crate) fn end(&self, head: (i64, [u8; 32])) -> Result<(), Flaw> {
        if self.seq < head.0 {
            return Err(self.broken(Break::Truncated(self.seq)));
        }
        if self.seq == head.0 && self.hash != head.1 {
            return Err(self.broken(Break::Rewritten {
                since: self.sealed + 1,
                until: self.seq,
            }));
        }
        Ok(())
    }

    pub(crate) fn broken(&self, at: Break) -> Flaw {
        // A step knows only of its own beginning; the walk knows the last place that was vouched for.
        let at = match at {
            Break::Rewritten { until, .. } => Break::Rewritten {
                since: (self.sealed + 1).min(until),
                until,
            },
            at => at,
        };
        Flaw::Broken {
            chain: self.chain.clone(),
            at,
        }
    }
}

/// The ends of issuance chains, as the main chain tells them: the last of each.
#[derive(Default)]
pub(crate) struct Told(BTreeMap<String, (i64, [u8; 32])>);

impl Told {
    pub(crate) fn note(&mut self, events: &[Sealed]) {
        for sealed in events
            .iter()
            .filter(|sealed| sealed.event.action == Action::CheckpointSigned)
        {
            for IssuanceHead { chain, seq, hash } in IssuanceHead::told_by(&sealed.event) {
                if let Some(hash) = unhex(&hash) {
                    self.0.insert(chain, (seq, hash));
                }
            }
        }
    }

    /// The end that was told of a chain, as an anchor; who told it is the main chain.
    pub(crate) fn anchor(&self, chain: &str) -> Option<Checkpoint> {
        self.0.get(chain).map(|(seq, hash)| Checkpoint {
            chain: chain.to_owned(),
            seq: *seq,
            hash: *hash,
            at: credential::time::Instant::from_millis(0),
            key_id: String::new(),
            signature: Vec::new(),
        })
    }

    pub(crate) fn chains(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}

impl Authority {
    /// Verifies the trail from its beginning to its end as it is now: every link, every signed checkpoint, the issuance
    /// chains, and that every row is the one the trail tells of.
    pub async fn verify_audit(&self, caller: &Caller) -> Result<AuditReport, Failure> {
        self.permit_whole_trail(caller).await?;
        let mut report = AuditReport::default();
        report.flaw = match self.walk_all(&mut report).await {
            // What does not even read was written by somebody else.
            Err(Failure::Fault(Fault::Shape(_))) => Some(Flaw::Unreadable),
            other => other?,
        };
        if report.flaw.is_none() {
            report.mismatches = self.store().compare_all(MAX_MISMATCHES).await?;
        }
        Ok(report)
    }

    /// The first bad place of the trail itself.
    pub(crate) async fn audit_flaw(&self) -> Result<Option<Flaw>, Failure> {
        match self.walk_all(&mut AuditReport::default()).await {
            Err(Failure::Fault(Fault::Shape(_))) => Ok(Some(Flaw::Unreadable)),
            other => other,
        }
    }

    async fn walk_all(&self, report: &mut AuditReport) -> Result<Option<Flaw>, Failure> {
        let mut told = Told::default();
        if let Some(flaw) = self.walk_main(report, &mut told).await? {
            return Ok(Some(flaw));
        }
        let mut heads: BTreeMap<String, (i64, [u8; 32])> = BTreeMap::new();
        loop {
            let after = heads.keys().next_back().cloned().unwrap_or_default();
            let page = self
                .store()
                .view(move |view| view.issuance_heads(&after, STEP))
                .await?;
            let full = page.len() == STEP;
            heads.extend(
                page.into_iter()
                    .map(|(chain, seq, hash)| (chain, (seq, hash))),
            );
            if !full {
                break;
            }
        }
        for chain in told.chains() {
            heads.entry(chain.clone()).or_insert((0, genesis(chain)));
        }
        for (chain, head) in heads {
            if let Some(flaw) = self
                .walk_issuance(report, &chain, head, told.anchor(&chain))
                .await?
            {
                return Ok(Some(flaw));
            }
        }
        Ok(None)
    }

    async fn walk_main(
        &self,
        report: &mut AuditReport,
        told: &mut Told,
    ) -> Result<Option<Flaw>, Failure> {
        let (head, start, last) = self
            .store()
            .view(|view| -> Result<_, Fault> {
                Ok((
                    view.audit_head()?,
                    view.audit_start()?,
                    view.last_checkpoint(None)?,
                ))
            })
            .await?;
        report.head = head.0;
        let Some(start) = start else {
            return Ok(Some(Flaw::NoBeginning));
        };
        let (key_id, public_key) = self.audit_public_key();
        let mut walk = Walk::from(MAIN_CHAIN, start);
        loop {
            let after = walk.seq;
            let (mut events, mut checkpoints) = self
                .store()
                .view(move |view| -> Result<_, Fault> {
                    Ok((
                        view.audit_chain(after, STEP)?,
                        view.checkpoints_after(after, STEP)?,
                    ))
                })
                .await?;
            events.retain(|sealed| sealed.event.seq <= head.0);
            let until = events.last().map_or(after, |sealed| sealed.event.seq);
            checkpoints.retain(|checkpoint| checkpoint.seq <= until);
            if let Some(bad) = checkpoints
                .iter()
                .find(|point| !is_genuine(point, &key_id, &public_key))
            {
                return Ok(Some(Flaw::Unsigned { seq: bad.seq }));
            }
            if events.is_empty() {
                break;
            }
            told.note(&events);
            let (count, points) = (events.len() as u64, checkpoints.len() as u64);
            if let Err(flaw) = walk.step(events, &checkpoints) {
                return Ok(Some(flaw));
            }
            report.events += count;
            report.checkpoints += points;
            report.sealed = walk.sealed;
        }
        // The head is a row as others are; a signed checkpoint beyond it shows a tail that was cut with it.
        if let Some(last) = last.filter(|last| last.seq > walk.seq) {
            let genuine = is_genuine(&last, &key_id, &public_key);
            let cut = walk.broken(Break::Truncated(walk.seq));
            return Ok(Some(if genuine {
                cut
            } else {
                Flaw::Unsigned { seq: last.seq }
            }));
        }
        Ok(walk.end(head).err())
    }

    async fn walk_issuance(
        &self,
        report: &mut AuditReport,
        chain: &str,
        head: (i64, [u8; 32]),
        told: Option<Checkpoint>,
    ) -> Result<Option<Flaw>, Failure> {
        let mut walk: Option<Walk> = None;
        loop {
            let (name, after) = (chain.to_owned(), walk.as_ref().map_or(0, |walk| walk.seq));
            let mut events = self
                .store()
                .view(move |view| view.issuance_chain(&name, after, STEP))
                .await?;
            events.retain(|sealed| sealed.event.seq <= head.0);
            let Some(first) = events.first() else { break };
            report.issued += events.len() as u64;
            let walk = match &mut walk {
                Some(walk) => walk,
                None => {
                    let start = (first.event.seq, first.hash);
                    let whole = first.event.seq == 1;
                    // Where older events were purged, the first that is left is what the rest hangs on.
                    if !whole {
                        events.remove(0);
                    }
                    walk.insert(Walk::from(
                        chain,
                        if whole { (0, genesis(chain)) } else { start },
                    ))
                }
            };
            let until = events.last().map_or(walk.seq, |sealed| sealed.event.seq);
            let here = told
                .iter()
                .filter(|told| told.seq > walk.seq && told.seq <= until)
                .cloned();
            let here: Vec<Checkpoint> = here.collect();
            if let Err(flaw) = walk.step(events, &here) {
                return Ok(Some(flaw));
            }
        }
        let end = told.map_or(head, |told| {
            if told.seq > head.0 {
                (told.seq, told.hash)
            } else {
                head
            }
        });
        match walk {
            Some(walk) => Ok(walk.end(end).err()),
            // All of it was purged, or there never was any; what was purged ended where the head says.
            None if end == head => Ok(None),
            None => Ok(Some(Flaw::Broken {
                chain: chain.to_owned(),
                at: Break::Truncated(0),
            })),
        }
    }
}

pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}
