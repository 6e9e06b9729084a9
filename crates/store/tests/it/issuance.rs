//! Issuing tokens: chains of their own, which checkpoints vouch for.

use std::collections::BTreeMap;
use std::sync::Arc;

use credential::event::{
    Action, Actor, Anchors, Checkpoint, Subject, SubjectKind, genesis, verify_chain,
};
use store::change::NO_DETAIL;
use store::issuance::{IssuanceHead, LANES};
use store::{Fault, Issue};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

fn token(id: &str) -> Subject {
    Subject {
        kind: SubjectKind::Token,
        id: id.to_owned(),
    }
}

/// Issues a token whose only trace is its event.
async fn issue(world: &World, id: &'static str) {
    let organization = Some(world.organization.id);
    let body = move |issue: &mut Issue<'_>| {
        issue.note(Action::TokenIssued, token(id), organization, NO_DETAIL);
        Ok::<_, Fault>(())
    };
    world
        .store
        .issue(Actor::SYSTEM, NOW, body)
        .await
        .expect("issued");
}

/// Verifies every chain against its end, and gives how many events each has.
async fn verified(world: &World) -> BTreeMap<String, i64> {
    let mut ends = BTreeMap::new();
    for (chain, seq, hash) in world.view(|view| view.issuance_heads("", 1000)).await {
        let name = chain.clone();
        let (start, events) = world
            .view(move |view| {
                let start = view.issuance_start(&name)?;
                Ok((start, view.issuance_chain(&name, start.0, 1000)?))
            })
            .await;
        let anchors = Anchors {
            start,
            checkpoints: &[],
            head: Some((seq, hash)),
        };
        let head =
            verify_chain(events, anchors).unwrap_or_else(|broken| panic!("{chain}: {broken}"));
        ends.insert(chain, head.seq);
    }
    ends
}

on_each_engine! {
    async fn what_is_issued_stands_in_chains_apart_from_the_main_one(database: Database) {
        let world = World::new(&database).await;
        let before = world.view(|view| Ok((view.feed_head()?, view.audit_head()?))).await;
        world.store.set_issuer("replica-1");
        let world = Arc::new(world);
        let callers: Vec<_> = (0..40).map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { issue(&world, "token").await })
        }).collect();
        for caller in callers {
            caller.await.expect("issued");
        }
        assert_eq!(world.view(|view| Ok((view.feed_head()?, view.audit_head()?))).await, before);
        let ends = verified(&world).await;
        assert_eq!(ends.len() as u64, LANES);
        assert!(ends.keys().all(|chain| chain.starts_with("issuance/replica-1/")), "{ends:?}");
        assert_eq!(ends.values().sum::<i64>(), 40);
        let head = world.view(|view| view.issuance_heads("", 1)).await.remove(0);
        let chain = head.0.clone();
        let first = world.view(move |view| view.issuance_chain(&chain, 0, 1)).await.remove(0);
        assert_eq!((first.event.action, first.event.seq), (Action::TokenIssued, 1));
        assert_ne!(genesis(&head.0), genesis("main"));
    }

    async fn what_fails_issues_nothing(database: Database) {
        let world = World::new(&database).await;
        let body = |issue: &mut Issue<'_>| {
            issue.note(Action::TokenIssued, token("t"), None, NO_DETAIL);
            Err::<(), _>(Fault::Unsupported("a second thought"))
        };
        assert!(world.store.issue(Actor::SYSTEM, NOW, body).await.is_err());
        assert_eq!(world.view(|view| view.issuance_heads("", 10)).await, vec![]);
    }

    async fn a_checkpoint_tells_the_main_chain_where_the_others_end(database: Database) {
        let world = World::new(&database).await;
        let sign = |_: &mut Checkpoint| Ok::<_, Fault>(());
        world.store.checkpoint(NOW, sign).await.expect("signed");
        issue(&world, "t1").await;
        issue(&world, "t2").await;
        let checkpoint = world.store.checkpoint(after(1), sign).await.expect("signed").expect("there is news");
        let events = world.view(|view| view.audit_chain(0, 100)).await;
        let told = &events.last().expect("an event").event;
        assert_eq!((told.action, told.seq), (Action::CheckpointSigned, checkpoint.seq));
        let ends = world.view(|view| view.issuance_heads("", 10)).await;
        let hex = |hash: [u8; 32]| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let ends: Vec<_> = ends.into_iter().map(|(chain, seq, hash)| IssuanceHead { chain, seq, hash: hex(hash) }).collect();
        assert_eq!(IssuanceHead::told_by(told), ends);
        assert_eq!(ends.len(), 2);
        assert_eq!(world.store.checkpoint(after(2), sign).await.expect("asked"), None, "they were told");
    }

    async fn a_purge_keeps_the_last_word_on_a_family_and_a_chain_that_verifies(database: Database) {
        let world = World::new(&database).await;
        let key = world.written_key("pair").await;
        let family = world.family(&key);
        for _ in 0..LANES {
            issue(&world, "t").await;
        }
        let insert = family.clone();
        world.store.issue::<_, Fault>(Actor::SYSTEM, NOW, move |issue| {
            issue.insert_family(&insert, Action::FamilyStarted, NO_DETAIL)
        }).await.expect("begun");
        for _ in 0..LANES {
            issue(&world, "t").await;
        }
        let chains = world.view(|view| view.issuance_heads("", 100)).await;
        let purge = async |before| {
            let mut removed = 0;
            for (chain, _, _) in &chains {
                removed += world.store.purge_issuance(chain, before, 100).await.expect("purged");
            }
            removed
        };
        assert_eq!(purge(after(9)).await, 0, "the main chain knows nothing of them");
        world.store.checkpoint(after(1), |_: &mut Checkpoint| Ok::<_, Fault>(())).await.expect("signed");
        assert_eq!(purge(NOW).await, 0, "they are too young");
        assert_eq!(purge(after(9)).await, 2 * LANES - 1, "all but the family's and what follows it");
        let ends = verified(&world).await;
        assert_eq!(ends.values().sum::<i64>(), 2 * LANES as i64 + 1);
        assert_eq!(world.mismatches().await, vec![]);
    }
}
