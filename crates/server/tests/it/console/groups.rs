//! `/console/groups`

use authority::Caller;
use authority::organizations::CreateOrganization;
use credential::name::Name;
use credential::organization::OrganizationKind;

use super::{CORPUS, Console, is_inert, made};

const NEW: &str = "/console/groups/new";

testkit::on_each_engine! {
    async fn a_group_is_made_edited_and_removed(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let bob = console.browser("bob@example.org", &[]).await;
        let bobs = console.member(console.own, "bobs@example.org", &[]).await.id.to_string();
        assert_eq!(bob.get("/console/roles").await.status, 403);
        let viewer = console.role("Viewer").await.to_string();
        let wish = [
            ("name", "Watchers"), ("description", "Who look."), ("roles", viewer.as_str()),
            ("members", bobs.as_str()), ("more", "BOB@example.org, ada@example.org"), ("reach", "own"),
        ];
        let id = made(&ada.post(NEW, &wish).await);
        assert_eq!(bob.get("/console/roles").await.status, 200, "he has the group's role");
        let page = format!("/console/groups/{id}");
        let shown = ada.get(&format!("{page}?done=group-made")).await;
        for text in ["Watchers", "Who look.", "Viewer", "bob@example.org", "bobs@example.org", "ada@example.org", "The group is made"] {
            assert!(shown.body.contains(text), "{text}: {shown:?}");
        }
        let inner = made(&ada.post(NEW, &[("name", "Inner"), ("members", bobs.as_str())]).await);
        let form = ada.get(&format!("{page}/edit")).await;
        assert!(form.body.contains(&format!("value=\"{bobs}\" checked")) && form.body.contains(&inner), "{form:?}");
        assert!(!form.body.contains(&format!("value=\"{id}\"")), "no group is offered for itself: {form:?}");
        let edit = [("version", "1"), ("name", "Lookers"), ("roles", viewer.as_str()), ("nested", inner.as_str())];
        let edited = ada.done(&format!("{page}/edit"), &edit).await;
        assert!(edited.body.contains("<h1>Lookers</h1>") && edited.body.contains(">Inner</a>") && edited.body.contains("Nobody by name"), "{edited:?}");
        assert_eq!(bob.get("/console/roles").await.status, 403, "he was taken out");
        let member = ada.get(&format!("/console/people/{bobs}")).await;
        assert!(member.body.contains(">Lookers</a>") && member.body.contains("gives Viewer"), "{member:?}");
        let stale = ada.post(&format!("{page}/edit"), &edit).await;
        assert_eq!(stale.status, 409, "{stale:?}");
        assert!(stale.body.contains("Somebody changed it since"), "{stale:?}");
        let wrong = ada.post(&format!("{page}/remove"), &[("name", "lookers")]).await;
        assert_eq!(wrong.status, 422, "{wrong:?}");
        let gone = ada.done(&format!("{page}/remove"), &[("name", "Lookers")]).await;
        assert!(gone.body.contains("The group is removed") && !gone.body.contains(">Lookers<"), "{gone:?}");
        assert_eq!(ada.get(&page).await.status, 404);
    }

    async fn what_is_wrong_with_a_group_stands_at_its_field(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        console.member(console.other, "zed@example.org", &[]).await;
        let outer = made(&ada.post(NEW, &[("name", "Outer")]).await);
        let inner = made(&ada.post(NEW, &[("name", "Inner")]).await);
        ada.done(&format!("/console/groups/{outer}/edit"), &[("version", "1"), ("name", "Outer"), ("nested", &inner)]).await;
        for (path, form, field, why) in [
            (NEW.to_owned(), vec![("name", "")], "name", "The name must not be empty"),
            (NEW.to_owned(), vec![("name", "OUTER")], "name", "This is taken by another group here"),
            (NEW.to_owned(), vec![("name", "New"), ("more", "zed@example.org")], "more", "There is no member zed@example.org here"),
            (format!("/console/groups/{inner}/edit"), vec![("version", "1"), ("name", "Inner"), ("nested", outer.as_str())], "nested", "A group cannot be nested in itself"),
        ] {
            let answer = ada.post(&path, &form).await;
            assert!([409, 422].contains(&answer.status), "{answer:?}");
            assert!(answer.body.contains(&format!("href=\"#f-{field}\"")) && answer.body.contains(why), "{why}: {answer:?}");
        }
    }

    async fn nobody_gives_more_by_a_group_than_they_have(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let mut lead = vec![("product", "latchkey"), ("name", "Team Lead")];
        lead.extend(["latchkey.users:read", "latchkey.users:write"].map(|scope| ("scopes", scope)));
        made(&ada.post("/console/roles/new", &lead).await);
        let carl = console.browser("carl@example.org", &["Team Lead"]).await;
        let administrator = console.role("Administrator").await.to_string();
        let refused = carl.post(NEW, &[("name", "Kings"), ("roles", &administrator), ("more", "carl@example.org")]).await;
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(refused.body.contains("href=\"#f-roles\"") && refused.body.contains("beyond your own rights"), "{refused:?}");
        let id = made(&ada.post(NEW, &[("name", "Kings"), ("roles", &administrator)]).await);
        let form = [("version", "1"), ("name", "Kings"), ("more", "carl@example.org")];
        let refused = carl.post(&format!("/console/groups/{id}/edit"), &form).await;
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(refused.body.contains("beyond your own rights"), "{refused:?}");
    }

    async fn a_viewer_sees_groups_and_no_way_to_change_them(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let id = made(&ada.post(NEW, &[("name", "Watchers")]).await);
        let page = format!("/console/groups/{id}");
        let eve = console.browser("eve@example.org", &["Viewer"]).await;
        eve.is_refused("/console/groups", NEW, &[("name", "X")]).await;
        assert_eq!(eve.get(NEW).await.status, 403);
        let stranger = console.browser_in(console.other, "zoe@example.org", &["Administrator"]).await;
        assert_eq!(stranger.get(&page).await.status, 404);
        for act in ["edit", "remove"] {
            let form = [("version", "1"), ("name", "Watchers")];
            eve.is_refused(&page, &format!("{page}/{act}"), &form).await;
            assert_eq!(eve.get(&format!("{page}/{act}")).await.status, 403, "{act}");
            assert_eq!(stranger.post(&format!("{page}/{act}"), &form).await.status, 404, "{act}");
            ada.is_guarded(&format!("{page}/{act}"), &form).await;
        }
        ada.is_guarded(NEW, &[("name", "X")]).await;
        let nobody = console.browser("fay@example.org", &[]).await;
        assert_eq!(nobody.get("/console/groups").await.status, 403);
    }

    async fn a_shared_group_is_seen_where_it_is_shared_without_its_members(database: testkit::Database) {
        let console = Console::open(&database).await;
        let shell = Caller::shell(console.own);
        let make = async |name: &str, kind, parent| {
            let command = CreateOrganization { name: Name::new(name).unwrap(), kind, parent };
            console.house.authority.create_organization(&shell, command).await.unwrap().value.id
        };
        let manager = make("Group", OrganizationKind::Manager, None).await;
        let branch = make("Branch", OrganizationKind::Managed, Some(manager)).await;
        let mia = console.browser_in(manager, "mia@example.org", &["Administrator"]).await;
        let form = [("name", "Everywhere"), ("more", "mia@example.org"), ("reach", "managed")];
        let id = made(&mia.post(NEW, &form).await);
        let hidden = made(&mia.post(NEW, &[("name", "Inside"), ("reach", "own")]).await);
        let ben = console.browser_in(branch, "ben@example.org", &["Administrator"]).await;
        let list = ben.get("/console/groups").await;
        assert!(list.body.contains("Everywhere") && list.body.contains("shared by the manager") && !list.body.contains("Inside"), "{list:?}");
        let page = format!("/console/groups/{id}");
        let shown = ben.get(&page).await;
        assert!(shown.body.contains("1 of the manager") && !shown.body.contains("mia@example.org"), "{shown:?}");
        assert!(!shown.body.contains(&format!("{page}/edit")), "{shown:?}");
        assert_eq!(ben.post(&format!("{page}/remove"), &[("name", "Everywhere")]).await.status, 403);
        assert_eq!(ben.get(&format!("/console/groups/{hidden}")).await.status, 404);
    }

    async fn what_people_type_about_groups_is_never_markup(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        for text in CORPUS {
            let refused = ada.post(NEW, &[("name", text), ("description", text), ("more", text)]).await;
            assert_eq!(refused.status, 422, "{refused:?}");
            is_inert(&refused, text);
            let id = made(&ada.post(NEW, &[("name", text), ("description", text)]).await);
            let page = format!("/console/groups/{id}");
            for path in ["", "/edit", "/remove"] {
                is_inert(&ada.get(&format!("{page}{path}")).await, text);
            }
            is_inert(&ada.get("/console/groups").await, text);
        }
    }
}
