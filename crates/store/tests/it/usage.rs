//! Usage.

use std::sync::Arc;

use credential::event::Action;
use credential::id::KeyId;
use credential::name::ProductName;
use credential::time::Span;
use store::change::NO_DETAIL;
use store::usage::{Calls, HourlyUsage, MAX_AGENTS, OTHER_AGENT, Usage};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

fn use_of(key: u8, generation: u32, seconds: i64, uses: u64) -> Usage {
    Usage {
        key: KeyId::from_bytes([key; 16]),
        generation,
        last_used_at: after(seconds),
        address: Some(format!("192.0.2.{seconds}").parse().expect("an address")),
        route: Some(format!("/{seconds}")),
        uses,
    }
}

on_each_engine! {
    async fn uses_add_up_and_the_latest_is_told(database: Database) {
        let world = World::new(&database).await;
        let key = KeyId::from_bytes([1; 16]);
        for batch in [
            vec![use_of(1, 0, 5, 2), use_of(2, 0, 5, 1)],
            vec![use_of(1, 1, 3, 1), use_of(1, 0, 9, 3)],
            vec![use_of(1, 0, 7, 10)],
        ] {
            world.store.note_usage(batch, vec![]).await.expect("noted");
        }
        let of_key = world.view(move |view| view.usage_of(key, 10)).await;
        assert_eq!(of_key, vec![use_of(1, 1, 3, 1), use_of(1, 0, 9, 15)], "one that comes late counts and tells nothing");
        let last = KeyId::from_bytes([2; 16]);
        let between = world.view(move |view| view.usage_between(key, last, 10)).await;
        assert_eq!(between, vec![use_of(2, 0, 5, 1)]);
    }

    async fn replicas_note_at_the_same_time(database: Database) {
        let world = Arc::new(World::new(&database).await);
        let writers: Vec<_> = (0..10).map(|writer| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut batch: Vec<_> = (1..20).map(|key| use_of(key, 0, i64::from(key), 1)).collect();
                if writer % 2 == 0 {
                    batch.reverse();
                }
                world.store.note_usage(batch, vec![]).await.expect("noted");
            })
        }).collect();
        for writer in writers {
            writer.await.expect("noted");
        }
        let used = world.view(|view| view.usage_of(KeyId::from_bytes([7; 16]), 10)).await;
        assert_eq!(used[0].uses, 10);
    }

    async fn the_routes_of_an_hour_are_counted_together(database: Database) {
        let world = World::new(&database).await;
        let key = KeyId::from_bytes([1; 16]);
        let hour = |hours: i64| HourlyUsage::hour_of(NOW + Span::from_hours(hours));
        let row = |hours: i64, route: &str, outcome: &str, uses| HourlyUsage {
            key,
            hour: hour(hours),
            route: route.to_owned(),
            outcome: outcome.to_owned(),
            uses,
        };
        let rows = vec![
            row(0, "a", "VALID", 1),
            row(1, "a", "VALID", 2),
            row(1, "b", "VALID", 3),
            row(1, "b", "EXPIRED", 4),
            row(3, "a", "REVOKED", 5),
            row(4, "a", "VALID", 6),
        ];
        world.store.note_usage(vec![], rows).await.expect("noted");
        let (from, before) = (hour(1), hour(4));
        let counts = world.view(move |view| view.hour_counts(key, "VALID", from, before, 10)).await;
        let told: Vec<_> = counts.iter().map(|count| (count.hour, count.allowed, count.refused)).collect();
        assert_eq!(told, [(hour(1), 5, 4), (hour(3), 0, 5)]);
        assert_eq!(world.view(move |view| view.hour_counts(key, "VALID", from, before, 1)).await.len(), 1);
    }

    async fn hours_are_counted_and_purged(database: Database) {
        let world = World::new(&database).await;
        let key = KeyId::from_bytes([1; 16]);
        let hour = |hours: i64, uses| HourlyUsage {
            key,
            hour: HourlyUsage::hour_of(NOW + Span::from_hours(hours)),
            route: "verify".to_owned(),
            outcome: "VALID".to_owned(),
            uses,
        };
        world.store.note_usage(vec![], vec![hour(0, 1), hour(1, 2)]).await.expect("noted");
        world.store.note_usage(vec![], vec![hour(1, 3), hour(2, 1)]).await.expect("noted");
        let (from, before) = (hour(1, 0).hour, hour(2, 0).hour);
        assert_eq!(world.view(move |view| view.hourly_usage(key, from, before, 10)).await, vec![hour(1, 5)]);
        assert_eq!(world.store.purge_hourly_usage(before, 1).await.expect("purged"), 1);
        assert_eq!(world.store.purge_hourly_usage(before, 10).await.expect("purged"), 1);
        let left = world.view(move |view| view.hourly_usage(key, NOW - Span::from_hours(2), before + Span::from_hours(1), 9));
        assert_eq!(left.await, vec![hour(2, 1)]);
    }
}

on_each_engine! {
    async fn calls_are_added_up_for_their_organization_and_purged(database: Database) {
        let world = World::new(&database).await;
        let key = world.key("counted");
        let (id, organization, product) = (key.id, key.organization, key.product.clone());
        world.change(move |change| change.insert_key(&key, false, Action::KeyCreated, NO_DETAIL)).await;
        let call = |hours: i64, path: &str, agent: &str, uses| Calls {
            key: id,
            hour: HourlyUsage::hour_of(NOW + Span::from_hours(hours)),
            verb: "GET".to_owned(),
            path: path.to_owned(),
            status: 200,
            agent: agent.to_owned(),
            uses,
        };
        let stranger = Calls { key: KeyId::from_bytes([9; 16]), ..call(0, "/a", "x", 1) };
        world.store.note_calls(vec![call(0, "/a", "x", 1), call(1, "/a", "x", 2), stranger]).await.expect("noted");
        world.store.note_calls(vec![call(1, "/a", "x", 3), call(1, "/b", "x", 1)]).await.expect("noted");
        let counts = async |from: i64, before: i64| {
            let (from, before) = (call(from, "", "", 0).hour, call(before, "", "", 0).hour);
            let product = product.clone();
            let counts = world.view(move |view| view.call_counts(organization, &product, from, before)).await;
            counts.into_iter().map(|count| (count.key_name, count.path, count.uses)).collect::<Vec<_>>()
        };
        let told = |path: &str, uses| ("counted".to_owned(), path.to_owned(), uses);
        assert_eq!(counts(0, 2).await, [told("/a", 6), told("/b", 1)]);
        assert_eq!(counts(0, 1).await, [told("/a", 1)]);
        let (elsewhere, other) = (organization, ProductName::new("other").expect("a name"));
        let (from, before) = (call(0, "", "", 0).hour, call(2, "", "", 0).hour);
        assert_eq!(world.view(move |view| view.call_counts(elsewhere, &other, from, before)).await, []);
        assert_eq!(world.store.purge_calls(call(1, "", "", 0).hour, 10).await.expect("purged"), 2);
        assert_eq!(counts(0, 2).await, [told("/a", 5), told("/b", 1)]);
    }

    async fn a_client_that_invents_names_fills_no_table(database: Database) {
        let world = World::new(&database).await;
        let key = world.key("noisy");
        let (id, organization, product) = (key.id, key.organization, key.product.clone());
        world.change(move |change| change.insert_key(&key, false, Action::KeyCreated, NO_DETAIL)).await;
        let hour = HourlyUsage::hour_of(NOW);
        for flush in 0..5 {
            let calls = (0..10).map(|number| Calls {
                key: id,
                hour,
                verb: "GET".to_owned(),
                path: "/a".to_owned(),
                status: 200,
                agent: format!("x/{flush}.{number}"),
                uses: 1,
            });
            world.store.note_calls(calls.collect()).await.expect("noted");
        }
        let before = hour + Span::from_hours(1);
        let counts = world.view(move |view| view.call_counts(organization, &product, hour, before)).await;
        assert_eq!(counts.len(), MAX_AGENTS + 1);
        let others = counts.iter().find(|count| count.agent == OTHER_AGENT).expect("the rest counts");
        assert_eq!(others.uses, 50 - MAX_AGENTS as u64);
    }
}
