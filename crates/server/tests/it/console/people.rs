//! `/console/people`

use super::{CORPUS, Console, is_inert, made};

const NEW: &str = "/console/people/new";

testkit::on_each_engine! {
    async fn a_member_is_added_given_a_password_and_signs_in(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let viewer = console.role("Viewer").await.to_string();
        let clerk = console.role("Order Clerk").await.to_string();
        let form = ada.get(NEW).await;
        assert!(form.body.contains("<legend>Sample API</legend>") && form.body.contains(&viewer), "{form:?}");
        let wish = [("name", "Grace Hopper"), ("email", "Grace@Example.org"), ("roles", &viewer), ("roles", &clerk)];
        let id = made(&ada.post(NEW, &wish).await);
        let page = ada.get(&format!("/console/people/{id}")).await;
        for text in ["Grace Hopper", "grace@example.org", "Viewer", "Order Clerk", "This member has no password"] {
            assert!(page.body.contains(text), "{text}: {page:?}");
        }
        let path = format!("/console/people/{id}/password");
        let set = ada.done(&path, &[("password", "test horses too"), ("again", "test horses too")]).await;
        assert!(set.body.contains("The password is set") && !set.body.contains("no password"), "{set:?}");
        let sign_in = [("email", "grace@example.org"), ("password", "test horses too")];
        assert_eq!(ada.send("/console/sign-in", &sign_in, "same-origin", "").await.status, 303);
        let gone = ada.done(&path, &[("take", "yes")]).await;
        assert!(gone.body.contains("The password is taken away"), "{gone:?}");
        assert_eq!(ada.send("/console/sign-in", &sign_in, "same-origin", "").await.status, 422);
    }

    async fn what_is_wrong_with_a_member_stands_at_its_field(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        for (name, email, field, why) in [
            ("", "b@example.org", "name", "The name must not be empty"),
            ("Bob", "bob", "email", "Not an e-mail address"),
            ("Bob", "ADA@example.org", "email", "This is taken by another user here"),
        ] {
            let answer = ada.post(NEW, &[("name", name), ("email", email)]).await;
            assert!([409, 422].contains(&answer.status), "{answer:?}");
            assert!(answer.body.contains(&format!("href=\"#f-{field}\"")) && answer.body.contains(why), "{answer:?}");
            assert!(answer.body.contains(&format!("value=\"{email}\"")), "{answer:?}");
        }
        let bob = console.member(console.own, "bob@example.org", &[]).await.id;
        let path = format!("/console/people/{bob}/password");
        for (password, again, why) in [
            ("short", "short", "Must have 12 to 256 characters"),
            ("test horses two", "test horses three", "The two are not the same"),
            ("bob@example.org", "bob@example.org", "Must not be the e-mail address itself"),
        ] {
            let answer = ada.post(&path, &[("password", password), ("again", again)]).await;
            assert_eq!(answer.status, 422, "{answer:?}");
            assert!(answer.body.contains(why), "{answer:?}");
            assert!(!answer.body.contains(&format!("value=\"{password}\"")), "a password is never shown: {answer:?}");
        }
    }

    async fn members_are_found_by_name_address_state_and_role(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let bob = console.member(console.own, "bob@example.org", &["Order Clerk"]).await.id;
        console.member(console.other, "bobby@example.org", &[]).await;
        assert!(ada.done(&format!("/console/people/{bob}/disable"), &[]).await.body.contains("The member is disabled"));
        let clerk = console.role("Order Clerk").await;
        for (query, found) in [
            ("search=BO", true), ("search=bob@example.org", true), ("search=ada", false), ("state=disabled", true),
            ("state=active", false), (&format!("role={clerk}"), true), ("search=bobby", false),
        ] {
            let list = ada.get(&format!("/console/people?{query}")).await;
            assert_eq!(list.body.contains(&bob.to_string()), found, "{query}: {list:?}");
            assert!(!list.body.contains("bobby@example.org"), "{list:?}");
        }
        assert!(ada.done(&format!("/console/people/{bob}/enable"), &[]).await.body.contains("enabled again"));
        for number in 0..51 {
            console.house.authority.create_user(&authority::Caller::shell(console.own), authority::users::CreateUser {
                organization: None,
                email: credential::organization::Email::new(&format!("m{number}@example.org")).unwrap(),
                name: credential::name::Name::new("Many").unwrap(),
                roles: Vec::new(),
            }).await.unwrap();
        }
        let first = ada.get("/console/people?search=many").await;
        let (_, next) = first.body.split_once("/console/people?search=many&amp;after=").unwrap();
        let next = ada.get(&format!("/console/people?search=many&after={}", next.split('"').next().unwrap())).await;
        assert!(next.body.contains("1 shown") && next.body.contains("To the beginning"), "{next:?}");
    }

    async fn a_member_is_renamed_and_given_other_roles(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let bob = console.member(console.own, "bob@example.org", &["Viewer"]).await.id;
        let page = format!("/console/people/{bob}");
        let renamed = ada.done(&format!("{page}/edit"), &[("version", "1"), ("name", "Robert")]).await;
        assert!(renamed.body.contains("<h1>Robert</h1>"), "{renamed:?}");
        let stale = ada.post(&format!("{page}/edit"), &[("version", "1"), ("name", "Rob")]).await;
        assert_eq!(stale.status, 409, "{stale:?}");
        assert!(stale.body.contains("Somebody changed it since") && stale.body.contains("value=\"Rob\""), "{stale:?}");
        let shown = ada.get(&format!("{page}/roles")).await;
        let viewer = console.role("Viewer").await;
        assert!(shown.body.contains(&format!("value=\"{viewer}\" checked")), "{shown:?}");
        let clerk = console.role("Order Clerk").await.to_string();
        let changed = ada.done(&format!("{page}/roles"), &[("version", "2"), ("roles", &clerk)]).await;
        assert!(changed.body.contains("Order Clerk") && !changed.body.contains("Viewer"), "{changed:?}");
    }

    async fn nobody_gives_or_takes_more_than_they_have(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let mut lead = vec![("product", "latchkey"), ("name", "Team Lead")];
        lead.extend(["latchkey.users:read", "latchkey.users:write", "latchkey.roles:read"].map(|scope| ("scopes", scope)));
        made(&ada.post("/console/roles/new", &lead).await);
        let carl = console.browser("carl@example.org", &["Team Lead", "Order Clerk"]).await;
        let bob = console.member(console.own, "bob@example.org", &["Key Manager"]).await.id;
        let clerk = console.role("Order Clerk").await.to_string();
        let administrator = console.role("Administrator").await.to_string();
        let roles = format!("/console/people/{bob}/roles");
        let form = carl.get(&roles).await;
        assert!(form.body.contains(&clerk) && !form.body.contains(&administrator), "{form:?}");
        assert!(form.body.contains("Beyond your own rights, and so not changed here: Key Manager"), "{form:?}");
        let kept = carl.done(&roles, &[("version", "1"), ("roles", &clerk)]).await;
        assert!(kept.body.contains("Key Manager") && kept.body.contains("Order Clerk"), "{kept:?}");
        for (path, form, field) in [
            (roles.clone(), vec![("version", "2"), ("roles", administrator.as_str())], "roles"),
            (NEW.to_owned(), vec![("name", "Me Too"), ("email", "me@example.org"), ("roles", administrator.as_str())], "roles"),
            (format!("/console/people/{bob}/password"), vec![("password", "test horses too"), ("again", "test horses too")], "password"),
        ] {
            let answer = carl.post(&path, &form).await;
            assert_eq!(answer.status, 403, "{path}: {answer:?}");
            assert!(answer.body.contains(&format!("href=\"#f-{field}\"")) && answer.body.contains("beyond your own rights"), "{answer:?}");
        }
    }

    async fn the_last_administrator_stays_and_is_told_why(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let mut helper = vec![("product", "latchkey"), ("name", "Helper")];
        helper.extend(["latchkey.users:read", "latchkey.users:write"].map(|scope| ("scopes", scope)));
        made(&ada.post("/console/roles/new", &helper).await);
        let hal = console.browser("hal@example.org", &["Helper"]).await;
        let list = ada.get("/console/people?search=ada@example.org").await;
        let (_, rest) = list.body.split_once("scope=\"row\"><a href=\"/console/people/").unwrap();
        let page = format!("/console/people/{}", rest.split('"').next().unwrap());
        for (act, form) in [("remove", vec![("name", "ada")]), ("disable", vec![])] {
            let answer = hal.post(&format!("{page}/{act}"), &form).await;
            assert_eq!(answer.status, 409, "{act}: {answer:?}");
            let why = "The organization would be left without an active administrator; make somebody else one first.";
            assert!(answer.body.contains(why) && answer.body.contains("role=\"alert\""), "{answer:?}");
        }
        for (act, form) in [("remove", vec![("name", "ada")]), ("disable", vec![]), ("roles", vec![("version", "1")])] {
            let answer = ada.post(&format!("{page}/{act}"), &form).await;
            assert_eq!(answer.status, 403, "{act}: {answer:?}");
            assert!(answer.body.contains("you would end your own right to do this"), "{answer:?}");
        }
        console.member(console.own, "bea@example.org", &["Administrator"]).await;
        let wrong = hal.post(&format!("{page}/remove"), &[("name", "Ada")]).await;
        assert_eq!(wrong.status, 422, "{wrong:?}");
        let gone = hal.done(&format!("{page}/remove"), &[("name", "ada")]).await;
        assert!(gone.body.contains("The member is removed for good") && !gone.body.contains("ada@example.org"), "{gone:?}");
        assert_eq!(ada.get("/console").await.status, 303, "who is removed is signed out");
    }

    async fn a_viewer_sees_members_and_no_way_to_change_them(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let bob = console.member(console.own, "bob@example.org", &[]).await.id;
        let page = format!("/console/people/{bob}");
        let eve = console.browser("eve@example.org", &["Viewer"]).await;
        eve.is_refused("/console/people", NEW, &[("name", "X"), ("email", "x@example.org")]).await;
        let acts = ["edit", "roles", "password", "disable", "enable", "remove"];
        for act in acts {
            eve.is_refused(&page, &format!("{page}/{act}"), &[("name", "bob"), ("take", "yes")]).await;
            if act != "enable" {
                assert_eq!(eve.get(&format!("{page}/{act}")).await.status, 403, "{act}");
            }
        }
        let stranger = console.browser_in(console.other, "zoe@example.org", &["Administrator"]).await;
        assert_eq!(stranger.get(&page).await.status, 404);
        for act in acts {
            let form = [("name", "bob"), ("password", "test horses too"), ("again", "test horses too")];
            assert_eq!(stranger.post(&format!("{page}/{act}"), &form).await.status, 404, "{act}");
            ada.is_guarded(&format!("{page}/{act}"), &form).await;
        }
        ada.is_guarded(NEW, &[("name", "X"), ("email", "x@example.org")]).await;
        let still = ada.get(&page).await;
        assert!(still.body.contains("<h1>bob</h1>") && still.body.contains("Active"), "{still:?}");
        let nobody = console.browser("fay@example.org", &[]).await;
        assert_eq!(nobody.get("/console/people").await.status, 403);
    }

    async fn what_people_type_about_members_is_never_markup(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        for (number, text) in CORPUS.iter().enumerate() {
            let refused = ada.post(NEW, &[("name", text), ("email", text)]).await;
            assert_eq!(refused.status, 422, "{refused:?}");
            is_inert(&refused, text);
            let email = format!("m{number}@example.org");
            let id = made(&ada.post(NEW, &[("name", text), ("email", &email)]).await);
            let page = format!("/console/people/{id}");
            for path in ["", "/edit", "/roles", "/password", "/disable", "/remove"] {
                is_inert(&ada.get(&format!("{page}{path}")).await, text);
            }
            let wrong = ada.post(&format!("{page}/remove"), &[("name", "x")]).await;
            is_inert(&wrong, text);
            is_inert(&ada.get("/console/people").await, text);
            let query: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            is_inert(&ada.get(&format!("/console/people?search={query}")).await, text);
        }
    }
}
