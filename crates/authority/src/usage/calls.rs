//! Calls as reports tell of them: verb, path, status and program. They are noted when they are answered, and only with
//! keys of products whose reports tell of them, so that no other answer pays for it.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use credential::id::KeyId;
use credential::key::Key;
use credential::time::Instant;
pub use store::usage::CallCount;
use store::usage::{Calls, HourlyUsage, MAX_AGENTS, MAX_BATCH, MAX_KINDS, OTHER_AGENT};

use super::{LANES, lock, own_lane};
use crate::Authority;
use crate::failure::{Failure, Refusal};
use crate::verify::Valid;
use crate::world::World;

/// The most keys in one lane between two flushes.
const MAX_KEYS: usize = 1024;
/// The most kinds of calls of one key that are counted apart between two flushes; the rest count by their status alone.
const MAX_NOTED: usize = 128;
/// A path is noted up to here: it is the template of a route, which an operator wrote.
const MAX_PATH: usize = 200;
/// A program is noted up to here: those of browsers are longer than a hundred characters.
const MAX_AGENT: usize = 160;
/// What counts by its status alone has no path.
const OTHER_PATH: &str = "other";

/// A call that is being answered: what it is, and as soon as its credential is proven, by which key.
#[derive(Debug)]
pub struct Call {
    verb: String,
    path: String,
    agent: String,
    by: OnceLock<KeyId>,
}

impl Call {
    /// A call of `verb` on a path, told by its template. `agent` is how the program that calls names itself; what is not
    /// plain text in it is left out.
    pub fn new(verb: &str, path: &str, agent: &[u8]) -> Self {
        let plain = agent.iter().filter(|byte| (b' '..=b'~').contains(byte));
        Self {
            verb: verb.to_owned(),
            path: path.chars().take(MAX_PATH).collect(),
            agent: plain
                .take(MAX_AGENT)
                .map(|byte| char::from(*byte))
                .collect(),
            by: OnceLock::new(),
        }
    }

    /// Notes whose call it is, where the product's reports tell of calls.
    pub(crate) fn is_by(&self, world: &World, key: &Key) {
        let told = world
            .product(&key.product)
            .is_some_and(|product| product.reports_calls);
        if told {
            self.by.get_or_init(|| key.id);
        }
    }
}

/// The calls of each key and hour.
type Lane = HashMap<(KeyId, Instant), Vec<Calls>>;

/// What is noted and not yet written.
#[derive(Default)]
pub(crate) struct Noted {
    lanes: [Mutex<Lane>; LANES],
}

impl Noted {
    fn note(&self, call: Calls) {
        let mut lane = lock(&self.lanes[own_lane()]);
        let of = (call.key, call.hour);
        // These are figures for people: of a flood of keys some are not told.
        if lane.len() < MAX_KEYS || lane.contains_key(&of) {
            add(lane.entry(of).or_default(), call);
        }
    }

    fn take(&self) -> Vec<Calls> {
        let mut all = Lane::new();
        for lane in &self.lanes {
            let taken = std::mem::take(&mut *lock(lane));
            for (of, calls) in taken {
                let sum = all.entry(of).or_default();
                calls.into_iter().for_each(|call| add(sum, call));
            }
        }
        all.into_values().flatten().collect()
    }
}

/// Adds calls to those that are alike, within the bounds.
fn add(noted: &mut Vec<Calls>, mut call: Calls) {
    if let Some(alike) = noted.iter_mut().find(|known| alike(known, &call)) {
        alike.uses += call.uses;
        return;
    }
    let mut agents: Vec<&str> = noted.iter().map(|known| known.agent.as_str()).collect();
    agents.sort_unstable();
    agents.dedup();
    let strange = agents.len() >= MAX_AGENTS && !agents.contains(&call.agent.as_str());
    if noted.len() >= MAX_NOTED {
        call.verb.clear();
        OTHER_PATH.clone_into(&mut call.path);
    }
    if strange || noted.len() >= MAX_NOTED {
        OTHER_AGENT.clone_into(&mut call.agent);
    }
    match noted.iter_mut().find(|known| alike(known, &call)) {
        Some(alike) => alike.uses += call.uses,
        None => noted.push(call),
    }
}

fn alike(one: &Calls, other: &Calls) -> bool {
    let what = |calls: &Calls| (calls.hour, calls.status);
    what(one) == what(other)
        && one.path == other.path
        && one.verb == other.verb
        && one.agent == other.agent
}

impl Authority {
    /// Notes how a call was answered. One whose credential was not proven is nobody's, and is not noted.
    pub fn note_call(&self, call: &Call, status: u16) {
        let Some(key) = call.by.get() else { return };
        self.0.calls.note(Calls {
            key: *key,
            hour: HourlyUsage::hour_of(self.now()),
            verb: call.verb.clone(),
            path: call.path.clone(),
            status,
            agent: call.agent.clone(),
            uses: 1,
        });
    }

    /// The calls with keys of the product and organization that a valid credential is for, in the hours that begin from
    /// `from` on and before `before`. What other replicas noted in the last seconds may not be written yet.
    pub async fn call_counts(
        &self,
        valid: &Valid,
        from: Instant,
        before: Instant,
    ) -> Result<Vec<CallCount>, Failure> {
        self.flush_calls().await?;
        let (organization, product) = (valid.organization(), valid.live.key.product.clone());
        let from = HourlyUsage::hour_of(from);
        let read =
            move |view: &store::View<'_>| view.call_counts(organization, &product, from, before);
        let counts = self.store().view::<_, store::Fault>(read).await?;
        if counts.len() > MAX_KINDS {
            let told = format!("more than {MAX_KINDS} kinds of calls; ask for a shorter time");
            return Err(Refusal::invalid("from", told).into());
        }
        Ok(counts)
    }

    /// Writes the calls that were noted.
    pub(crate) async fn flush_calls(&self) -> Result<(), Failure> {
        let calls = self.0.calls.take();
        let mut batches = calls.chunks(MAX_BATCH);
        while let Some(batch) = batches.next() {
            if let Err(fault) = self.store().note_calls(batch.to_vec()).await {
                // Not written, or in doubt: figures that are once too high are better than lost ones.
                for batch in std::iter::once(batch).chain(batches) {
                    batch
                        .iter()
                        .cloned()
                        .for_each(|call| self.0.calls.note(call));
                }
                return Err(fault.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_are_alike_are_added_up() {
        let noted = Noted::default();
        noted.note(call("GET", "/a", 200, "x/1", 1));
        noted.note(call("GET", "/a", 200, "x/1", 2));
        noted.note(call("GET", "/a", 404, "x/1", 1));
        let mut taken = noted.take();
        taken.sort();
        let expected = [
            call("GET", "/a", 200, "x/1", 3),
            call("GET", "/a", 404, "x/1", 1),
        ];
        assert_eq!(taken, expected);
        assert_eq!(noted.take(), []);
    }

    #[test]
    fn a_client_that_invents_names_is_counted_and_takes_no_room() {
        let noted = Noted::default();
        for number in 0..1000 {
            noted.note(call("GET", "/a", 200, &format!("x/{number}"), 1));
        }
        let taken = noted.take();
        assert_eq!(taken.len(), MAX_AGENTS + 1);
        let of_others = taken.iter().find(|call| call.agent == OTHER_AGENT);
        assert_eq!(of_others.unwrap().uses, 1000 - MAX_AGENTS as u64);

        for number in 0..1000 {
            noted.note(call("GET", &format!("/{number}"), 200, "x", 1));
        }
        let taken = noted.take();
        assert_eq!(taken.len(), MAX_NOTED + 1);
        assert_eq!(taken.iter().map(|call| call.uses).sum::<u64>(), 1000);

        for number in 0..=MAX_KEYS as u16 {
            let mut key = [0; 16];
            key[..2].copy_from_slice(&number.to_be_bytes());
            let key = KeyId::from_bytes(key);
            noted.note(Calls {
                key,
                ..call("GET", "/a", 200, "x", 1)
            });
        }
        assert_eq!(noted.take().len(), MAX_KEYS);
    }

    #[test]
    fn what_a_program_calls_itself_is_shortened_and_plain() {
        let told = |agent: &[u8]| Call::new("GET", "/a", agent).agent;
        assert_eq!(told(b"python-requests/2.32.3"), "python-requests/2.32.3");
        assert_eq!(told(b"a\x1b[31m\xc3\xa9\tb"), "a[31mb");
        assert_eq!(told(&[b'x'; 8000]).len(), MAX_AGENT);
        assert_eq!(Call::new("GET", &"x".repeat(999), b"").path.len(), MAX_PATH);
    }

    fn call(verb: &str, path: &str, status: u16, agent: &str, uses: u64) -> Calls {
        Calls {
            key: KeyId::from_bytes([1; 16]),
            hour: Instant::from_millis(0),
            verb: verb.to_owned(),
            path: path.to_owned(),
            status,
            agent: agent.to_owned(),
            uses,
        }
    }
}
