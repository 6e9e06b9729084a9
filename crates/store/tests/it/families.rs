//! Families: a compare and swap decides who refreshes.

use std::sync::Arc;

use credential::event::{Action, Actor};
use credential::family::{Death, Refreshed};
use credential::time::Span;
use store::change::NO_DETAIL;
use store::{Fault, Found};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

const RACERS: usize = 50;

on_each_engine! {
    async fn a_family_comes_back_as_it_was_written(database: Database) {
        let world = World::new(&database).await;
        let key = world.written_key("pair").await;
        let (young, old) = (world.family(&key), world.family(&key));
        let insert = [young.clone(), old.clone()];
        world.change(move |change| {
            insert.iter().try_for_each(|family| change.insert_family(family, Action::FamilyStarted, NO_DETAIL))
        }).await;
        let Refreshed::Next(next) = old.clone().refresh(0, Span::ZERO, None, after(9)) else { panic!("it refreshes") };
        let dead = next.mark_used().die(Death::Reused, after(10));
        let dead = world.change(move |change| change.update_family(dead.clone(), Action::FamilyReused, NO_DETAIL)).await;
        assert_eq!(dead.value.version, 2);
        assert_eq!(dead.revision, world.view(|view| view.feed_head()).await.0, "a death is in the feed");
        let of_key = world.view(move |view| view.families_of(key.id, None, 10)).await;
        assert_eq!(of_key, vec![Found::Good(young.clone()), Found::Good(dead.value.clone())]);
        let rest = world.view(move |view| view.families_of(key.id, Some(young.id), 10)).await;
        assert_eq!(rest, vec![Found::Good(dead.value.clone())]);
        assert_eq!(world.view(move |view| view.live_families_of(key.id, 10)).await, vec![Found::Good(young.clone())]);
        assert_eq!(world.view(|view| view.families_page(None, 10)).await.len(), 2);
        let lapsed = world.view(move |view| view.lapsed_families(young.refresh_until + Span::from_millis(1), 10)).await;
        assert_eq!(lapsed, vec![Found::Good(young)]);
    }

    async fn one_of_those_who_refresh_at_the_same_time_makes_the_next_generation(database: Database) {
        let world = World::new(&database).await;
        let key = world.written_key("pair").await;
        let family = world.family(&key);
        let (id, insert) = (family.id, family.clone());
        world.store.issue::<_, Fault>(Actor::SYSTEM, NOW, move |issue| {
            issue.insert_family(&insert, Action::FamilyStarted, NO_DETAIL)
        }).await.expect("begun");
        let head = world.view(|view| view.feed_head()).await;
        let race: Vec<_> = (0..RACERS).map(|_| {
            let store = Arc::clone(&world.store);
            tokio::spawn(async move {
                store.issue::<_, Fault>(Actor::SYSTEM, NOW, move |issue| {
                    let family = issue.family(id)?.expect("it is there").trusted()?;
                    match family.refresh(0, Span::from_secs(60), None, after(1)) {
                        Refreshed::Next(next) => issue.update_family(next, Action::KeyRefreshed, NO_DETAIL).map(|_| true),
                        Refreshed::Again(_) => Ok(false),
                        other => panic!("{other:?}"),
                    }
                }).await
            })
        }).collect();
        let mut winners = 0;
        for racer in race {
            winners += usize::from(racer.await.expect("no panic").expect("answered"));
        }
        assert_eq!(winners, 1, "the others get the same tokens again");
        let last = world.view(move |view| view.family(id)).await.and_then(Found::good).expect("it is there");
        assert_eq!((last.generation, last.version), (1, 2));
        assert_eq!(world.view(|view| view.feed_head()).await, head, "refreshing is not in the feed");
        assert_eq!(world.mismatches().await, vec![], "the issuance chains count");
    }
}
