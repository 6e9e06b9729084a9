//! Deliveries: queued once, tried by one at a time.

use credential::event::{Action, Subject, SubjectKind};
use credential::id::{NoticeId, OrganizationId};
use credential::notice::channel::{Channel, FAILING_AFTER};
use credential::notice::delivery::State;
use credential::time::{Instant, Span};
use store::change::NO_DETAIL;
use store::deliveries::{Claim, Tried};
use store::notices::Notice;
use store::{Found, args};
use testkit::{Database, on_each_engine};

use crate::channels::{email_channel, webhook_channel, written};
use crate::world::{NOW, World, after, organization};

const LEASE: Span = Span::from_secs(60);

fn notice(number: u8, organization: Option<OrganizationId>, kind: &str) -> Notice {
    Notice {
        id: NoticeId::from_bytes([number; 16]),
        organization,
        once: format!("once {number}"),
        kind: kind.to_owned(),
        subject: Subject {
            kind: SubjectKind::Key,
            id: "k".to_owned(),
        },
        body: "{}".to_owned(),
        created_at: NOW,
        read: None,
    }
}

async fn claims(world: &World, at: Instant) -> Vec<Claim> {
    let claimed = world.store.claim_deliveries(at, LEASE, 10, 10).await;
    claimed.expect("claimed")
}

fn tried(state: State, at: Instant, works: Option<bool>) -> Tried {
    Tried {
        state,
        due_at: at + Span::from_secs(10),
        outcome: "so".to_owned(),
        at,
        works,
    }
}

on_each_engine! {
    async fn a_notice_is_queued_once_for_each_channel_that_wants_it(database: Database) {
        let world = World::new(&database).await;
        let (second, own) = (organization(2, "Second"), world.organization.id);
        let other = second.id;
        world.change(move |change| change.insert_organization(&second, Action::OrganizationCreated, NO_DETAIL)).await;
        let off = Channel { active: false, ..email_channel(3, own) };
        for channel in [email_channel(1, own), webhook_channel(2, own), off, email_channel(4, other)] {
            written(&world, &channel).await;
        }
        let all = vec![
            notice(1, Some(own), "expires_soon"),
            notice(2, Some(own), "unused"),
            notice(3, None, "tampering"),
            notice(4, Some(other), "unused"),
        ];
        let again: Vec<Notice> = all.iter().map(|notice| Notice { id: NoticeId::from_bytes([99; 16]), ..notice.clone() }).collect();
        assert_eq!(world.store.raise_notices(all).await.expect("raised"), 4);
        assert_eq!(world.store.raise_notices(again).await.expect("raised"), 0);
        let mut queued: Vec<(u8, u8)> = claims(&world, NOW).await.iter()
            .map(|claim| (claim.channel_id.as_bytes()[0], claim.notice_id.as_bytes()[0]))
            .collect();
        queued.sort();
        // The first organization runs the server, and gets what is for nobody else.
        assert_eq!(queued, [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (4, 4)]);
    }

    async fn an_edited_channel_gets_nothing(database: Database) {
        let world = World::new(&database).await;
        let own = world.organization.id;
        written(&world, &email_channel(1, own)).await;
        world.sql("UPDATE notice_channel SET target = $1", args![r#"["thief@example.com"]"#]).await;
        world.store.raise_notices(vec![notice(1, Some(own), "unused")]).await.expect("raised");
        assert_eq!(claims(&world, NOW).await, []);
    }

    async fn a_delivery_is_one_process_s_until_its_claim_ends(database: Database) {
        let world = World::new(&database).await;
        let own = world.organization.id;
        let channel = email_channel(1, own);
        written(&world, &channel).await;
        world.store.raise_notices(vec![notice(1, Some(own), "unused")]).await.expect("raised");
        let before = Instant::from_millis(NOW.millis() - 1);
        assert_eq!(claims(&world, before).await, [], "it is not due");
        let races = (0..8).map(|_| {
            let store = world.store.clone();
            tokio::spawn(async move { store.claim_deliveries(NOW, LEASE, 10, 10).await.expect("claimed") })
        });
        let mut won = Vec::new();
        for race in races.collect::<Vec<_>>() {
            won.extend(race.await.expect("it ended"));
        }
        assert_eq!(won.len(), 1);
        let first = won.remove(0);
        assert_eq!((first.tries, &first.channel), (1, &Some(Found::Good(channel.clone()))));
        assert_eq!(first.notice.as_ref().map(|notice| notice.kind.as_str()), Some("unused"));
        assert_eq!(claims(&world, after(59)).await, [], "it is claimed");
        // Whoever had it is gone; another takes it over, and the first comes back too late.
        let second = claims(&world, after(60)).await.remove(0);
        assert_eq!(second.tries, 2);
        let end = |claim: Claim, state, at| {
            let store = world.store.clone();
            async move { store.end_try(&claim, tried(state, at, None)).await.expect("ended") }
        };
        assert!(!end(first, State::Delivered, after(61)).await);
        assert!(end(second.clone(), State::Pending, after(62)).await);
        assert!(!end(second, State::Delivered, after(62)).await);
        assert_eq!(claims(&world, after(71)).await, [], "it is due ten seconds after the try");
        let third = claims(&world, after(72)).await.remove(0);
        assert!(end(third, State::Delivered, after(73)).await);
        assert_eq!(claims(&world, after(100_000)).await, []);
        let id = channel.id;
        let page = world.view(move |view| view.deliveries_page(id, None, 10)).await;
        assert_eq!((page[0].state, page[0].tries, page[0].tried_at, page[0].outcome.as_str()), (State::Delivered, 3, Some(after(73)), "so"));
        assert_eq!(world.store.purge_deliveries(after(1), 10).await.expect("purged"), 1);
    }

    async fn a_channel_that_hangs_leaves_room_for_others(database: Database) {
        let world = World::new(&database).await;
        let own = world.organization.id;
        written(&world, &email_channel(1, own)).await;
        let many: Vec<Notice> = (1..=20).map(|number| notice(number, Some(own), "expires_soon")).collect();
        world.store.raise_notices(many).await.expect("raised");
        written(&world, &email_channel(2, own)).await;
        let late = Notice { created_at: after(5), ..notice(30, Some(own), "unused") };
        world.store.raise_notices(vec![late]).await.expect("raised");
        let claimed = world.store.claim_deliveries(after(5), LEASE, 4, 2).await.expect("claimed");
        let channels: Vec<u8> = claimed.iter().map(|claim| claim.channel_id.as_bytes()[0]).collect();
        assert_eq!(channels, [1, 2, 1]);
    }

    async fn a_channel_that_fails_is_told_of_once_until_it_works(database: Database) {
        let world = World::new(&database).await;
        let own = world.organization.id;
        let (failing, channel) = (email_channel(1, own), email_channel(1, own).id);
        written(&world, &failing).await;
        written(&world, &email_channel(2, own)).await;
        let fails = async |number: u8, at: Instant, works: bool| {
            world.store.raise_notices(vec![Notice { created_at: at, ..notice(number, Some(own), "unused") }]).await.expect("raised");
            for claim in claims(&world, at).await {
                let works = works || claim.channel_id != channel;
                world.store.end_try(&claim, tried(State::Failed, at, Some(works))).await.expect("ended");
            }
        };
        fails(1, NOW, false).await;
        fails(2, after(9), false).await;
        let since = world.view(move |view| view.failing_since(channel)).await;
        assert_eq!(since, Some(NOW));
        let long = NOW + FAILING_AFTER;
        let found = |before| world.view(move |view| view.failing_channels(before, 10));
        assert_eq!(found(Instant::from_millis(NOW.millis() - 1)).await, []);
        assert_eq!(found(NOW).await, [(channel, NOW)]);
        let told = async |number| {
            let about = Subject { kind: SubjectKind::NoticeChannel, id: channel.to_string() };
            let notice = Notice { created_at: long, subject: about, ..notice(number, None, "channel_failing") };
            world.store.tell_of_failing(channel, NOW, notice).await.expect("told")
        };
        assert!(told(50).await);
        assert!(!told(51).await);
        assert_eq!(found(NOW).await, []);
        // The other channel gets it, the one it is about does not.
        let going: Vec<u8> = claims(&world, long).await.iter().map(|claim| claim.channel_id.as_bytes()[0]).collect();
        assert_eq!(going, [2]);
        fails(3, after(20), true).await;
        assert_eq!(world.view(move |view| view.failing_since(channel)).await, None);
    }
}
