//! Verifying an export far from the server: from its lines, a public key and, if there is one, the last checkpoint that
//! somebody kept.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use credential::event::{Break, Checkpoint, Sealed, genesis};
use store::change::MAIN_CHAIN;

use super::export::{ExportedEvent, FORMAT, Line, bytes, checkpoint_of};
use super::is_genuine;
use super::walk::{Flaw, Told, Walk, unhex};

/// The longest line that is read: above the longest event (8 KiB of detail, each byte escaped at worst).
const MAX_LINE: u64 = 128 * 1024;
/// Events that are held before they are walked over.
const STEP: usize = 1000;

/// What whoever verifies knows from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The server's public key (Ed25519, 32 bytes). Without it the file's own is used, and the report says so.
    pub public_key: Option<Vec<u8>>,
    /// The last checkpoint that was kept outside: it shows a tail that was cut from the file.
    pub checkpoint: Option<Checkpoint>,
}

/// What an offline verification found in a file without a flaw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineReport {
    /// Events of the main chain.
    pub events: u64,
    /// Events of the issuance chains.
    pub issued: u64,
    /// Checkpoints whose signatures hold.
    pub checkpoints: u64,
    /// The place of the last event.
    pub head: i64,
    /// The last place that a signed checkpoint vouches for.
    pub sealed: i64,
    /// Whether the public key was known from elsewhere. If not, the file proves only that it hangs together.
    pub trusted: bool,
}

/// A file that does not verify.
#[derive(Debug, thiserror::Error)]
pub enum BadExport {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[from] io::Error),
    /// A line is not one of an export.
    #[error("line {0} is not a line of an audit export")]
    Line(u64),
    /// It begins with no header of a form that this program knows.
    #[error("the file is not an audit export of format {FORMAT}")]
    NoHeader,
    /// It has the events of one organization only, which hang on others that are not in it.
    #[error(
        "the file has the events of one organization only; only the whole trail can be verified"
    )]
    Partial,
    /// It has no last line.
    #[error("the file was cut short: its last line is missing")]
    CutShort,
    /// The chain has a bad place.
    #[error(transparent)]
    Flaw(#[from] Flaw),
}

/// Verifies an export; the first bad place is the error.
pub fn verify_export(input: impl BufRead, trust: &Trust) -> Result<OfflineReport, BadExport> {
    verify_each(input, trust, |_| {})
}

/// Verifies an export, and shows each event of the main chain on the way. What was shown is worth nothing when an error
/// follows.
pub(crate) fn verify_each(
    input: impl BufRead,
    trust: &Trust,
    mut each: impl FnMut(&Sealed),
) -> Result<OfflineReport, BadExport> {
    let mut lines = Lines { input, number: 0 };
    let Some(Line::Header {
        format: FORMAT,
        organization,
        start_seq,
        start_hash,
        key_id,
        public_key,
        ..
    }) = lines.next()?
    else {
        return Err(BadExport::NoHeader);
    };
    if organization.is_some() {
        return Err(BadExport::Partial);
    }
    let start_hash = unhex(&start_hash).ok_or(BadExport::NoHeader)?;
    let own_key = bytes(&public_key).ok_or(BadExport::NoHeader)?;
    let mut verifier = Verifier {
        main: Walk::from(MAIN_CHAIN, (start_seq, start_hash)),
        told: Told::default(),
        key_id,
        public_key: trust.public_key.clone().unwrap_or(own_key),
        kept: trust.checkpoint.clone(),
        events: Vec::new(),
        points: Vec::new(),
        issued: BTreeMap::new(),
        report: OfflineReport {
            events: 0,
            issued: 0,
            checkpoints: 0,
            head: start_seq,
            sealed: start_seq,
            trusted: trust.public_key.is_some(),
        },
    };
    // A trail that does not begin with its first event hangs on a hash that only a kept checkpoint vouches for.
    if start_seq == 0 && start_hash != genesis(MAIN_CHAIN) {
        return Err(Flaw::NoBeginning.into());
    }
    while let Some(line) = lines.next()? {
        let number = lines.number;
        match line {
            Line::Event(event) => {
                let sealed = event.sealed().ok_or(BadExport::Line(number))?;
                each(&sealed);
                verifier.event(sealed)?;
            }
            line @ Line::Checkpoint { .. } => {
                verifier.checkpoint(checkpoint_of(line).ok_or(BadExport::Line(number))?)?;
            }
            Line::Issued { chain, event } => verifier.issued(chain, event, number)?,
            Line::End { seq, hash } => {
                let hash = unhex(&hash).ok_or(BadExport::Line(number))?;
                return verifier.end((seq, hash));
            }
            Line::Header { .. } => return Err(BadExport::Line(number)),
        }
    }
    Err(BadExport::CutShort)
}

struct Verifier {
    main: Walk,
    told: Told,
    key_id: String,
    public_key: Vec<u8>,
    kept: Option<Checkpoint>,
    events: Vec<Sealed>,
    points: Vec<Checkpoint>,
    issued: BTreeMap<String, Walk>,
    report: OfflineReport,
}

impl Verifier {
    fn event(&mut self, sealed: Sealed) -> Result<(), BadExport> {
        // The kept checkpoint is held against the file like those in it.
        let here = self.kept.take_if(|kept| kept.seq == sealed.event.seq);
        self.events.push(sealed);
        if let Some(kept) = here {
            self.checkpoint(kept)?;
        }
        if self.events.len() >= STEP {
            self.walk()
        } else {
            Ok(())
        }
    }

    fn checkpoint(&mut self, point: Checkpoint) -> Result<(), BadExport> {
        if !is_genuine(&point, &self.key_id, &self.public_key) {
            return Err(Flaw::Unsigned { seq: point.seq }.into());
        }
        self.report.checkpoints += 1;
        self.points.push(point);
        self.walk()
    }

    fn walk(&mut self) -> Result<(), BadExport> {
        let events = std::mem::take(&mut self.events);
        let mut points = std::mem::take(&mut self.points);
        points.sort_by_key(|point| point.seq);
        self.told.note(&events);
        self.report.events += events.len() as u64;
        self.main.step(events, &points)?;
        self.report.head = self.main.seq;
        self.report.sealed = self.main.sealed;
        Ok(())
    }

    fn issued(&mut self, chain: String, event: ExportedEvent, line: u64) -> Result<(), BadExport> {
        self.walk()?;
        let sealed = event.sealed().ok_or(BadExport::Line(line))?;
        self.report.issued += 1;
        let seq = sealed.event.seq;
        let walk = match self.issued.get_mut(&chain) {
            Some(walk) => walk,
            None if seq == 1 => self
                .issued
                .entry(chain.clone())
                .or_insert(Walk::from(&chain, (0, genesis(&chain)))),
            None => {
                // Older events were purged: the first that is left is what the rest hangs on.
                self.issued
                    .insert(chain.clone(), Walk::from(&chain, (seq, sealed.hash)));
                return Ok(());
            }
        };
        let told = self.told.anchor(&chain).filter(|told| told.seq == seq);
        Ok(walk.step(vec![sealed], told.as_slice())?)
    }

    fn end(mut self, head: (i64, [u8; 32])) -> Result<OfflineReport, BadExport> {
        self.walk()?;
        self.main.end(head)?;
        if let Some(kept) = self.kept.take() {
            // What was closed before the file begins is no business of the file.
            if !is_genuine(&kept, &self.key_id, &self.public_key) {
                return Err(Flaw::Unsigned { seq: kept.seq }.into());
            }
            if kept.seq > self.main.seq {
                return Err(self.main.broken(Break::Truncated(self.main.seq)).into());
            }
        }
        for (chain, walk) in &self.issued {
            if self
                .told
                .anchor(chain)
                .is_some_and(|told| told.seq > walk.seq)
            {
                return Err(walk.broken(Break::Truncated(walk.seq)).into());
            }
        }
        Ok(self.report)
    }
}

struct Lines<R> {
    input: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<Line>, BadExport> {
        let mut text = String::new();
        let read = io::Read::take(&mut self.input, MAX_LINE).read_line(&mut text)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|_| BadExport::Line(self.number))
    }
}
