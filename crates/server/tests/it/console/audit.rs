//! `/console/audit`

use credential::key::Kind;

use super::{CORPUS, Console, is_inert};

const PAGE: &str = "/console/audit";
const ORDERS: &str = "sample.orders:read";

testkit::on_each_engine! {
    async fn a_record_tells_who_did_what_to_what_from_where(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let key = console.house.key(console.own, "sample", Kind::Static, "Nightly", &[ORDERS]).await.key.id;
        let done = ada.post(&format!("/console/keys/{key}/disable"), &[]).await;
        assert_eq!(done.status, 303, "{done:?}");
        let shown = ada.get(PAGE).await;
        for text in ["key.disabled", "key.created", &format!("href=\"/console/keys/{key}\""), "user ada</a>", "The server"] {
            assert!(shown.body.contains(text), "{text}: {shown:?}");
        }
        let disabled = ada.get("/console/audit?action=key.disabled").await;
        assert!(disabled.body.contains("1 shown") && !disabled.body.contains("<th scope=\"row\">key.created"), "{disabled:?}");
        let (_, link) = disabled.body.split_once("href=\"/console/people/").unwrap();
        let actor = link.split('"').next().unwrap();
        let of_actor = ada.get(&format!("/console/audit?actor_id={actor}&subject_kind=key")).await;
        assert!(of_actor.body.contains("1 shown"), "{of_actor:?}");
        let of_key = ada.get(&format!("/console/audit?subject_id={key}")).await;
        assert!(of_key.body.contains("2 shown"), "{of_key:?}");
        let later = ada.get("/console/audit?from=2099-01-01T00:00").await;
        assert!(later.body.contains("No records match"), "{later:?}");
        let earlier = ada.get("/console/audit?before=2099-01-01T00:00").await;
        assert!(earlier.body.contains("key.disabled"), "{earlier:?}");
    }

    async fn the_trail_is_read_page_by_page(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        for number in 0..60 {
            console.house.key(console.own, "sample", Kind::Static, &format!("Key {number}"), &[ORDERS]).await;
        }
        let first = ada.get("/console/audit?action=key.created").await;
        assert!(first.body.contains("50 shown"), "{first:?}");
        let (before, _) = first.body.split_once("\" rel=\"next\"").unwrap();
        let next = before.rsplit("href=\"").next().unwrap().replace("&amp;", "&");
        let second = ada.get(&next).await;
        assert!(second.body.contains("10 shown") && second.body.contains("To the beginning"), "{second:?}");
    }

    async fn what_is_wrong_with_a_filter_is_said(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        for (name, why) in [("action", "Action: choose"), ("subject_kind", "Done to: choose"), ("from", "From: a date"), ("before", "Before: a date")] {
            let answer = ada.get(&format!("{PAGE}?{name}=nonsense")).await;
            assert_eq!(answer.status, 422, "{answer:?}");
            assert!(answer.body.contains(why), "{answer:?}");
            let answer = ada.post("/console/audit/export", &[(name, "nonsense")]).await;
            assert_eq!(answer.status, 400, "{answer:?}");
        }
        for text in CORPUS {
            let path: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            is_inert(&ada.get(&format!("{PAGE}?actor_id={path}&subject_id={path}")).await, text);
        }
    }

    async fn the_chain_is_verified_and_says_what_it_found(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let good = ada.post("/console/audit/verify", &[]).await;
        assert_eq!(good.status, 200, "{good:?}");
        assert!(good.body.contains("Nothing is wrong") && good.body.contains("Records looked at"), "{good:?}");
        ada.is_guarded("/console/audit/verify", &[]).await;
        let forge = "UPDATE audit SET detail = '{\"forged\":true}' WHERE action = 'user.created'";
        let store = console.house.authority.store();
        store.db().write(move |tx| tx.execute(forge, &[])).await.unwrap();
        let bad = ada.post("/console/audit/verify", &[]).await;
        assert!(bad.body.contains("The trail is broken"), "{bad:?}");
    }

    async fn the_trail_is_taken_along_as_lines_of_json(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        console.house.key(console.own, "sample", Kind::Static, "Nightly", &[ORDERS]).await;
        console.house.key(console.other, "sample", Kind::Static, "Elsewhere", &[ORDERS]).await;
        let taken = ada.post("/console/audit/export", &[("action", "key.created")]).await;
        assert_eq!(taken.status, 200, "{taken:?}");
        assert_eq!(taken.header("content-disposition"), Some("attachment; filename=\"audit.jsonl\""));
        assert_eq!(taken.header("cache-control"), Some("no-store"));
        let lines: Vec<serde_json::Value> = taken.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let events = lines.iter().filter(|line| line.to_string().contains("key.created")).count();
        assert_eq!(events, 1, "{lines:?}");
        let whole = ada.post("/console/audit/export", &[("show", "server")]).await;
        assert_eq!(whole.body.lines().filter(|line| line.contains("\"key.created\"")).count(), 2, "{whole:?}");
        ada.is_guarded("/console/audit/export", &[]).await;
    }

    async fn an_organization_sees_its_own_records_and_verifies_nothing(database: testkit::Database) {
        let console = Console::open(&database).await;
        let key = console.house.key(console.own, "sample", Kind::Static, "Nightly", &[ORDERS]).await.key.id.to_string();
        let zoe = console.browser_in(console.other, "zoe@example.org", &["Administrator"]).await;
        for page in [PAGE, "/console/audit?show=server"] {
            let shown = zoe.get(page).await;
            assert_eq!(shown.status, 200, "{shown:?}");
            assert!(!shown.body.contains(&key) && shown.body.contains("user.created"), "{shown:?}");
        }
        zoe.is_refused(PAGE, "/console/audit/verify", &[]).await;
        let taken = zoe.post("/console/audit/export", &[("show", "server")]).await;
        assert!(!taken.body.contains(&key), "{taken:?}");
        let nobody = console.browser("fay@example.org", &[]).await;
        assert_eq!(nobody.get(PAGE).await.status, 403);
        assert_eq!(nobody.post("/console/audit/export", &[]).await.status, 403);
    }
}
