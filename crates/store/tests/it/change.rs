//! A change is whole or not at all, and nobody who lost the right to it makes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use credential::event::{Action, Actor, Anchors, Subject, SubjectKind, genesis, verify_chain};
use store::change::{MAIN_CHAIN, NO_DETAIL};
use store::{Fault, Store};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, entropy, vault};

on_each_engine! {
    async fn row_event_and_entry_are_written_together_or_not_at_all(database: Database) {
        let world = World::new(&database).await;
        let before = world.view(|view| Ok((view.feed_head()?, view.audit_head()?))).await;
        let key = world.key("undone");
        let (id, insert) = (key.id, key.clone());
        let undone = world.try_change(move |change| {
            change.insert_key(&insert, true, Action::KeyCreated, NO_DETAIL)?;
            Err::<(), _>(Fault::Unsupported("a second thought"))
        });
        assert!(matches!(undone.await, Err(Fault::Unsupported("a second thought"))));
        assert_eq!(world.read_key(id).await, None);
        assert_eq!(world.view(|view| Ok((view.feed_head()?, view.audit_head()?))).await, before);

        let insert = key.clone();
        let made = world.change(move |change| change.insert_key(&insert, true, Action::KeyCreated, NO_DETAIL)).await;
        let ((number, _), (seq, _)) = world.view(|view| Ok((view.feed_head()?, view.audit_head()?))).await;
        assert_eq!((number, seq), (before.0.0 + 1, before.1.0 + 1));
        assert_eq!(made.revision, number);
        let entry = world.view(move |view| view.feed_after(number - 1, 10)).await.remove(0);
        assert_eq!(entry.subjects, vec![Subject { kind: SubjectKind::Key, id: key.id.to_string() }]);
        let event = world.view(move |view| view.audit_chain(seq - 1, 10)).await.remove(0).event;
        assert_eq!((event.action, event.subject_version, event.subject.id), (Action::KeyCreated, 1, key.id.to_string()));
        assert_eq!(event.organization, Some(key.organization));
    }

    async fn who_is_refused_under_the_lock_changes_nothing(database: Database) {
        let world = World::new(&database).await;
        let key = world.key("refused");
        let (id, insert) = (key.id, key.clone());
        let refused: Result<_, Fault> = world.store.change(
            Actor::SYSTEM,
            NOW,
            |_| Err(Fault::Unsupported("the caller was revoked")),
            move |change| change.insert_key(&insert, true, Action::KeyCreated, NO_DETAIL),
        ).await;
        assert!(matches!(refused, Err(Fault::Unsupported("the caller was revoked"))));
        assert_eq!(world.read_key(id).await, None);
    }

    async fn who_authorizes_sees_what_was_committed_while_the_request_was_under_way(database: Database) {
        let world = World::new(&database).await;
        let organization = world.organization.clone();
        let store = Arc::clone(&world.store);
        let restricted = Arc::new(AtomicBool::new(false));
        let key = world.key("late");
        let insert = key.clone();
        let id = organization.id;
        let runtime = tokio::runtime::Handle::current();
        // Where one transaction writes at a time, the restriction comes first; where many do, in the middle.
        let is_postgres = store.db().engine() == store::db::Engine::Postgres;
        let disable = move || {
            let (store, disabled) = (Arc::clone(&store), credential::organization::Organization {
                active: false, ..organization.clone()
            });
            async move {
                let body = move |change: &mut store::Change<'_>| {
                    change.update_organization(disabled.clone(), Action::OrganizationDisabled, NO_DETAIL)
                };
                store.change::<_, Fault>(Actor::SYSTEM, NOW, |_| Ok(()), body).await.expect("disabled");
            }
        };
        if !is_postgres {
            disable().await;
        }
        let refused: Result<_, Fault> = world.store.change(
            Actor::SYSTEM,
            NOW,
            move |view| {
                let organization = view.organization(id)?.expect("it is there").trusted()?;
                if organization.active { Ok(()) } else { Err(Fault::Unsupported("disabled")) }
            },
            move |change| {
                change.organization(id)?;
                if is_postgres && !restricted.swap(true, Ordering::SeqCst) {
                    runtime.block_on(disable());
                }
                change.insert_key(&insert, true, Action::KeyCreated, NO_DETAIL)
            },
        ).await;
        assert!(matches!(refused, Err(Fault::Unsupported("disabled"))), "{refused:?}");
        assert_eq!(world.read_key(key.id).await, None);
    }

    async fn a_change_that_changes_nothing_takes_no_number(database: Database) {
        let world = World::new(&database).await;
        let (head, _) = world.view(|view| view.feed_head()).await;
        assert_eq!(world.change(|_| Ok(())).await.revision, head);
        let noted = world.change(|change| {
            let subject = Subject { kind: SubjectKind::Server, id: String::new() };
            change.note(Action::ServerStarted, subject, None, NO_DETAIL);
            Ok(())
        });
        assert_eq!(noted.await.revision, head, "an event about no row is in the trail only");
        assert_eq!(world.view(|view| view.audit_head()).await.0, 2);
        let announced = world.change(|change| {
            change.announce(&Subject { kind: SubjectKind::Policy, id: "demo".to_owned() });
            Ok(())
        });
        assert_eq!(announced.await.revision, head + 1);
    }

    async fn numbers_follow_the_order_of_commits_without_gaps(database: Database) {
        let world = Arc::new(World::new(&database).await);
        let writers: Vec<_> = (0..20).map(|writer| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let key = world.key(&format!("writer {writer}"));
                world.change(move |change| change.insert_key(&key, true, Action::KeyCreated, NO_DETAIL)).await.revision
            })
        }).collect();
        let follower = {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut applied = 0;
                while applied < 21 {
                    let after = applied;
                    for entry in world.view(move |view| view.feed_after(after, 5)).await {
                        assert_eq!(entry.number, applied + 1, "nothing comes late");
                        applied = entry.number;
                    }
                    tokio::task::yield_now().await;
                }
            })
        };
        for writer in writers {
            writer.await.expect("written");
        }
        follower.await.expect("followed");
        let events = world.view(|view| view.audit_chain(0, 100)).await;
        let head = world.view(|view| view.audit_head()).await;
        let anchors = Anchors { start: (0, genesis(MAIN_CHAIN)), checkpoints: &[], head: Some(head) };
        assert_eq!(verify_chain(events, anchors).expect("the chain holds").seq, 21);
    }

    async fn a_locked_store_gives_no_row_and_takes_none(database: Database) {
        let world = World::new(&database).await;
        let key = world.written_key("kept").await;
        let locked = Store::open(database.url()).await.expect("it opens");
        let read = locked.view(move |view| view.key(key.id)).await;
        assert!(matches!(read, Err(Fault::Locked)), "{read:?}");
        let key = world.key("another");
        let written = locked.change::<_, Fault>(Actor::SYSTEM, NOW, |_| Ok(()), move |change| {
            change.insert_key(&key, true, Action::KeyCreated, NO_DETAIL)
        });
        assert!(matches!(written.await, Err(Fault::Locked)));
        locked.unlock(vault(&[2]), entropy());
        let read = locked.view(move |view| view.key(key_of(view)?)).await.expect("it is read");
        assert_eq!(read.and_then(store::Found::good), None, "another vault opens nothing");
    }

    async fn a_restore_begins_an_epoch(database: Database) {
        let world = World::new(&database).await;
        assert_eq!(world.view(|view| view.feed_head()).await.1, 1);
        assert_eq!(world.change(|change| change.begin_epoch()).await.value, 2);
        assert_eq!(world.view(|view| view.feed_head()).await.1, 2);
    }
}

fn key_of(view: &store::View<'_>) -> Result<credential::id::KeyId, Fault> {
    let page = view.keys_page(
        &store::keys::KeyFilter::default(),
        store::keys::KeyOrder::Oldest,
        None,
        1,
    )?;
    match page.into_iter().next() {
        Some(store::Found::Tampered(subject)) => Ok(subject.id.parse().expect("an id")),
        other => panic!("not expected under another vault: {other:?}"),
    }
}
