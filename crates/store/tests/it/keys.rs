//! Keys: what is written comes back, one of those who race wins each version, pages miss nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use credential::event::{Action, Actor, SubjectKind};
use credential::id::UserId;
use credential::key::{Addresses, Edit, Key, Kind, Maker, Minted, Overlap, Proof, State};
use credential::time::Span;
use store::change::NO_DETAIL;
use store::keys::{KEY_HANDLE, KEY_NAME, KeyFilter, KeyOrder, KeyPlace};
use store::usage::Usage;
use store::{Fault, Found};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after, name_of, product};

/// How many ask for the same rotation at the same time.
const RACERS: usize = 50;

on_each_engine! {
    async fn a_key_comes_back_as_it_was_written(database: Database) {
        let world = World::new(&database).await;
        let maker = UserId::from_bytes([3; 16]);
        let plain = world.key("plain");
        let mut whole = world.key("whole");
        whole.kind = Kind::Signed;
        whole.state = State::Disabled { at: after(5), by: Maker::User(maker) };
        whole.owner = Some(maker);
        whole.created_by = Maker::Key(plain.id);
        whole.rotated_at = Some(after(4));
        whole.current.proof = Proof::Secret("the signing secret".to_owned());
        whole.current.handle = Some("handle-2".to_owned());
        whole.current.generation = 1;
        let mut earlier = whole.current.clone();
        (earlier.generation, earlier.handle) = (0, Some("handle-1".to_owned()));
        earlier.proof = Proof::Signature;
        whole.previous = Some(Overlap { credential: earlier, until: after(60) });
        let bare = Key {
            addresses: Addresses::default(), limits: vec![], expires_at: None, ..world.key("bare")
        };
        for key in [plain, whole.clone(), bare] {
            world.write_key(&key).await;
            assert_eq!(world.read_key(key.id).await, Some(Found::Good(key)));
        }
        for handle in ["handle-1", "handle-2"] {
            let found = world.view(move |view| view.key_by_handle(handle)).await;
            assert_eq!(found, Some(Found::Good(whole.clone())), "{handle}");
        }
        assert_eq!(world.view(|view| view.key_by_handle("handle-3")).await, None);
        let name = whole.name.clone();
        let found = world.view(move |view| view.key_by_name(whole.organization, &whole.product, &name)).await;
        assert!(found.is_some());
        assert_eq!(world.mismatches().await, vec![]);
    }

    async fn a_name_is_taken_while_its_key_lives(database: Database) {
        let world = World::new(&database).await;
        let first = world.written_key("The  Name").await;
        let twin = world.key("the name");
        let insert = {
            let twin = twin.clone();
            move |change: &mut store::Change<'_>| change.insert_key(&twin, true, Action::KeyCreated, NO_DETAIL)
        };
        let refused = world.try_change(insert.clone()).await.expect_err("the name is taken");
        assert!(refused.is_conflict_on(KEY_NAME), "{refused:?}");
        let free = Key { product: product("other"), ..world.key("the name") };
        world.write_key(&free).await;
        let loose = world.key("the name");
        world.change(move |change| change.insert_key(&loose, false, Action::KeyCreated, NO_DETAIL)).await;

        let other = world.written_key("another").await;
        let renamed = other.edit(Edit { name: Some(name_of("THE NAME")), ..Edit::default() }, NOW).expect("renamed");
        let taken = world.try_change(move |change| change.update_key(renamed.clone(), Action::KeyEdited, NO_DETAIL));
        assert!(taken.await.expect_err("taken").is_conflict_on(KEY_NAME));

        let revoke = |key: Key| key.revoke(Maker::System, NOW).map_err(refused_as);
        world.store.change_key(Actor::SYSTEM, NOW, first.id, Action::KeyRevoked, NO_DETAIL, revoke).await.expect("revoked");
        world.change(insert).await;
    }

    async fn a_handle_leads_to_one_key(database: Database) {
        let world = World::new(&database).await;
        let with_handle = |name: &str, handle: &str| {
            let mut key = world.key(name);
            key.current.handle = Some(handle.to_owned());
            key
        };
        let one = with_handle("one", "h1");
        world.write_key(&one).await;
        let two = with_handle("two", "h1");
        let insert = world.try_change(move |change| change.insert_key(&two, true, Action::KeyCreated, NO_DETAIL));
        assert!(insert.await.expect_err("taken").is_conflict_on(KEY_HANDLE));
        let rotate = |key: Key| {
            let minted = Minted { handle: Some("h2".to_owned()), proof: Proof::Digest([1; 32]) };
            key.rotate(minted, Span::ZERO, NOW).map_err(refused_as)
        };
        world.store.change_key(Actor::SYSTEM, NOW, one.id, Action::KeyRotated, NO_DETAIL, rotate).await.expect("rotated");
        assert_eq!(world.view(|view| view.key_by_handle("h1")).await, None);
        assert!(world.view(|view| view.key_by_handle("h2")).await.is_some());
    }

    async fn one_of_those_who_race_wins_each_version_and_none_is_lost(database: Database) {
        let world = World::new(&database).await;
        let key = world.written_key("raced").await;
        let race = (0..RACERS).map(|racer| {
            let store = Arc::clone(&world.store);
            tokio::spawn(async move {
                let rotate = move |key: Key| {
                    let minted = Minted { handle: Some(format!("racer-{racer}")), proof: Proof::Digest([racer as u8; 32]) };
                    key.rotate(minted, Span::ZERO, NOW).map_err(refused_as)
                };
                store.change_key(Actor::SYSTEM, NOW, key.id, Action::KeyRotated, NO_DETAIL, rotate).await
            })
        });
        let race: Vec<_> = race.collect();
        let (mut versions, mut revisions) = (BTreeSet::new(), BTreeSet::new());
        for racer in race {
            let won = racer.await.expect("no panic").expect("rotated");
            let rotated = won.value.expect("the key is there");
            assert_eq!(i64::from(rotated.current.generation) + 1, rotated.version, "each rotation saw the one before");
            versions.insert(rotated.version);
            revisions.insert(won.revision);
        }
        assert_eq!(versions, (2..=RACERS as i64 + 1).collect(), "each version was won once");
        assert_eq!(revisions.len(), RACERS, "each change has its own number");
        let last = world.read_key(key.id).await.and_then(Found::good).expect("the key");
        assert_eq!((last.version, last.current.generation), (RACERS as i64 + 1, RACERS as u32));
        let events = world.view(|view| view.audit_chain(0, 1000)).await;
        let rotations = events.iter().filter(|sealed| sealed.event.action == Action::KeyRotated).count();
        assert_eq!(rotations, RACERS, "each has its event");
        assert_eq!(world.mismatches().await, vec![]);
    }

    async fn one_of_those_who_want_the_same_rotation_wins(database: Database) {
        let world = World::new(&database).await;
        let key = world.written_key("raced").await;
        let race: Vec<_> = (0..RACERS).map(|racer| {
            let store = Arc::clone(&world.store);
            tokio::spawn(async move {
                // Everyone asks for the secret after the first: whoever comes later finds it done.
                let rotate = move |key: Key| match key.current.generation {
                    0 => {
                        let minted = Minted { handle: None, proof: Proof::Digest([racer as u8; 32]) };
                        key.rotate(minted, Span::ZERO, NOW).map_err(refused_as)
                    }
                    _ => Err(Fault::Unsupported("it was rotated")),
                };
                store.change_key(Actor::SYSTEM, NOW, key.id, Action::KeyRotated, NO_DETAIL, rotate).await
            })
        }).collect();
        let mut winners = Vec::new();
        for racer in race {
            match racer.await.expect("no panic") {
                Ok(won) => winners.extend(won.value),
                Err(fault) => assert!(matches!(fault, Fault::Unsupported(_)), "{fault:?}"),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(world.read_key(key.id).await, winners.pop().map(Found::Good));
    }

    async fn pages_hold_every_key_once_while_others_are_created(database: Database) {
        let world = Arc::new(World::new(&database).await);
        let mut there = BTreeSet::new();
        for number in 0..40 {
            there.insert(world.written_key(&format!("key {:02}", 97 - number)).await.id);
        }
        let writer = {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                for number in 0..40 {
                    world.written_key(&format!("new {number:02}")).await;
                }
            })
        };
        for order in [KeyOrder::Oldest, KeyOrder::Newest, KeyOrder::Name] {
            for filter in [KeyFilter::of(world.organization.id), KeyFilter::default()] {
                let (mut seen, mut place) = (Vec::new(), None);
                loop {
                    let (filter, after) = (filter.clone(), place.clone());
                    let page = world.view(move |view| view.keys_page(&filter, order, after.as_ref(), 7)).await;
                    let keys: Vec<Key> = page.into_iter().filter_map(Found::good).collect();
                    let Some(last) = keys.last() else { break };
                    place = Some(KeyPlace::of(last));
                    seen.extend(keys);
                }
                let ids: BTreeSet<_> = seen.iter().map(|key| key.id).collect();
                assert_eq!(ids.len(), seen.len(), "{order:?} gives a key twice");
                assert!(ids.is_superset(&there), "{order:?} misses a key");
                let sorted = seen.is_sorted_by(|one, other| match order {
                    KeyOrder::Oldest => one.id < other.id,
                    KeyOrder::Newest => one.id > other.id,
                    KeyOrder::Name => (one.name.fold(), one.id) < (other.name.fold(), other.id),
                });
                assert!(sorted, "{order:?} is another order");
            }
        }
        writer.await.expect("the writer");
    }

    async fn filters_give_what_they_name(database: Database) {
        let world = World::new(&database).await;
        let owner = UserId::from_bytes([5; 16]);
        let mut keys = Vec::new();
        for name in ["alpha", "beta 100%", "gamma_x", "Ünder", "omega"] {
            keys.push(world.key(name));
        }
        keys[0].kind = Kind::Client;
        keys[1].owner = Some(owner);
        keys[1].expires_at = None;
        keys[2].expires_at = Some(after(100));
        keys[2].created_by = Maker::User(owner);
        keys[3].state = State::Revoked { at: NOW, by: Maker::System };
        keys[4].product = product("other");
        for key in &keys {
            world.write_key(key).await;
        }
        let used = Usage { key: keys[0].id, generation: 0, last_used_at: after(10), address: None, route: None, uses: 1 };
        world.store.note_usage(vec![used], vec![]).await.expect("noted");
        let all = || KeyFilter::of(world.organization.id);
        let cases = [
            ("all", all(), vec![0, 1, 2, 3, 4]),
            ("product", KeyFilter { product: Some(product("other")), ..all() }, vec![4]),
            ("state", KeyFilter { state: Some("revoked"), ..all() }, vec![3]),
            ("unrevoked", KeyFilter { unrevoked: true, ..all() }, vec![0, 1, 2, 4]),
            ("kind", KeyFilter { kind: Some(Kind::Client), ..all() }, vec![0]),
            ("name, case apart", KeyFilter { name_has: Some("AMM".into()), ..all() }, vec![2]),
            ("name, not ASCII", KeyFilter { name_has: Some("ÜN".into()), ..all() }, vec![3]),
            ("percent is a letter", KeyFilter { name_has: Some("0%".into()), ..all() }, vec![1]),
            ("underscore is a letter", KeyFilter { name_has: Some("_".into()), ..all() }, vec![2]),
            ("owner", KeyFilter { owner: Some(owner), ..all() }, vec![1]),
            ("creator", KeyFilter { created_by: Some(Maker::User(owner)), ..all() }, vec![2]),
            ("expires later or never", KeyFilter { expires_from: Some(after(101)), ..all() }, vec![0, 1, 3, 4]),
            ("expires before", KeyFilter { expires_before: Some(after(101)), ..all() }, vec![2]),
            ("unused since", KeyFilter { unused_since: Some(after(10)), ..all() }, vec![1, 2, 3, 4]),
            ("unused since later", KeyFilter { unused_since: Some(after(11)), ..all() }, vec![0, 1, 2, 3, 4]),
            ("used since", KeyFilter { used_since: Some(after(10)), ..all() }, vec![0]),
        ];
        for (name, filter, expected) in cases {
            let counted = filter.clone();
            let page = world.view(move |view| view.keys_page(&filter, KeyOrder::Oldest, None, 100)).await;
            let found: Vec<_> = page.into_iter().filter_map(Found::good).map(|key| key.id).collect();
            assert_eq!(found, expected.iter().map(|at| keys[*at].id).collect::<Vec<_>>(), "{name}");
            let count = world.view(move |view| view.keys_count(&counted)).await;
            assert_eq!(count, expected.len() as i64, "{name}");
        }
    }

    async fn keys_that_expire_and_keys_that_were_revoked_are_found_in_order(database: Database) {
        let world = World::new(&database).await;
        let mut keys = Vec::new();
        for (number, seconds) in [50, 10, 30, 30].into_iter().enumerate() {
            let key = Key { expires_at: Some(after(seconds)), ..world.key(&format!("key {number}")) };
            world.write_key(&key).await;
            keys.push(key);
        }
        world.write_key(&Key { expires_at: None, ..world.key("for good") }).await;
        let ids = |page: Vec<Found<Key>>| page.into_iter().filter_map(Found::good).map(|key| key.id).collect::<Vec<_>>();
        let page = world.view(|view| view.keys_expiring(after(10), after(50), None, 2)).await;
        assert_eq!(ids(page), vec![keys[1].id, keys[2].id]);
        let last = keys[2].id;
        let page = world.view(move |view| view.keys_expiring(after(30), after(51), Some(last), 9)).await;
        assert_eq!(ids(page), vec![keys[3].id, keys[0].id]);

        let revoke = |key: Key| key.revoke(Maker::System, after(7)).map_err(refused_as);
        let id = keys[0].id;
        world.store.change_key(Actor::SYSTEM, NOW, id, Action::KeyRevoked, NO_DETAIL, revoke).await.expect("revoked");
        assert_eq!(ids(world.view(|view| view.keys_revoked(after(8), 9)).await), vec![id]);
        assert_eq!(ids(world.view(|view| view.keys_revoked(after(7), 9)).await), vec![]);
    }

    async fn a_deleted_key_leaves_its_event_and_nothing_else(database: Database) {
        let world = World::new(&database).await;
        let mut key = world.key("gone");
        key.current.handle = Some("gone-handle".to_owned());
        world.write_key(&key).await;
        let family = world.family(&key);
        let insert = family.clone();
        world.change(move |change| change.insert_family(&insert, Action::FamilyStarted, NO_DETAIL)).await;
        let with_family = key.clone();
        let refused = world.try_change(move |change| change.delete_key(&with_family, Action::KeyPurged, NO_DETAIL));
        assert!(matches!(refused.await, Err(Fault::Unsupported(_))));
        let gone = key.clone();
        world.change(move |change| {
            change.delete_family(&family, Action::KeyPurged, NO_DETAIL)?;
            change.delete_key(&gone, Action::KeyPurged, NO_DETAIL)
        }).await;
        assert_eq!(world.read_key(key.id).await, None);
        assert_eq!(world.view(|view| view.key_by_handle("gone-handle")).await, None);
        assert_eq!(world.mismatches().await, vec![]);
        let events = world.view(|view| view.audit_chain(0, 100)).await;
        let last = &events.last().expect("an event").event;
        assert_eq!((last.subject.kind, last.action), (SubjectKind::Key, Action::KeyPurged));
    }
}

/// Tests refuse with whatever the store has.
fn refused_as(_: credential::key::Refusal) -> Fault {
    Fault::Unsupported("refused")
}
