//! The feed and its replicas.

use credential::event::{Subject, SubjectKind};
use credential::id::ReplicaId;
use store::Found;
use store::db::Engine;
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

const REPLICA: ReplicaId = ReplicaId::from_bytes([1; 16]);

on_each_engine! {
    async fn a_poll_gives_what_follows_and_the_id_of_what_was_applied(database: Database) {
        let world = World::new(&database).await;
        let key = world.written_key("key").await;
        let polled = world.store.poll(None, 0, 10).await.expect("polled");
        assert_eq!((polled.head, polled.epoch, polled.at_applied, polled.registered), (2, 1, None, true));
        assert_eq!(polled.entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), vec![1, 2]);
        assert_eq!(polled.entries[1].subjects, vec![Subject { kind: SubjectKind::Key, id: key.id.to_string() }]);
        assert_eq!(polled.database_time.is_some(), world.store.db().engine() == Engine::Postgres);
        let applied = world.store.poll(None, 2, 10).await.expect("polled");
        assert_eq!(applied.at_applied, Some(polled.entries[1].id));
        assert_eq!(applied.entries, vec![]);
        world.sql("UPDATE feed SET id = '01010101-0101-0101-0101-010101010101' WHERE number = 2", store::args![]).await;
        let forked = world.store.poll(None, 2, 10).await.expect("polled");
        assert_ne!(forked.at_applied, applied.at_applied, "a fork shows");
        assert_eq!(world.store.poll(None, 0, 1).await.expect("polled").entries.len(), 1);
    }

    async fn nobody_waits_for_those_who_surely_died(database: Database) {
        let world = World::new(&database).await;
        world.store.register_replica(REPLICA, "host", NOW).await.expect("registered");
        let beside = store::Store::open(database.url()).await.expect("another process opens it");
        let listed = |store: store::Store| async move {
            store.view(|view| view.replicas()).await.map_err(|fault: store::Fault| fault).expect("listed").len()
        };
        assert_eq!(listed(beside).await, 1, "the other process lives");
        let engine = world.store.db().engine();
        drop(world);
        let next = store::Store::open(database.url()).await.expect("opened after a crash");
        // Only a file can tell that nobody has it open.
        assert_eq!(listed(next).await, usize::from(engine == Engine::Postgres));
    }

    async fn a_fenced_replica_cannot_acknowledge_until_it_registers_anew(database: Database) {
        let world = World::new(&database).await;
        let store = &world.store;
        assert!(!store.poll(Some(REPLICA), 0, 10).await.expect("polled").registered, "it is not in the list");
        assert_eq!(store.register_replica(REPLICA, "host", NOW).await.expect("registered"), 1);
        assert!(store.poll(Some(REPLICA), 1, 10).await.expect("polled").registered);
        assert!(store.acknowledge(REPLICA, 7).await.expect("acknowledged"));
        let listed = world.view(|view| view.replicas()).await;
        assert_eq!((listed[0].acknowledged, listed[0].fenced_at, listed[0].name.as_str()), (7, None, "host"));
        assert!(store.fence_replica(REPLICA, after(1)).await.expect("fenced"));
        assert!(!store.fence_replica(REPLICA, after(2)).await.expect("fenced"), "it was");
        assert!(!store.poll(Some(REPLICA), 8, 10).await.expect("polled").registered);
        assert!(!store.acknowledge(REPLICA, 8).await.expect("acknowledged"));
        let listed = world.view(|view| view.replicas()).await;
        assert_eq!((listed[0].acknowledged, listed[0].fenced_at), (7, Some(after(1))), "it still counts");
        assert!(store.delete_replica(REPLICA).await.expect("deleted"));
        assert!(!store.delete_replica(REPLICA).await.expect("deleted"));
        store.register_replica(REPLICA, "host", after(3)).await.expect("registered");
        assert!(store.poll(Some(REPLICA), 1, 10).await.expect("polled").registered);
    }

    async fn a_purge_leaves_the_last_entry(database: Database) {
        let world = World::new(&database).await;
        for number in 0..5 {
            world.written_key(&format!("key {number}")).await;
        }
        assert_eq!(world.store.purge_feed(after(9), 2).await.expect("purged"), 2);
        assert_eq!(world.store.purge_feed(after(9), 100).await.expect("purged"), 3);
        assert_eq!(world.store.purge_feed(after(9), 100).await.expect("purged"), 0);
        let left = world.view(|view| view.feed_after(0, 10)).await;
        assert_eq!(left.iter().map(|entry| entry.number).collect::<Vec<_>>(), vec![6]);
        let id = world.view(|view| view.keys_page(&Default::default(), Default::default(), None, 1)).await;
        assert!(matches!(id[..], [Found::Good(_)]));
    }
}
