//! `cargo xtask crash`: `kill -9` at random moments under mixed load, again and again on the same data.
//!
//! Clients keep a ledger of what they were told. After each kill the server is started again, and what it says is held
//! against the ledger: nothing acknowledged may be lost, nothing half done, nothing revoked alive, the audit chain whole.

mod ledger;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::demo;
use crate::native::{Native, Shown};
use crate::random::Random;
use crate::served::{Place, Served, fresh_folder};
use crate::services::{self, Postgres};
use crate::shell::in_ci;
use crate::stages::Tally;
use ledger::{Entry, Said, State};

/// Clients at a time: enough that commits are grouped and a kill finds several changes under way.
const CLIENTS: usize = 8;

/// A kill comes this long after the load began, at most; at least no time at all.
const LOAD_MILLIS: u64 = 400;

/// On PostgreSQL nobody can tell that the killed process is dead and not cut off, so changes wait for it, 1.25 s each,
/// until it is off the list. Longer loads reach beyond that.
const POSTGRES_LOAD_MILLIS: u64 = 6000;

/// Live keys of a client: above this it revokes rather than creates.
const KEYS_PER_CLIENT: usize = 30;

/// Rounds on each engine when nobody says.
const SQLITE_ROUNDS: usize = 100;
const POSTGRES_ROUNDS: usize = 20;

/// Rounds on each engine in a run of all tests.
const SHORT_ROUNDS: usize = 5;

/// The task: `--engine sqlite|postgres`, `--rounds N`, `--seed N`, `--release`.
pub(crate) fn run(words: &[String]) -> Result<bool> {
    let (mut engine, mut rounds, mut seed) = (None, None, u64::from(std::process::id()));
    let release = words.iter().any(|word| word == "--release");
    let mut words = words.iter().filter(|word| *word != "--release");
    while let Some(word) = words.next() {
        let value = words
            .next()
            .with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--engine" => engine = Some(value.as_str()),
            "--rounds" => rounds = Some(value.parse()?),
            "--seed" => seed = value.parse()?,
            _ => bail!("unknown: {word}; there are --engine, --rounds, --seed, --release"),
        }
    }
    if engine.is_none_or(|name| name == "sqlite") {
        crash(None, rounds.unwrap_or(SQLITE_ROUNDS), seed, release)?;
    }
    if engine.is_none_or(|name| name == "postgres") {
        let postgres = services::postgres()?.context("no PostgreSQL")?;
        crash(
            Some(&postgres),
            rounds.unwrap_or(POSTGRES_ROUNDS),
            seed,
            release,
        )?;
    }
    Ok(true)
}

/// The short form, on both engines.
#[expect(clippy::print_stdout, reason = "a missing engine is to be noticed")]
pub(crate) fn short(release: bool) -> Result<Tally> {
    let seed = u64::from(std::process::id());
    crash(None, SHORT_ROUNDS, seed, release)?;
    match services::postgres()? {
        Some(postgres) => crash(Some(&postgres), SHORT_ROUNDS, seed, release)?,
        None if in_ci() => bail!("no PostgreSQL"),
        None => {
            println!("NOT CHECKED: no PostgreSQL found");
            return Ok(Tally {
                passed: 1,
                failed: 0,
                skipped: 1,
            });
        }
    }
    Ok(Tally {
        passed: 2,
        failed: 0,
        skipped: 0,
    })
}

#[expect(clippy::print_stdout, reason = "tells what was done")]
fn crash(postgres: Option<&Postgres>, rounds: usize, seed: u64, release: bool) -> Result<()> {
    let engine = if postgres.is_some() {
        "PostgreSQL"
    } else {
        "SQLite"
    };
    println!("{engine}: {rounds} kills, seed {seed}");
    let database = format!("latchkey_crash_{}", std::process::id());
    if let Some(postgres) = postgres {
        postgres.sql(&format!("create database {database}"))?;
    }
    let place = Place {
        binary: demo::binary(release)?,
        folder: fresh_folder("crash")?,
        database_url: postgres.map(|postgres| postgres.database(&database)),
        log_level: "info",
    };
    let outcome = rounds_on(&place, rounds, &mut Random::seeded(seed));
    if let Some(postgres) = postgres {
        postgres.sql(&format!("drop database if exists {database} with (force)"))?;
    }
    let counts = outcome.with_context(|| {
        format!(
            "{engine}, seed {seed}; what it left is in {}",
            place.folder.display()
        )
    })?;
    println!("{engine}: {counts}");
    std::fs::remove_dir_all(&place.folder)?;
    Ok(())
}

/// What a run did, for people.
fn rounds_on(place: &Place, rounds: usize, random: &mut Random) -> Result<String> {
    let mut server = place.serve()?;
    let admin_key = place.set_up(&server)?;
    let mut ledgers: Vec<Vec<Entry>> = (0..CLIENTS).map(|_| Vec::new()).collect();
    let most_millis = match place.database_url {
        Some(_) => POSTGRES_LOAD_MILLIS,
        None => LOAD_MILLIS,
    };
    let mut ready = Vec::new();
    for round in 0..rounds {
        ledgers = load_until_killed(&mut server, &admin_key, ledgers, most_millis, random)
            .with_context(|| format!("round {round}"))?;
        server = place
            .serve()
            .with_context(|| format!("after kill {round}"))?;
        ready.push(server.ready_after);
        let mut native = Native::new(&server.base_url, &admin_key)?;
        let entries = ledgers.iter_mut().flatten();
        hold_against(&mut native, entries).with_context(|| format!("after kill {round}"))?;
    }
    ready.sort();
    let entries: Vec<&Entry> = ledgers.iter().flatten().collect();
    let of = |state: State| entries.iter().filter(|entry| entry.state == state).count();
    let (middle, last) = (ready[ready.len() / 2], ready[ready.len() - 1]);
    Ok(format!(
        "{} keys with {} acknowledged changes hold: {} live, {} revoked, {} of unknown secret; ready again after {} ms (median), {} ms (longest)",
        entries.len(),
        entries.iter().map(|entry| entry.changes).sum::<u32>(),
        of(State::Live),
        of(State::Revoked),
        of(State::Lost),
        middle.as_millis(),
        last.as_millis(),
    ))
}

/// Lets all clients work until the server is killed under them; returns their ledgers.
fn load_until_killed(
    server: &mut Served,
    admin_key: &str,
    ledgers: Vec<Vec<Entry>>,
    most_millis: u64,
    random: &mut Random,
) -> Result<Vec<Vec<Entry>>> {
    let (tell, told) = mpsc::channel();
    let mut clients = Vec::new();
    for mut entries in ledgers {
        let mut luck = Random::seeded(random.below(u64::MAX));
        let mut native = Native::new(&server.base_url, admin_key)?;
        let tell = tell.clone();
        clients.push(thread::spawn(move || {
            while let Step::Done = step(&mut native, &mut entries, &mut luck) {}
            tell.send(()).ok();
            entries
        }));
    }
    let early = told.recv_timeout(Duration::from_millis(random.below(most_millis)));
    server.kill()?;
    if early.is_ok() {
        bail!("a client was refused while the server was up");
    }
    clients
        .into_iter()
        .map(|client| {
            client
                .join()
                .map_err(|_| anyhow::anyhow!("a client panicked"))
        })
        .collect()
}

/// What became of one step of a client.
enum Step {
    Done,
    /// The answer did not come: it is unknown whether the change was made.
    Unanswered,
}

/// One change, drawn by luck; the ledger is written only after the answer.
fn step(native: &mut Native, entries: &mut Vec<Entry>, luck: &mut Random) -> Step {
    let live: Vec<usize> = (0..entries.len())
        .filter(|at| entries[*at].is_live())
        .collect();
    let draw = luck.below(10);
    if live.is_empty() || draw < 3 && live.len() < KEYS_PER_CLIENT {
        let kind = if luck.below(2) == 0 {
            "static"
        } else {
            "token_pair"
        };
        let Ok(shown) = native.create(kind, "crash") else {
            return Step::Unanswered;
        };
        let Shown {
            id,
            credential,
            refresh,
        } = shown;
        entries.push(Entry {
            id,
            credential,
            refresh,
            replaced: None,
            state: State::Live,
            changes: 1,
        });
        return Step::Done;
    }
    let entry = &mut entries[live[luck.below(live.len() as u64) as usize]];
    if draw < 5 || live.len() >= KEYS_PER_CLIENT {
        return settle(entry, State::PerhapsRevoked, |entry| {
            native.revoke(&entry.id)?;
            entry.state = State::Revoked;
            Ok(())
        });
    }
    match entry.refresh.clone() {
        Some(token) => settle(entry, State::PerhapsRefreshed, |entry| {
            refreshed(native, entry, &token)
        }),
        None => settle(entry, State::PerhapsRotated, |entry| {
            let shown = native.rotate(&entry.id)?;
            entry.replaced = Some(std::mem::replace(&mut entry.credential, shown.credential));
            Ok(())
        }),
    }
}

/// Makes a change; what could not be answered is noted as open.
fn settle(entry: &mut Entry, open: State, change: impl FnOnce(&mut Entry) -> Result<()>) -> Step {
    if change(entry).is_err() {
        entry.state = open;
        return Step::Unanswered;
    }
    entry.changes += 1;
    Step::Done
}

fn refreshed(native: &mut Native, entry: &mut Entry, token: &str) -> Result<()> {
    let shown = native.refresh(&entry.id, token)?;
    entry.credential = shown.credential;
    entry.refresh = shown.refresh;
    Ok(())
}

/// Holds a freshly started server against the ledgers.
fn hold_against<'e>(
    native: &mut Native,
    entries: impl Iterator<Item = &'e mut Entry>,
) -> Result<()> {
    let mut entries: Vec<&mut Entry> = entries.collect();
    // A refresh whose answer was lost is asked for again with the same token: within the grace it must be answered.
    for entry in entries
        .iter_mut()
        .filter(|entry| entry.state == State::PerhapsRefreshed)
    {
        let token = entry
            .refresh
            .clone()
            .context("a pair without a refresh token")?;
        refreshed(native, entry, &token).with_context(|| {
            format!(
                "key {}: the refresh under way at the kill cannot be repeated",
                entry.id
            )
        })?;
        entry.state = State::Live;
    }
    let asked: Vec<&str> = entries
        .iter()
        .map(|entry| entry.credential.as_str())
        .collect();
    let codes = native.verify(&asked)?;
    for (entry, code) in entries.iter_mut().zip(codes) {
        let said = Said::from_code(&code)
            .with_context(|| format!("key {}: the verdict is {code}", entry.id))?;
        let open = entry.state;
        entry.settle(said).map_err(anyhow::Error::msg)?;
        if open != entry.state {
            let key = native.key(&entry.id)?;
            let state = key
                .pointer("/key/state")
                .or(key.get("state"))
                .and_then(Value::as_str)
                .unwrap_or_default();
            let expected = if entry.state == State::Revoked {
                "revoked"
            } else {
                "active"
            };
            if state != expected {
                bail!(
                    "key {}: verified as {code}, but listed as {state:?}",
                    entry.id
                );
            }
        }
    }
    let replaced: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry.replaced.as_deref())
        .collect();
    if native.verify(&replaced)?.iter().any(|code| code == "VALID") {
        bail!("a replaced credential is alive again");
    }
    native.audit_holds()
}
