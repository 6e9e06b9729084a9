//! Random worlds: many do many things to the same few rows at the same time, some give up half way, and in the end the
//! rows, the trail and the feed tell the same story.

use std::collections::BTreeMap;
use std::sync::Arc;

use credential::event::{Action, Actor, Anchors, Checkpoint, genesis, verify_chain};
use credential::family::{Death, Refreshed};
use credential::id::{FamilyId, KeyId};
use credential::key::{Edit, Key, Maker, Minted, Proof};
use credential::name::Comment;
use credential::time::Span;
use store::change::{MAIN_CHAIN, NO_DETAIL};
use store::{Fault, Found};
use testkit::{Database, Random, on_each_engine, with_seed};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::world::{NOW, World, after};

/// Tasks of one world, and what each does: enough that they meet on the same rows.
const TASKS: usize = 8;
const STEPS: usize = 25;
/// Few rows for many tasks.
const KEYS: usize = 4;

const GIVEN_UP: Fault = Fault::Unsupported("given up half way");

on_each_engine! {
    async fn rows_trail_and_feed_tell_the_same_story(database: Database) {
        // Within the closure, so that a world that breaks prints its seed.
        with_seed(|random| block_in_place(|| Handle::current().block_on(one_world(&database, random))));
    }
}

async fn one_world(database: &Database, random: &mut Random) {
    let world = Arc::new(World::new(database).await);
    let mut rows = Vec::new();
    for number in 0..KEYS {
        let key = world.written_key(&format!("key {number}")).await;
        let family = world.family(&key);
        let insert = family.clone();
        world
            .change(move |change| change.insert_family(&insert, Action::FamilyStarted, NO_DETAIL))
            .await;
        rows.push((key.id, family.id));
    }
    let rows = Arc::new(rows);
    let randoms: Vec<_> = (0..TASKS).map(|_| random.fork()).collect();
    let tasks: Vec<_> = randoms
        .into_iter()
        .map(|mut random| {
            let (world, rows) = (Arc::clone(&world), Arc::clone(&rows));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for _ in 0..STEPS {
                    let (key, family) = *random.pick(&rows);
                    acknowledged.extend(step(&world, key, family, &mut random).await);
                }
                acknowledged
            })
        })
        .collect();
    let mut revisions = BTreeMap::new();
    for task in tasks {
        for (revision, key) in task.await.expect("no panic") {
            assert!(
                revisions.insert(revision, key).is_none(),
                "a number of the feed was given twice"
            );
        }
    }

    let entries = world.view(|view| view.feed_after(0, 1000)).await;
    for (revision, key) in revisions {
        let entry = &entries[revision as usize - 1];
        assert_eq!(entry.number, revision);
        assert!(
            entry.subjects.iter().any(|subject| subject.id == key),
            "what was acknowledged is there"
        );
    }
    world
        .store
        .checkpoint(after(1), |_: &mut Checkpoint| Ok::<_, Fault>(()))
        .await
        .expect("signed");
    let head = world.view(|view| view.audit_head()).await;
    let events = world.view(|view| view.audit_chain(0, 1000)).await;
    let anchors = Anchors {
        start: (0, genesis(MAIN_CHAIN)),
        checkpoints: &[],
        head: Some(head),
    };
    verify_chain(events, anchors).expect("the main chain holds");
    for (chain, seq, hash) in world.view(|view| view.issuance_heads("", 100)).await {
        let name = chain.clone();
        let events = world
            .view(move |view| view.issuance_chain(&name, 0, 1000))
            .await;
        let anchors = Anchors {
            start: (0, genesis(&chain)),
            checkpoints: &[],
            head: Some((seq, hash)),
        };
        verify_chain(events, anchors).expect("an issuance chain holds");
    }
    assert_eq!(world.mismatches().await, vec![]);
}

/// Does one thing; gives the number of the change and the id of the row, if it is in the feed.
async fn step(
    world: &World,
    key: KeyId,
    family: FamilyId,
    random: &mut Random,
) -> Option<(i64, String)> {
    let gives_up = random.once_in(4);
    let finish = move || if gives_up { Err(GIVEN_UP) } else { Ok(()) };
    let (what, noise) = (random.below(6), random.bytes::<32>());
    let of_key = async |action: Action, change_of: fn(Key, [u8; 32]) -> Option<Key>| {
        let changed = world.try_change(move |change| {
            let key = change
                .key(key)?
                .map(Found::trusted)
                .transpose()?
                .ok_or(GIVEN_UP)?;
            let changed = change_of(key, noise).ok_or(GIVEN_UP)?;
            change.update_key(changed, action, NO_DETAIL)?;
            finish()
        });
        made(changed.await.map(|changed| changed.revision))
            .map(|revision| (revision, key.to_string()))
    };
    match what {
        0 => {
            of_key(Action::KeyEdited, |key, noise| {
                let comment = Comment::new(&format!("{noise:?}")).ok();
                key.edit(
                    Edit {
                        comment,
                        ..Edit::default()
                    },
                    NOW,
                )
                .ok()
            })
            .await
        }
        1 => {
            of_key(Action::KeyRotated, |key, noise| {
                let minted = Minted {
                    handle: Some(format!("h{noise:?}")),
                    proof: Proof::Digest(noise),
                };
                key.rotate(minted, Span::ZERO, NOW).ok()
            })
            .await
        }
        2 => {
            of_key(Action::KeyDisabled, |key, _| {
                key.disable(Maker::System, NOW).ok()
            })
            .await
        }
        3 => of_key(Action::KeyEnabled, |key, _| key.enable().ok()).await,
        4 => {
            let refreshed = world.store.issue(Actor::SYSTEM, NOW, move |issue| {
                let family = issue
                    .family(family)?
                    .map(Found::trusted)
                    .transpose()?
                    .ok_or(GIVEN_UP)?;
                let generation = family.generation;
                let Refreshed::Next(next) = family.refresh(generation, Span::ZERO, None, NOW)
                else {
                    return Err(GIVEN_UP);
                };
                issue.update_family(next, Action::KeyRefreshed, NO_DETAIL)?;
                finish()
            });
            made(refreshed.await);
            None
        }
        _ => {
            let died = world.try_change(move |change| {
                let family = change
                    .family(family)?
                    .map(Found::trusted)
                    .transpose()?
                    .ok_or(GIVEN_UP)?;
                change.update_family(
                    family.die(Death::Revoked, NOW),
                    Action::FamilyRevoked,
                    NO_DETAIL,
                )?;
                finish()
            });
            made(died.await.map(|changed| changed.revision))
                .map(|revision| (revision, family.to_string()))
        }
    }
}

/// What was made; nothing else than giving up may fail.
fn made<T>(result: Result<T, Fault>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Fault::Unsupported(_)) => None,
        Err(fault) => panic!("{fault:?}"),
    }
}
