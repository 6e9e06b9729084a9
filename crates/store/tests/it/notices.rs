//! Notices.

use credential::event::{Subject, SubjectKind};
use credential::id::{NoticeId, OrganizationId};
use store::notices::Notice;
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

fn notice(number: u8, organization: Option<OrganizationId>, once: &str) -> Notice {
    Notice {
        id: NoticeId::from_bytes([number; 16]),
        organization,
        once: once.to_owned(),
        kind: "expires_soon".to_owned(),
        subject: Subject {
            kind: SubjectKind::Key,
            id: "k".to_owned(),
        },
        body: "{}".to_owned(),
        created_at: NOW,
        read: None,
    }
}

on_each_engine! {
    async fn a_notice_is_told_once_and_read_once(database: Database) {
        let world = World::new(&database).await;
        let own = Some(world.organization.id);
        let (one, two, server) = (notice(1, own, "a"), notice(2, own, "b"), notice(3, None, "c"));
        let all = vec![one.clone(), two.clone(), server.clone(), notice(4, own, "a")];
        assert_eq!(world.store.raise_notices(all).await.expect("raised"), 3);
        let again = notice(5, own, "b");
        assert!(!world.change(move |change| change.raise_notice(&again)).await.value);
        let page = world.view(move |view| view.notices_page(own, false, None, 10)).await;
        assert_eq!(page, vec![two.clone(), one.clone()]);
        assert_eq!(world.view(|view| view.notices_page(None, false, None, 10)).await.len(), 3);
        let before = two.id;
        assert_eq!(world.view(move |view| view.notices_page(own, false, Some(before), 10)).await, vec![one.clone()]);
        let id = one.id;
        assert!(world.change(move |change| change.read_notice(id, "user:1")).await.value);
        assert!(!world.change(move |change| change.read_notice(id, "user:2")).await.value);
        let read = Notice { read: Some((NOW, "user:1".to_owned())), ..one };
        assert_eq!(world.view(move |view| view.notice(id)).await, Some(read));
        assert_eq!(world.view(move |view| view.notices_page(own, true, None, 10)).await, vec![two]);
        assert_eq!(world.store.purge_notices(after(1), 2).await.expect("purged"), 2);
        assert_eq!(world.view(|view| view.notices_page(None, false, None, 10)).await, vec![server]);
    }
}
