//! What people are told, and how often.

use std::collections::BTreeMap;

use authority::jobs::Job;
use authority::keys::{EditKey, Expiry, Shown};
use authority::notices::NoticeFilter;
use authority::{Authority, Refusal};
use credential::id::NoticeId;
use credential::key::{ExpiryChange, Kind};
use credential::organization::OrganizationKind;
use credential::time::Span;

use crate::people::{ADMINISTRATOR, VERIFIER, organization, person, refused};
use crate::post::{Post, opened, webhook};
use crate::rig::{Rig, ask, authority_on, follow_until};

const READ: &str = "sample.orders:read";

async fn told(rig: &Rig) -> Vec<String> {
    let page = rig
        .authority
        .notices(&rig.shell(), NoticeFilter::default(), None, 100)
        .await
        .unwrap();
    let mut kinds: Vec<String> = page.into_iter().map(|notice| notice.kind).collect();
    kinds.sort();
    kinds
}

async fn scan(rig: &Rig, authority: &Authority) {
    let mut place = None;
    loop {
        place = authority.raise_due_notices(place).await.unwrap();
        if place.is_none() {
            break;
        }
    }
    rig.authority.poll().await.unwrap();
}

/// Restarts of the long test, one after the other; and the time between two.
const RESTARTS: u64 = 100;
const STEP: Span = Span::from_hours(15);

testkit::on_each_engine! {
    async fn three_replicas_and_a_hundred_restarts_tell_everything_once(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let begun = rig.now();
        let post = Post::new();
        rig.authority.appoint(post.clone());
        opened(&rig.authority, &rig.shell(), webhook("Hook", "https://example.com/")).await;
        let day = |number| begun + Span::from_days(number);
        let mut command = rig.command(Kind::Static, "ends", &[READ]);
        command.expiry = Expiry::At(day(30));
        let ends = rig.create_with(command).await.unwrap().key;
        let pair = rig.create(Kind::TokenPair, "pair", &[READ]).await.key;

        let mut replicas: Vec<Authority> = vec![rig.authority.clone()];
        for seed in [1001, 1002] {
            replicas.push(authority_on(&database, rig.clock.clone(), seed).await);
        }
        // The instant of the step at which each notice was first seen.
        let mut seen: BTreeMap<(String, String, i64), i64> = BTreeMap::new();
        for restart in 0..RESTARTS {
            // Each of the three in its turn ends, and another takes its place.
            let place = restart as usize % replicas.len();
            replicas[place].close().await.unwrap();
            replicas[place] = authority_on(&database, rig.clock.clone(), restart).await;
            rig.clock.fetch_add(STEP.millis(), std::sync::atomic::Ordering::SeqCst);
            for replica in &replicas {
                replica.appoint(post.clone());
                replica.poll().await.unwrap();
            }
            let [one, two, three] = &replicas[..] else { panic!("three replicas") };
            let told = tokio::join!(one.run_job(Job::Notices), two.run_job(Job::Notices), three.run_job(Job::Notices));
            assert!(told.0.is_ok() && told.1.is_ok() && told.2.is_ok());
            let sent = tokio::join!(one.run_job(Job::Deliveries), two.run_job(Job::Deliveries), three.run_job(Job::Deliveries));
            assert!(sent.0.is_ok() && sent.1.is_ok() && sent.2.is_ok());
            for parcel in post.taken() {
                let notice = parcel.notice;
                let about: serde_json::Value = serde_json::from_str(&notice.body).unwrap();
                let told = (notice.kind, notice.subject.id, about["about_ms"].as_i64().unwrap());
                let before = seen.insert(told.clone(), rig.now().millis());
                assert_eq!(before, None, "{told:?} went out twice");
            }
            // The key is given another month, once: its new end is told again.
            if rig.now() >= day(29) + Span::from_hours(6) && seen.len() == 2 {
                let edit = EditKey { expiry: Some(ExpiryChange::At(day(60))), ..EditKey::default() };
                let shell = rig.shell();
                let moved = one.edit_key(&shell, ends.id, edit, None);
                follow_until(two, follow_until(three, moved)).await.unwrap();
                seen.insert(("moved".to_owned(), String::new(), 0), rig.now().millis());
            }
        }
        let last = &replicas[0];
        let page = last.notices(&rig.shell(), NoticeFilter::default(), None, 100).await.unwrap();
        assert!(seen.remove(&("moved".to_owned(), String::new(), 0)).is_some());
        assert_eq!(page.len(), seen.len(), "each stands in the list once, as it went out once: {page:#?}");
        let expected = [
            ("expires_soon", &ends, day(30), day(23)),
            ("expires_soon", &ends, day(60), day(53)),
            ("expires_very_soon", &ends, day(30), day(29)),
            ("expires_very_soon", &ends, day(60), day(59)),
            ("refresh_due", &pair, day(60), day(50)),
            ("refresh_lapsed", &pair, day(60), day(60)),
        ];
        assert_eq!(seen.len(), expected.len(), "{seen:#?}");
        for (kind, key, about, due) in expected {
            let at = seen[&(kind.to_owned(), key.id.to_string(), about.millis())];
            let late = at - due.millis();
            assert!((0..STEP.millis()).contains(&late), "{kind} about {about:?} came {late} ms after it was due");
        }
    }

    async fn an_end_is_told_a_week_and_a_day_before_once(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let other = rig.another(&database).await;
        let mut command = rig.command(Kind::Static, "ends", &[READ]);
        command.expiry = Expiry::At(rig.now() + Span::from_days(30));
        follow_until(&other, rig.create_with(command)).await.unwrap();
        scan(&rig, &rig.authority).await;
        assert_eq!(told(&rig).await, Vec::<String>::new());
        rig.pass(Span::from_days(23)).await;
        // Two replicas notice it, twice each.
        for authority in [&rig.authority, &other, &rig.authority, &other] {
            scan(&rig, authority).await;
        }
        assert_eq!(told(&rig).await, ["expires_soon"]);
        rig.pass(Span::from_days(6)).await;
        scan(&rig, &rig.authority).await;
        assert_eq!(told(&rig).await, ["expires_soon", "expires_very_soon"]);
        rig.pass(Span::from_days(1)).await;
        scan(&rig, &rig.authority).await;
        assert_eq!(told(&rig).await.len(), 2);
    }

    async fn a_refresh_that_is_due_and_a_key_nobody_uses_are_told(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        rig.create(Kind::TokenPair, "pair", &[READ]).await;
        rig.pass(Span::from_days(50)).await;
        scan(&rig, &rig.authority).await;
        assert_eq!(told(&rig).await, ["refresh_due"]);
        rig.pass(Span::from_days(40)).await;
        scan(&rig, &rig.authority).await;
        assert_eq!(told(&rig).await, ["refresh_due", "refresh_lapsed", "unused"]);
    }

    async fn a_notice_is_read_once_and_by_those_it_is_for(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let other = organization(&rig, "Other", OrganizationKind::Standalone).await;
        rig.create(Kind::Static, "old", &[READ]).await;
        rig.pass(Span::from_days(90)).await;
        scan(&rig, &rig.authority).await;
        let (ada, admin) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let (_, stranger) = person(&rig, "cy@example.com", other.id, &[ADMINISTRATOR]).await;
        let (_, verifier) = person(&rig, "vi@example.com", rig.organization, &[VERIFIER]).await;
        let unread = NoticeFilter { unread: true, ..NoticeFilter::default() };
        let page = rig.authority.notices(&admin, unread.clone(), None, 10).await.unwrap();
        let id = page[0].id;
        for caller in [&stranger, &verifier] {
            for id in [id, NoticeId::from_bytes([9; 16])] {
                assert_eq!(refused(rig.authority.read_notice(caller, id).await), Refusal::NotFound("notice"));
            }
        }
        let read = rig.authority.read_notice(&admin, id).await.unwrap();
        assert_eq!(read.read, Some((rig.now(), format!("user:{}", ada.id))));
        rig.pass(Span::from_secs(1)).await;
        assert_eq!(rig.authority.read_notice(&rig.shell(), id).await.unwrap(), read);
        assert!(rig.authority.notices(&admin, unread, None, 10).await.unwrap().is_empty());
        let everywhere = NoticeFilter { everywhere: true, ..NoticeFilter::default() };
        assert!(matches!(refused(rig.authority.notices(&stranger, everywhere.clone(), None, 10).await), Refusal::Ceiling(_)));
        assert_eq!(rig.authority.notices(&admin, everywhere, None, 10).await.unwrap().len(), 1);
    }

    async fn a_refresh_token_that_came_back_is_told_once(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let pair = rig.create(Kind::TokenPair, "pair", &[READ]).await;
        let Shown::TokenPair { refresh_token, .. } = &pair.shown else { panic!("a pair") };
        let refresh = async |token: &str| rig.authority.refresh(token, None, None).await.unwrap().ok();
        let next = refresh(refresh_token.expose()).await.unwrap();
        let Shown::TokenPair { access_token, .. } = &next.shown else { panic!("a pair") };
        assert_eq!(ask(&rig.authority, access_token.expose(), &[READ]).await, Ok(()));
        rig.pass(Span::from_secs(61)).await;
        for _ in 0..3 {
            assert!(refresh(refresh_token.expose()).await.is_none());
        }
        assert_eq!(told(&rig).await, ["refresh_reused"]);
    }
}
