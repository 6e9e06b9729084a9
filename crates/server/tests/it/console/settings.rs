//! `/console/settings` and `/console/settings/channels`

use std::sync::{Arc, Mutex};

use authority::Caller;
use authority::notices::courier::{Courier, Errand, Outcome, Parcel, Receiver};
use credential::key::Kind;

use super::{CORPUS, Console, is_inert, made};

const PAGE: &str = "/console/settings";
const REACH: &str = "/console/settings/reach";
const CHANNELS: &str = "/console/settings/channels";
const NEW: &str = "/console/settings/channels/new";

const POLICY: [(&str, &str); 4] = [
    ("soon", "14 days"),
    ("very_soon", "36 hours"),
    ("refresh", "5"),
    ("unused", ""),
];

/// Carries nothing anywhere, and says how that went.
#[derive(Default)]
struct Hands(Mutex<Vec<Parcel>>);

impl Courier for Hands {
    fn admits<'a>(&'a self, receiver: &'a Receiver) -> Errand<'a, Result<(), String>> {
        let refused =
            matches!(receiver, Receiver::Webhook { url, .. } if url.as_str().contains("refused"));
        Box::pin(async move {
            match refused {
                true => Err("nothing is sent there".to_owned()),
                false => Ok(()),
            }
        })
    }

    fn send<'a>(&'a self, parcel: &'a Parcel) -> Errand<'a, Outcome> {
        let arrived = matches!(parcel.receiver, Receiver::Email(_));
        self.0.lock().unwrap().push(parcel.clone());
        Box::pin(async move {
            let words = "it said so".to_owned();
            match arrived {
                true => Outcome::Delivered { words },
                false => Outcome::Unreachable { words },
            }
        })
    }
}

/// The word under which the form of a page is answered once.
fn once(body: &str) -> String {
    let (_, rest) = body.split_once("name=\"once\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

testkit::on_each_engine! {
    async fn when_people_are_told_of_keys_is_chosen(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let first = ada.get(PAGE).await;
        for text in ["value=\"7 days\"", "value=\"1 day\"", "value=\"90 days\"", "name=\"version\" value=\"0\""] {
            assert!(first.body.contains(text), "{text}: {first:?}");
        }
        let mut form = vec![("version", "0")];
        form.extend(POLICY);
        let saved = ada.done(PAGE, &form).await;
        for text in ["The changes are saved", "value=\"14 days\"", "value=\"36 hours\"", "name=\"version\" value=\"1\""] {
            assert!(saved.body.contains(text), "{text}: {saved:?}");
        }
        let shell = Caller::shell(console.own);
        let kept = console.house.authority.organization_settings(&shell, console.own).await.unwrap();
        assert_eq!((kept.notices.unused, kept.notices.refresh_divisor), (None, 5));
        let stale = ada.post(PAGE, &form).await;
        assert_eq!(stale.status, 409, "{stale:?}");
        for (field, typed, why) in [
            ("soon", "a week", "First: a number and a unit"),
            ("very_soon", "7", "Again: a number and a unit"),
            ("refresh", "0", "Refresh: a whole number from 1"),
            ("unused", "long", "Not used for: a number and a unit"),
        ] {
            let answer = ada.post(PAGE, &[&form[1..], &[("version", "1")]].concat().into_iter().map(|(name, value)| (name, if name == field { typed } else { value })).collect::<Vec<_>>()).await;
            assert_eq!(answer.status, 422, "{answer:?}");
            assert!(answer.body.contains(&format!("href=\"#f-{field}\"")) && answer.body.contains(why), "{answer:?}");
        }
        let long = ada.post(PAGE, &[("version", "1"), ("soon", "800 days"), ("very_soon", "1 day"), ("refresh", "6")]).await;
        assert_eq!(long.status, 422, "{long:?}");
        assert!(long.body.contains("at most 732 days"), "{long:?}");
        for text in CORPUS {
            is_inert(&ada.post(PAGE, &[("soon", text), ("very_soon", text), ("refresh", text), ("unused", text)]).await, text);
        }
    }

    async fn who_would_lose_access_is_shown_before_the_switch_is_turned(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let off = ada.get(PAGE).await;
        assert!(off.body.contains("Enable scope-based access control") && off.body.contains(">Off</span>"), "{off:?}");
        let none = ada.get(REACH).await;
        assert!(none.body.contains("Nobody loses access"), "{none:?}");
        console.house.key(console.own, "sample", Kind::Static, "Nightly", &["sample.orders:read"]).await;
        let asked = ada.get(REACH).await;
        let kinds = console.house.authority.world().products().iter().find(|known| known.name.as_str() == "sample").unwrap().reach_kinds.len();
        assert_eq!(asked.body.contains("Nightly") && asked.body.contains("Who would lose access"), kinds > 0, "{asked:?}");
        let on = ada.done(REACH, &[("version", "0"), ("enforce", "on")]).await;
        assert!(on.body.contains("Scope-based access control is on") && on.body.contains(">On</span>"), "{on:?}");
        assert!(console.house.authority.world().enforces_reach(console.own));
        let stale = ada.post(REACH, &[("version", "0"), ("enforce", "off")]).await;
        assert_eq!(stale.status, 409, "{stale:?}");
        let back = ada.get(REACH).await;
        assert!(back.body.contains("only roles and scopes decide"), "{back:?}");
        ada.done(REACH, &[("version", "1"), ("enforce", "off")]).await;
        assert!(!console.house.authority.world().enforces_reach(console.own));
        assert_eq!(ada.post(REACH, &[("enforce", "perhaps")]).await.status, 400);
    }

    async fn settings_are_changed_by_those_who_may(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        ada.is_guarded(PAGE, &POLICY).await;
        ada.is_guarded(REACH, &[("enforce", "on")]).await;
        ada.is_guarded(NEW, &[("name", "Team")]).await;
        let nobody = console.browser("fay@example.org", &[]).await;
        for page in [PAGE, REACH, CHANNELS, NEW] {
            assert_eq!(nobody.get(page).await.status, 403, "{page}");
        }
        let eve = console.browser("eve@example.org", &["Viewer"]).await;
        let shown = eve.get(PAGE).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        assert!(shown.body.contains("7 days") && !shown.body.contains(REACH) && !shown.body.contains("action=\"/console/settings\""), "{shown:?}");
        for (path, form) in [(PAGE, &POLICY[..]), (REACH, &[("enforce", "on")]), (NEW, &[("name", "Team")])] {
            assert_eq!(eve.post(path, form).await.status, 403, "{path}");
        }
        eve.is_refused(CHANNELS, NEW, &[]).await;
    }

    async fn a_webhook_is_made_and_its_secret_is_shown_once(database: testkit::Database) {
        let console = Console::open(&database).await;
        console.house.authority.appoint(Arc::new(Hands::default()));
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let word = once(&ada.get(NEW).await.body);
        let form = [("once", word.as_str()), ("name", "Pager"), ("way", "webhook"), ("url", "https://hooks.example.com/pager"), ("notice_kinds", "unused")];
        let shown = ada.post(NEW, &form).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        assert!(shown.body.contains("value=\"whsec_") && shown.body.contains("cannot be shown again"), "{shown:?}");
        let again = ada.post(NEW, &form).await;
        assert!(again.body.contains("This secret was shown once") && !again.body.contains("whsec_"), "{again:?}");
        let list = ada.get(CHANNELS).await;
        assert!(list.body.contains("Pager") && list.body.contains("https://hooks.example.com/pager") && list.body.matches("Webhook").count() == 1, "{list:?}");
        let (_, link) = list.body.split_once("href=\"/console/settings/channels/0").unwrap();
        let page = format!("{CHANNELS}/0{}", link.split('"').next().unwrap());
        let one = ada.get(&page).await;
        assert!(one.body.contains("A key has not been used for long") && one.body.contains("Nothing went out over it yet"), "{one:?}");
        assert!(!one.body.contains("whsec_"), "{one:?}");
        let failed = ada.post(&format!("{page}/test"), &[]).await;
        assert!(failed.body.contains("The test message did not arrive") && failed.body.contains("it said so"), "{failed:?}");
        let word = once(&ada.get(&format!("{page}/secret")).await.body);
        let fresh = ada.post(&format!("{page}/secret"), &[("once", &word)]).await;
        assert!(fresh.body.contains("value=\"whsec_"), "{fresh:?}");
        let both = ada.get(&page).await;
        assert!(both.body.contains("The secret before signs too until"), "{both:?}");
    }

    async fn a_channel_by_email_is_tested_turned_off_and_removed(database: testkit::Database) {
        let console = Console::open(&database).await;
        let hands = Arc::new(Hands::default());
        console.house.authority.appoint(hands.clone());
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let word = once(&ada.get(NEW).await.body);
        let form = [("once", word.as_str()), ("name", "Team"), ("way", "email"), ("recipients", "one@example.org\r\n\r\ntwo@example.org")];
        let id = made(&ada.post(NEW, &form).await);
        let page = format!("{CHANNELS}/{id}");
        let one = ada.get(&page).await;
        assert!(one.body.contains("one@example.org, two@example.org") && one.body.contains("Every one"), "{one:?}");
        assert!(!one.body.contains(&format!("{page}/secret")), "{one:?}");
        assert_eq!(ada.get(&format!("{page}/secret")).await.status, 404);
        let tested = ada.post(&format!("{page}/test"), &[]).await;
        assert!(tested.body.contains("The test message arrived"), "{tested:?}");
        assert_eq!(hands.0.lock().unwrap().len(), 1);
        let off = ada.done(&format!("{page}/turn"), &[("active", "off")]).await;
        assert!(off.body.contains("The channel is off") && off.body.contains("Turn on"), "{off:?}");
        let on = ada.done(&format!("{page}/turn"), &[("active", "on")]).await;
        assert!(on.body.contains("The channel is on again"), "{on:?}");
        let mistyped = ada.post(&format!("{page}/remove"), &[("name", "team")]).await;
        assert_eq!(mistyped.status, 422, "{mistyped:?}");
        let eve = console.browser("eve@example.org", &["Viewer"]).await;
        let zoe = console.browser_in(console.other, "zoe@example.org", &["Administrator"]).await;
        for act in ["test", "turn", "secret", "remove"] {
            let path = format!("{page}/{act}");
            let form = [("active", "off"), ("name", "Team"), ("once", "x")];
            eve.is_refused(&page, &path, &form).await;
            ada.is_guarded(&path, &form).await;
            assert_eq!(zoe.post(&path, &form).await.status, 404, "{act}");
        }
        let removed = ada.done(&format!("{page}/remove"), &[("name", "Team")]).await;
        assert!(removed.body.contains("The channel is removed") && removed.body.contains("No channels yet"), "{removed:?}");
        assert_eq!(ada.get(&page).await.status, 404);
    }

    async fn what_is_wrong_with_a_channel_stands_at_its_field(database: testkit::Database) {
        let console = Console::open(&database).await;
        console.house.authority.appoint(Arc::new(Hands::default()));
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        for (name, way, recipients, url, kind, field) in [
            ("", "email", "one@example.org", "", "unused", "name"),
            ("Team", "", "one@example.org", "", "unused", "way"),
            ("Team", "email", "nobody", "", "unused", "recipients"),
            ("Team", "email", "", "", "unused", "recipients"),
            ("Team", "webhook", "", "nonsense", "unused", "url"),
            ("Team", "webhook", "", "https://refused.example.com/", "unused", "url"),
            ("Team", "email", "one@example.org", "", "nonsense", "notice_kinds"),
        ] {
            let word = once(&ada.get(NEW).await.body);
            let form = [("once", word.as_str()), ("name", name), ("way", way), ("recipients", recipients), ("url", url), ("notice_kinds", kind)];
            let answer = ada.post(NEW, &form).await;
            assert_eq!(answer.status, 422, "{field}: {answer:?}");
            assert!(answer.body.contains(&format!("href=\"#f-{field}\"")), "{field}: {answer:?}");
        }
        for text in CORPUS {
            let form = [("once", "x"), ("name", text), ("way", text), ("recipients", text), ("url", text)];
            is_inert(&ada.post(NEW, &form).await, text);
            let word = once(&ada.get(NEW).await.body);
            let form = [("once", word.as_str()), ("name", text), ("way", "email"), ("recipients", "one@example.org")];
            let id = made(&ada.post(NEW, &form).await);
            is_inert(&ada.get(&format!("{CHANNELS}/{id}")).await, text);
            is_inert(&ada.get(&format!("{CHANNELS}/{id}/remove")).await, text);
            is_inert(&ada.get(CHANNELS).await, text);
        }
    }
}
