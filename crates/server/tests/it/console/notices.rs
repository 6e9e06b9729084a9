//! `/console/notices`

use authority::Caller;
use authority::organizations::OrganizationSettings;
use credential::id::OrganizationId;
use credential::key::Kind;
use credential::notice::Policy;
use credential::time::Span;

use super::{CORPUS, Console, is_inert};

const PAGE: &str = "/console/notices";
const ORDERS: &str = "sample.orders:read";

/// Raises a notice for each key: one that may not lie unused for a moment is told of at once.
async fn raised(console: &Console, organization: OrganizationId, names: &[&str]) {
    let shell = Caller::shell(organization);
    let authority = &console.house.authority;
    let policy = Policy {
        unused: Some(Span::from_secs(0)),
        ..Policy::default()
    };
    let set = authority.set_notice_policy(&shell, organization, policy, None);
    let _: OrganizationSettings = set.await.unwrap().value;
    for name in names {
        let key = console
            .house
            .key(organization, "sample", Kind::Static, name, &[ORDERS]);
        key.await;
    }
    authority.raise_due_notices(None).await.unwrap();
}

/// The path by which the first notice of a page is marked as read.
fn first(body: &str) -> String {
    let (_, rest) = body.split_once("action=\"/console/notices/").unwrap();
    format!("{PAGE}/{}", rest.split('"').next().unwrap())
}

testkit::on_each_engine! {
    async fn a_notice_is_a_sentence_with_a_way_to_its_key_until_somebody_read_it(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let none = ada.get(PAGE).await;
        assert!(none.body.contains("Nothing needs you") && none.body.contains(">Notices</a>"), "{none:?}");
        raised(&console, console.own, &["Nightly", "Weekly"]).await;
        let shown = ada.get(PAGE).await;
        assert!(shown.body.contains("<strong>Nightly</strong> has not been used for long.") && shown.body.contains("Notices (2)</a>"), "{shown:?}");
        let read = first(&shown.body);
        let (_, link) = shown.body.split_once("href=\"/console/keys/").unwrap();
        let key = ada.get(&format!("/console/keys/{}", link.split('"').next().unwrap())).await;
        assert_eq!(key.status, 200, "{key:?}");
        let after = ada.done(&read, &[]).await;
        assert!(after.body.contains("The notice is marked as read") && after.body.contains("Notices (1)</a>"), "{after:?}");
        assert!(!after.body.contains(&read), "{after:?}");
        let all = ada.done(&read, &[("show", "all")]).await;
        assert!(all.body.contains("Nightly") && all.body.contains("Weekly") && all.body.contains("by ada<"), "{all:?}");
        let overview = ada.get("/console").await;
        assert!(overview.body.contains("has not been used for long."), "{overview:?}");
    }

    async fn more_notices_than_a_page_holds_go_on_on_the_next(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let names: Vec<String> = (0..105).map(|number| format!("Key {number:03}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        raised(&console, console.own, &names).await;
        let mut page = ada.get(PAGE).await;
        assert!(page.body.contains("Notices (99+)</a>") && page.body.contains("50 shown"), "{page:?}");
        let mut seen = 0;
        loop {
            seen += page.body.matches("<strong>Key ").count();
            let Some((before, _)) = page.body.split_once("\" rel=\"next\"") else { break };
            let path = before.rsplit("href=\"").next().unwrap().replace("&amp;", "&");
            page = ada.get(&path).await;
            assert!(page.body.contains("To the beginning"), "{page:?}");
        }
        assert_eq!(seen, 105);
    }

    async fn notices_are_read_by_those_who_may_in_their_organization(database: testkit::Database) {
        let console = Console::open(&database).await;
        raised(&console, console.own, &["Nightly"]).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let read = first(&ada.get(PAGE).await.body);
        ada.is_guarded(&read, &[]).await;
        let eve = console.browser("eve@example.org", &["Viewer"]).await;
        eve.is_refused(PAGE, &read, &[]).await;
        assert!(eve.get(PAGE).await.body.contains("Nightly"));
        let zoe = console.browser_in(console.other, "zoe@example.org", &["Administrator"]).await;
        for page in [PAGE, "/console/notices?show=all", "/console/notices?show=server"] {
            assert!(!zoe.get(page).await.body.contains("Nightly"), "{page}");
        }
        assert!(ada.get("/console/notices?show=server").await.body.contains("Nightly"));
        assert_eq!(zoe.post(&read, &[]).await.status, 404);
        assert_eq!(zoe.post("/console/notices/nonsense/read", &[]).await.status, 404);
        let nobody = console.browser("fay@example.org", &[]).await;
        assert_eq!(nobody.get(PAGE).await.status, 403);
        assert!(!nobody.get("/console/profile").await.body.contains(PAGE));
    }

    async fn what_a_notice_is_about_is_never_markup(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        raised(&console, console.own, &CORPUS).await;
        let shown = ada.get(PAGE).await;
        for text in CORPUS {
            is_inert(&shown, text);
        }
    }
}
