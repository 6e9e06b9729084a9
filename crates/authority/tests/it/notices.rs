//! What people are told, and how often.

use authority::Refusal;
use authority::keys::Shown;
use authority::notices::NoticeFilter;
use credential::id::NoticeId;
use credential::key::Kind;
use credential::organization::OrganizationKind;
use credential::time::Span;

use crate::people::{ADMINISTRATOR, VERIFIER, organization, person, refused};
use crate::rig::{Rig, ask, follow_until};

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

async fn scan(rig: &Rig, authority: &authority::Authority) {
    let mut place = None;
    loop {
        place = authority.raise_due_notices(place).await.unwrap();
        if place.is_none() {
            break;
        }
    }
    rig.authority.poll().await.unwrap();
}

testkit::on_each_engine! {
    async fn an_end_is_told_a_week_and_a_day_before_once(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let other = rig.another(&database).await;
        let mut command = rig.command(Kind::Static, "ends", &[READ]);
        command.expiry = authority::keys::Expiry::At(rig.now() + Span::from_days(30));
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
