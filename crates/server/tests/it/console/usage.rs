//! `/console/usage`

use credential::key::Kind;
use credential::time::Span;
use store::usage::HourlyUsage;

use super::{CORPUS, Console, is_inert};

const PAGE: &str = "/console/usage";
const ORDERS: &str = "sample.orders:read";

testkit::on_each_engine! {
    async fn the_use_of_a_key_is_drawn_by_the_hour_with_its_table_beside(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let key = console.house.key(console.own, "sample", Kind::Static, "Nightly", &[ORDERS]).await.key.id;
        let page = format!("{PAGE}?key={key}");
        let idle = ada.get(&page).await;
        assert!(idle.body.contains("It was not used in these seven days") && !idle.body.contains("<svg role"), "{idle:?}");
        let now = console.house.authority.now();
        let row = |hours: i64, outcome: &str, uses| HourlyUsage {
            key,
            hour: HourlyUsage::hour_of(now - Span::from_hours(hours)),
            route: "verify".to_owned(),
            outcome: outcome.to_owned(),
            uses,
        };
        let rows = vec![row(0, "VALID", 40), row(0, "EXPIRED", 10), row(5, "VALID", 25), row(200, "VALID", 7777)];
        console.house.authority.store().note_usage(vec![], rows).await.unwrap();
        let shown = ada.get(&page).await;
        for text in [
            "<rect class=\"allowed\" x=\"835\" y=\"32\" width=\"4\" height=\"128\"></rect>",
            "<rect class=\"refused\" x=\"835\" y=\"0\" width=\"4\" height=\"32\"></rect>",
            "<rect class=\"allowed\" x=\"810\" y=\"80\" width=\"4\" height=\"80\"></rect>",
            "The tallest is 50 uses",
            "The same as a table",
            "<td class=\"number\">40</td><td class=\"number\">10</td>",
            "<dt>Allowed</dt><dd>65</dd>",
            "<dt>Refused</dt><dd>10</dd>",
        ] {
            assert!(shown.body.contains(text), "{text}: {shown:?}");
        }
        assert!(!shown.body.contains("7777") && !shown.body.contains("style="), "{shown:?}");
    }

    async fn keys_are_listed_with_their_last_use(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        for number in 0..52 {
            console.house.key(console.own, "sample", Kind::Static, &format!("Key {number}"), &[ORDERS]).await;
        }
        let first = ada.get(PAGE).await;
        assert!(first.body.contains("50 shown") && first.body.contains("Never"), "{first:?}");
        let (before, _) = first.body.split_once("\" rel=\"next\"").unwrap();
        let next = before.rsplit("href=\"").next().unwrap().replace("&amp;", "&");
        assert!(ada.get(&next).await.body.contains("2 shown"));
        let one = ada.get(&format!("{PAGE}?search=KEY%2051")).await;
        assert!(one.body.contains("1 shown"), "{one:?}");
        assert!(ada.get(&format!("{PAGE}?search=nothing")).await.body.contains("No keys match"));
    }

    async fn usage_is_shown_to_those_who_may_see_the_key(database: testkit::Database) {
        let console = Console::open(&database).await;
        let key = console.house.key(console.own, "sample", Kind::Static, "Nightly", &[ORDERS]).await.key.id;
        let zoe = console.browser_in(console.other, "zoe@example.org", &["Administrator"]).await;
        assert!(!zoe.get(PAGE).await.body.contains("Nightly"));
        assert_eq!(zoe.get(&format!("{PAGE}?key={key}")).await.status, 404);
        assert_eq!(zoe.get(&format!("{PAGE}?key=nonsense")).await.status, 404);
        let nobody = console.browser("fay@example.org", &[]).await;
        assert_eq!(nobody.get(PAGE).await.status, 403);
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        for text in CORPUS {
            let id = console.house.key(console.own, "sample", Kind::Static, text, &[ORDERS]).await.key.id;
            is_inert(&ada.get(PAGE).await, text);
            is_inert(&ada.get(&format!("{PAGE}?key={id}")).await, text);
        }
    }
}
