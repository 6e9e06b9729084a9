//! The trail: pages, the chain, checkpoints.

use std::net::IpAddr;

use credential::event::{
    Action, Actor, ActorKind, Anchors, Break, Checkpoint, SubjectKind, genesis, verify_chain,
};
use credential::id::OrganizationId;
use store::audit::AuditFilter;
use store::change::{MAIN_CHAIN, NO_DETAIL};
use store::{Fault, args};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

on_each_engine! {
    async fn an_event_comes_back_as_it_was_linked(database: Database) {
        let world = World::new(&database).await;
        let actor = Actor {
            kind: ActorKind::User,
            id: "someone".to_owned(),
            organization: Some(world.organization.id),
            address: Some("2001:db8::1".parse::<IpAddr>().expect("an address")),
            request_id: Some("request-1".to_owned()),
        };
        let key = world.key("key");
        let insert = key.clone();
        let body = move |change: &mut store::Change<'_>| {
            change.insert_key(&insert, true, Action::KeyCreated, r#"{"name":"key"}"#)
        };
        world.store.change::<_, Fault>(actor.clone(), after(5), |_| Ok(()), body).await.expect("made");
        let event = world.view(|view| view.audit_chain(1, 10)).await.remove(0).event;
        assert_eq!((event.actor, event.at, event.detail.as_str()), (actor, after(5), r#"{"name":"key"}"#));
        assert!(matches!(verified(&world).await, Ok(2)));
    }

    async fn an_event_that_was_touched_breaks_the_chain_there(database: Database) {
        let world = World::new(&database).await;
        for number in 0..5 {
            world.written_key(&format!("key {number}")).await;
        }
        world.sql("CREATE TABLE kept AS SELECT * FROM audit", args![]).await;
        let cases = [
            ("UPDATE audit SET detail = '{\"x\":1}' WHERE seq = 3", Break::Changed(3)),
            ("UPDATE audit SET at = 1 WHERE seq = 4", Break::Changed(4)),
            ("UPDATE audit SET organization = NULL WHERE seq = 3", Break::Changed(3)),
            ("UPDATE audit SET actor_kind = 'nobody' WHERE seq = 3", Break::Changed(3)),
            ("UPDATE audit SET actor_id = 'eve' WHERE seq = 3", Break::Changed(3)),
            ("UPDATE audit SET actor_address = '192.0.2.1' WHERE seq = 3", Break::Changed(3)),
            ("UPDATE audit SET action = 'key.revoked' WHERE seq = 3", Break::Changed(3)),
            ("UPDATE audit SET subject_kind = 'role' WHERE seq = 3", Break::Changed(3)),
            ("UPDATE audit SET subject_id = 'another' WHERE seq = 3", Break::Changed(3)),
            ("UPDATE audit SET subject_version = 9 WHERE seq = 3", Break::Changed(3)),
            ("UPDATE audit SET row_digest = hash WHERE seq = 3", Break::Changed(3)),
            ("UPDATE audit SET hash = row_digest WHERE seq = 3", Break::Changed(3)),
            ("DELETE FROM audit WHERE seq = 3", Break::Missing(3)),
            ("DELETE FROM audit WHERE seq > 4", Break::Truncated(4)),
            ("UPDATE audit SET seq = 9 WHERE seq = 6", Break::Missing(6)),
        ];
        for (touch, expected) in cases {
            world.sql(touch, args![]).await;
            assert_eq!(verified(&world).await, Err(expected), "{touch}");
            world.sql("DELETE FROM audit", args![]).await;
            world.sql("INSERT INTO audit SELECT * FROM kept", args![]).await;
        }
        assert_eq!(verified(&world).await, Ok(6));
    }

    async fn pages_hold_what_their_filter_names(database: Database) {
        let world = World::new(&database).await;
        let key = world.written_key("one").await;
        world.written_key("two").await;
        let revoke = |key: credential::key::Key| {
            key.revoke(credential::key::Maker::System, NOW).map_err(|_| Fault::Unsupported("refused"))
        };
        let actor = Actor { kind: ActorKind::Key, id: "the-actor".to_owned(), ..Actor::SYSTEM };
        world.store.change_key(actor, after(60), key.id, Action::KeyRevoked, NO_DETAIL, revoke).await.expect("revoked");
        let id = key.id.to_string();
        let own = Some(world.organization.id);
        let none = AuditFilter::default;
        let cases = [
            ("all", none(), vec![4, 3, 2, 1]),
            ("organization", AuditFilter { organization: own, ..none() }, vec![4, 3, 2, 1]),
            ("another", AuditFilter { organization: Some(OrganizationId::from_bytes([7; 16])), ..none() }, vec![]),
            ("kind", AuditFilter { subject_kind: Some(SubjectKind::Organization), ..none() }, vec![1]),
            ("subject", AuditFilter { subject_id: Some(id), ..none() }, vec![4, 2]),
            ("action", AuditFilter { action: Some(Action::KeyRevoked), ..none() }, vec![4]),
            ("actor", AuditFilter { actor_id: Some("the-actor".to_owned()), ..none() }, vec![4]),
            ("from", AuditFilter { from: Some(after(60)), ..none() }, vec![4]),
            ("before", AuditFilter { before: Some(after(60)), ..none() }, vec![3, 2, 1]),
        ];
        for (name, filter, expected) in cases {
            let again = filter.clone();
            let page = world.view(move |view| view.audit_page(&filter, None, 10)).await;
            assert_eq!(page.iter().map(|sealed| sealed.event.seq).collect::<Vec<_>>(), expected, "{name}");
            let since = world.view(move |view| view.audit_since(&again, None, 10)).await;
            let forward: Vec<_> = since.iter().map(|sealed| sealed.event.seq).collect();
            assert_eq!(forward, expected.iter().rev().copied().collect::<Vec<_>>(), "{name}");
        }
        let next = world.view(|view| view.audit_page(&AuditFilter::default(), Some(3), 1)).await;
        assert_eq!(next[0].event.seq, 2);
    }

    async fn a_checkpoint_says_where_the_chain_was(database: Database) {
        let world = World::new(&database).await;
        let sign = |checkpoint: &mut Checkpoint| {
            checkpoint.key_id = "k".to_owned();
            checkpoint.signature = checkpoint.message();
            Ok::<_, Fault>(())
        };
        let first = world.store.checkpoint(after(1), sign).await.expect("signed").expect("there are events");
        assert_eq!((first.seq, first.signature.clone()), (1, first.message()));
        assert_eq!(world.store.checkpoint(after(2), sign).await.expect("asked"), None, "nothing happened");
        world.written_key("key").await;
        let second = world.store.checkpoint(after(3), sign).await.expect("signed").expect("there is another");
        assert_eq!(second.seq, 2);
        let refuse = |_: &mut Checkpoint| Err(Fault::Unsupported("no signing key"));
        world.written_key("another").await;
        assert!(world.store.checkpoint(after(4), refuse).await.is_err());
        assert_eq!(world.view(|view| view.last_checkpoint(None)).await, Some(second.clone()));
        assert_eq!(world.view(|view| view.last_checkpoint(Some(after(3)))).await, Some(first.clone()));
        let both = world.view(|view| view.checkpoints_after(0, 10)).await;
        assert_eq!(both, vec![first, second]);
        let events = world.view(|view| view.audit_chain(0, 10)).await;
        let anchors = Anchors { start: (0, genesis(MAIN_CHAIN)), checkpoints: &both, head: None };
        let head = verify_chain(events, anchors).expect("the chain holds");
        assert_eq!((head.seq, head.sealed), (3, 2));
    }

    async fn a_closed_part_leaves_a_chain_that_begins_at_its_checkpoint(database: Database) {
        let world = World::new(&database).await;
        let sign = |_: &mut Checkpoint| Ok::<_, Fault>(());
        world.written_key("one").await;
        let first = world.store.checkpoint(after(1), sign).await.expect("signed").expect("there are events");
        world.written_key("two").await;
        let close = |before| world.store.close_audit(after(9), before);
        assert_eq!(close(after(1)).await.expect("asked"), None, "it is too young");
        let closed = close(after(2)).await.expect("closed").expect("there was a checkpoint");
        assert_eq!((closed.at.seq, closed.removed, closed.told_again), (first.seq, 2, 2));
        assert_eq!(world.view(|view| view.audit_start()).await, Some((first.seq, first.hash)));
        assert_eq!(verified(&world).await, Ok(6), "one, two again twice, and the closing");
        assert_eq!(close(after(2)).await.expect("asked"), None);
        assert_eq!(world.mismatches().await, vec![]);
        world.sql("DELETE FROM checkpoint", args![]).await;
        assert_eq!(world.view(|view| view.audit_start()).await, None);
    }
}

/// Verifies the chain that is there against its head.
async fn verified(world: &World) -> Result<i64, Break> {
    let start = world.view(|view| view.audit_start()).await;
    let head = world.view(|view| view.audit_head()).await;
    let start = start.unwrap_or((0, genesis(MAIN_CHAIN)));
    let events = world
        .view(move |view| view.audit_chain(start.0, 1000))
        .await;
    let checkpoints = world.view(|view| view.checkpoints_after(0, 1000)).await;
    verify_chain(
        events,
        Anchors {
            start,
            checkpoints: &checkpoints,
            head: Some(head),
        },
    )
    .map(|head| head.seq)
}
