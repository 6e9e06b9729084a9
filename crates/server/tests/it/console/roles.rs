//! `/console/roles` and `/console/scopes`

use authority::Caller;
use authority::users::UserFilter;

use super::{CORPUS, Console, is_inert, made};

const NEW: &str = "/console/roles/new";
const SCOPES: [(&str, &str); 2] = [
    ("scopes", "sample.orders:read"),
    ("scopes", "sample.orders:write"),
];

fn wish(name: &str) -> Vec<(&str, &str)> {
    let mut form = vec![
        ("product", "sample"),
        ("name", name),
        ("description", "For the tests."),
    ];
    form.extend(SCOPES);
    form
}

testkit::on_each_engine! {
    async fn a_role_is_made_for_a_product_with_scopes_by_area(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let first = ada.get(NEW).await;
        assert!(first.body.contains("/console/roles/new?product=sample"), "{first:?}");
        assert!(!first.body.contains("product=secure_access"), "it has no custom roles: {first:?}");
        let second = ada.get(&format!("{NEW}?product=sample")).await;
        assert!(second.body.contains("<legend>sample</legend>"), "{second:?}");
        assert!(second.body.contains("value=\"sample.orders:write\""), "{second:?}");
        let id = made(&ada.post(NEW, &wish("Order Desk")).await);
        let page = ada.get(&format!("/console/roles/{id}?done=role-made")).await;
        for text in ["Order Desk", "For the tests.", "sample.orders:write", "The role is made", "Custom"] {
            assert!(page.body.contains(text), "{text}: {page:?}");
        }
        let list = ada.get("/console/roles?product=sample&type=custom").await;
        assert!(list.body.contains("Order Desk") && !list.body.contains("Order Clerk"), "{list:?}");
        let none = ada.get("/console/roles?product=latchkey&type=custom").await;
        assert!(none.body.contains("No roles match"), "{none:?}");
    }

    async fn what_is_wrong_stands_at_its_field_with_what_was_typed(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        for (name, description, scopes, field, why) in [
            ("", "x", "sample.orders:read", "name", "The name must"),
            ("ÄÖ", "x", "sample.orders:read", "name", "The name must consist of"),
            ("order CLERK", "x", "sample.orders:read", "name", "This is taken by another role here"),
            ("Fine", "x", "", "scopes", "Choose at least one scope"),
            ("Fine", "x", "sample.nothing:read", "scopes", "is not a scope of this product"),
        ] {
            let form = [("product", "sample"), ("name", name), ("description", description), ("scopes", scopes)];
            let answer = ada.post(NEW, &form).await;
            assert!([409, 422].contains(&answer.status), "{name} {scopes}: {answer:?}");
            assert!(answer.body.contains(&format!("href=\"#f-{field}\"")), "{answer:?}");
            assert!(answer.body.contains(why), "{why}: {answer:?}");
            assert!(answer.body.contains(&format!("name=\"name\" type=\"text\" value=\"{name}\"")), "{answer:?}");
        }
    }

    async fn an_edit_tells_who_loses_what_and_is_saved_by_a_second_form(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let id = made(&ada.post(NEW, &wish("Order Desk")).await);
        let shell = Caller::shell(console.own);
        let filter = UserFilter { organization: Some(console.own), ..UserFilter::default() };
        let user = console.house.authority.users(&shell, filter, None, 1).await.unwrap().remove(0);
        let given = vec![(id.parse().unwrap(), credential::grant::Resources::All)];
        let mut roles: Vec<_> = user.roles.iter().map(|grant| (grant.role, grant.resources.clone())).collect();
        roles.extend(given);
        console.house.authority.set_user_roles(&shell, user.id, roles, None).await.unwrap();

        let path = format!("/console/roles/{id}/edit");
        let shown = ada.get(&path).await;
        assert!(shown.body.contains("value=\"sample.orders:write\" checked"), "{shown:?}");
        let narrower = [("version", "1"), ("name", "Order Reader"), ("description", "For the tests."), SCOPES[0]];
        let asked = ada.post(&path, &narrower).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        for text in ["It permits no more", "0 keys and 1 member would lose rights", "ada", "sample.orders:write", "Order Reader"] {
            assert!(asked.body.contains(text), "{text}: {asked:?}");
        }
        assert!(ada.get(&format!("/console/roles/{id}")).await.body.contains("Order Desk"), "it was saved too early");
        let confirmed: Vec<_> = narrower.into_iter().chain([("confirmed", "yes")]).collect();
        let saved = ada.done(&path, &confirmed).await;
        assert!(saved.body.contains("Order Reader") && saved.body.contains("saved"), "{saved:?}");
        let stale = ada.post(&path, &confirmed).await;
        assert_eq!(stale.status, 409, "{stale:?}");
        assert!(stale.body.contains("Somebody changed it since you opened this page"), "{stale:?}");
        let wrong = ada.post(&path, &[("version", "2"), ("name", "Order Clerk"), SCOPES[0]]).await;
        assert!(wrong.body.contains("This is taken by another role here"), "{wrong:?}");
    }

    async fn a_role_in_use_is_deleted_by_its_typed_name(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let id = made(&ada.post(NEW, &wish("Order Desk")).await);
        let free = made(&ada.post(NEW, &wish("Unused")).await);
        let path = format!("/console/roles/{free}/delete");
        let shown = ada.get(&path).await;
        assert!(shown.body.contains("Nobody holds the role") && !shown.body.contains("Type the name"), "{shown:?}");
        assert!(ada.done(&path, &[]).await.body.contains("The role is deleted"));
        assert_eq!(ada.get(&format!("/console/roles/{free}")).await.status, 404);

        console.member(console.own, "bob@example.org", &["Order Desk"]).await;
        let path = format!("/console/roles/{id}/delete");
        let shown = ada.get(&path).await;
        for text in ["Type the name of the role", "1 holder of the role", "bob", "sample.orders:read"] {
            assert!(shown.body.contains(text), "{text}: {shown:?}");
        }
        let wrong = ada.post(&path, &[("name", "order desk")]).await;
        assert_eq!(wrong.status, 422, "{wrong:?}");
        assert!(wrong.body.contains("This is not the name"), "{wrong:?}");
        assert!(ada.done(&path, &[("name", "Order Desk")]).await.body.contains("The role is deleted"));
    }

    async fn nobody_is_offered_or_gives_more_than_they_have(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let mut maker = vec![("product", "latchkey"), ("name", "Role Maker")];
        maker.extend(["latchkey.roles:read", "latchkey.roles:write", "latchkey.products:read"].map(|scope| ("scopes", scope)));
        made(&ada.post(NEW, &maker).await);
        let bob = console.browser("bob@example.org", &["Role Maker", "Order Clerk"]).await;
        let form = bob.get(&format!("{NEW}?product=latchkey")).await;
        assert!(form.body.contains("value=\"latchkey.roles:read\""), "{form:?}");
        assert!(!form.body.contains("latchkey.keys:create"), "{form:?}");
        let beyond = [("product", "latchkey"), ("name", "More"), ("scopes", "latchkey.keys:create")];
        let answer = bob.post(NEW, &beyond).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.body.contains("href=\"#f-scopes\"") && answer.body.contains("beyond your own rights"), "{answer:?}");
        let list = bob.get("/console/roles").await;
        assert!(list.body.contains("Role Maker") && !list.body.contains("Key Manager"), "{list:?}");
        let administrator = console.role("Administrator").await;
        assert_eq!(bob.get(&format!("/console/roles/{administrator}")).await.status, 404);
    }

    async fn a_viewer_sees_roles_and_no_way_to_change_them(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let id = made(&ada.post(NEW, &wish("Order Desk")).await);
        let page = format!("/console/roles/{id}");
        let eve = console.browser("eve@example.org", &["Viewer", "Order Clerk"]).await;
        eve.is_refused("/console/roles", NEW, &wish("Mine")).await;
        eve.is_refused(&page, &format!("{page}/edit"), &wish("Mine")).await;
        eve.is_refused(&page, &format!("{page}/delete"), &[]).await;
        assert_eq!(eve.get(NEW).await.status, 403);
        assert_eq!(eve.get(&format!("{page}/delete")).await.status, 403);
        let nobody = console.browser("fay@example.org", &[]).await;
        assert_eq!(nobody.get("/console/roles").await.status, 403);
        assert!(!nobody.get("/console").await.body.contains("href=\"/console/roles\""));

        let stranger = console.browser_in(console.other, "zoe@example.org", &["Administrator"]).await;
        for path in [page.clone(), format!("{page}/edit"), format!("{page}/delete")] {
            assert_eq!(stranger.get(&path).await.status, 404, "{path}");
        }
        assert_eq!(stranger.post(&format!("{page}/delete"), &[("name", "Order Desk")]).await.status, 404);
        for path in [NEW.to_owned(), format!("{page}/edit"), format!("{page}/delete")] {
            ada.is_guarded(&path, &wish("Forged")).await;
        }
        assert!(ada.get(&page).await.body.contains("Order Desk"));
    }

    async fn what_people_type_about_a_role_is_never_markup(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        for (number, text) in CORPUS.iter().enumerate() {
            let refused = ada.post(NEW, &[("product", "sample"), ("name", text), ("description", text)]).await;
            assert_eq!(refused.status, 422, "{refused:?}");
            is_inert(&refused, text);
            let name = format!("Role {number}");
            let form = [("product", "sample"), ("name", &name), ("description", text), SCOPES[0]];
            let id = made(&ada.post(NEW, &form).await);
            for path in [format!("/console/roles/{id}"), format!("/console/roles/{id}/edit"), "/console/roles?type=custom".to_owned()] {
                is_inert(&ada.get(&path).await, text);
            }
            let edit = [("version", "1"), ("name", &name), ("description", text), ("scopes", text)];
            let answer = ada.post(&format!("/console/roles/{id}/edit"), &edit).await;
            assert_eq!(answer.status, 422, "{answer:?}");
        }
    }

    async fn scopes_limits_and_lifetimes_of_a_product_can_be_read(database: testkit::Database) {
        let console = Console::open(&database).await;
        let eve = console.browser("eve@example.org", &["Viewer"]).await;
        let list = eve.get("/console/scopes").await;
        assert!(list.body.contains("/console/scopes/sample") && list.body.contains("/console/scopes/secure_access"), "{list:?}");
        let page = eve.get("/console/scopes/latchkey").await;
        for text in ["latchkey.keys:create", "Create keys, within the creator", "600 in any 1 minute", "15 minutes", "organization"] {
            assert!(page.body.contains(text), "{text}: {page:?}");
        }
        assert!(page.body.contains("Viewer") && !page.body.contains(">Administrator<"), "{page:?}");
        assert_eq!(eve.get("/console/scopes/nothing").await.status, 404);
        let nobody = console.browser("fay@example.org", &[]).await;
        assert_eq!(nobody.get("/console/scopes").await.status, 403);
    }
}
