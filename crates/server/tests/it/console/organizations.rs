//! `/console/organizations`

use authority::Caller;
use authority::organizations::CreateOrganization;
use credential::id::OrganizationId;
use credential::name::Name;
use credential::organization::OrganizationKind;

use super::{CORPUS, Console, is_inert, made};

const NEW: &str = "/console/organizations/new";

async fn manager(console: &Console, name: &str) -> OrganizationId {
    let shell = Caller::shell(console.own);
    let command = CreateOrganization {
        name: Name::new(name).unwrap(),
        kind: OrganizationKind::Manager,
        parent: None,
    };
    let authority = &console.house.authority;
    let made = authority.create_organization(&shell, command).await;
    made.unwrap().value.id
}

testkit::on_each_engine! {
    async fn an_operator_makes_renames_and_disables_organizations(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let parent = made(&ada.post(NEW, &[("name", "Group"), ("kind", "manager")]).await);
        let form = ada.get(NEW).await;
        assert!(form.body.contains(&format!("<option value=\"{parent}\">Group</option>")), "{form:?}");
        let child = made(&ada.post(NEW, &[("name", "Branch"), ("kind", "managed"), ("parent_id", &parent)]).await);
        let above = ada.get(&format!("/console/organizations/{parent}")).await;
        assert!(above.body.contains("Managed organizations") && above.body.contains("Branch"), "{above:?}");
        let page = format!("/console/organizations/{child}");
        let below = ada.get(&page).await;
        assert!(below.body.contains(&format!("href=\"/console/organizations/{parent}\">Group</a>")), "{below:?}");
        let renamed = ada.done(&format!("{page}/edit"), &[("version", "1"), ("name", "North Branch")]).await;
        assert!(renamed.body.contains("<h1>North Branch</h1>"), "{renamed:?}");
        let stale = ada.post(&format!("{page}/edit"), &[("version", "1"), ("name", "South Branch")]).await;
        assert_eq!(stale.status, 409, "{stale:?}");

        let asked = ada.get(&format!("/console/organizations/{parent}/disable")).await;
        assert!(asked.body.contains("What stops") && asked.body.contains("1 organization in use that it manages"), "{asked:?}");
        let cleo = console.browser_in(child.parse().unwrap(), "cleo@example.org", &["Administrator"]).await;
        assert_eq!(cleo.get("/console").await.status, 200);
        let off = ada.done(&format!("/console/organizations/{parent}/disable"), &[]).await;
        assert!(off.body.contains("The organization is disabled") && off.body.contains("Enable"), "{off:?}");
        assert_eq!(cleo.get("/console").await.status, 303, "her session is over with it");
        let list = ada.get("/console/organizations?state=disabled").await;
        assert!(list.body.contains("Group") && !list.body.contains("North Branch"), "{list:?}");
        let on = ada.done(&format!("/console/organizations/{parent}/enable"), &[]).await;
        assert!(on.body.contains("in use again"), "{on:?}");
        assert_eq!(cleo.get("/console").await.status, 200);
        let list = ada.get("/console/organizations?kind=managed&search=BRANCH").await;
        assert!(list.body.contains("North Branch") && !list.body.contains(">Elsewhere<"), "{list:?}");
    }

    async fn what_is_wrong_with_an_organization_stands_at_its_field(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let other = console.other.to_string();
        for (name, kind, parent, field, why) in [
            ("", "manager", "", "name", "The name must not be empty"),
            ("elsewhere", "manager", "", "name", "This is taken by another organization here"),
            ("New", "", "", "kind", "Choose how it stands to others"),
            ("New", "managed", "", "parent_id", "A managed organization needs the manager it belongs to"),
            ("New", "standalone", &other, "parent_id", "Only a managed organization has a manager"),
            ("New", "managed", &other, "parent_id", "This organization manages no others"),
            ("New", "managed", "nonsense", "parent_id", "There is no such manager"),
        ] {
            let answer = ada.post(NEW, &[("name", name), ("kind", kind), ("parent_id", parent)]).await;
            assert!([409, 422].contains(&answer.status), "{answer:?}");
            assert!(answer.body.contains(&format!("href=\"#f-{field}\"")) && answer.body.contains(why), "{why}: {answer:?}");
        }
    }

    async fn a_manager_makes_managed_organizations_of_its_own_only(database: testkit::Database) {
        let console = Console::open(&database).await;
        let group = manager(&console, "Group").await;
        let rival = manager(&console, "Rival").await;
        let mia = console.browser_in(group, "mia@example.org", &["Administrator"]).await;
        let form = mia.get(NEW).await;
        assert!(form.body.contains("value=\"managed\" checked") && !form.body.contains("value=\"standalone\""), "{form:?}");
        assert!(!form.body.contains("Rival"), "{form:?}");
        for (kind, parent) in [("standalone", String::new()), ("managed", rival.to_string())] {
            let answer = mia.post(NEW, &[("name", "Mine"), ("kind", kind), ("parent_id", &parent)]).await;
            assert_eq!(answer.status, 403, "{answer:?}");
            assert!(answer.body.contains("href=\"#f-kind\"") && answer.body.contains("beyond your own rights"), "{answer:?}");
        }
        let child = made(&mia.post(NEW, &[("name", "Branch"), ("kind", "managed")]).await);
        let list = mia.get("/console/organizations").await;
        assert!(list.body.contains(&child) && !list.body.contains("Rival") && !list.body.contains("Operator"), "{list:?}");
        let own = mia.get(&format!("/console/organizations/{group}")).await;
        assert!(own.body.contains("/edit") && !own.body.contains("/disable"), "{own:?}");
        let answer = mia.post(&format!("/console/organizations/{group}/disable"), &[]).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.body.contains("beyond your own rights"), "{answer:?}");
        assert_eq!(mia.get(&format!("/console/organizations/{rival}")).await.status, 404);
    }

    async fn a_viewer_sees_organizations_and_no_way_to_change_them(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let page = format!("/console/organizations/{}", console.other);
        let eve = console.browser("eve@example.org", &["Viewer"]).await;
        eve.is_refused("/console/organizations", NEW, &[("name", "X"), ("kind", "manager")]).await;
        assert_eq!(eve.get(NEW).await.status, 403);
        for act in ["edit", "disable", "enable"] {
            eve.is_refused(&page, &format!("{page}/{act}"), &[("name", "X")]).await;
            ada.is_guarded(&format!("{page}/{act}"), &[("name", "X")]).await;
        }
        ada.is_guarded(NEW, &[("name", "X"), ("kind", "manager")]).await;
        let own = format!("/console/organizations/{}", console.own);
        let stranger = console.browser_in(console.other, "zoe@example.org", &["Administrator"]).await;
        assert_eq!(stranger.get(&own).await.status, 404);
        for act in ["edit", "disable", "enable"] {
            assert_eq!(stranger.post(&format!("{own}/{act}"), &[("name", "X")]).await.status, 404, "{act}");
        }
        assert_eq!(stranger.post(NEW, &[("name", "X"), ("kind", "manager")]).await.status, 403);
        assert!(!stranger.get("/console/organizations").await.body.contains("Operator"));
        let nobody = console.browser("fay@example.org", &[]).await;
        assert_eq!(nobody.get("/console/organizations").await.status, 403);
    }

    async fn what_people_type_about_organizations_is_never_markup(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        for text in CORPUS {
            let refused = ada.post(NEW, &[("name", text), ("kind", text), ("parent_id", text)]).await;
            assert_eq!(refused.status, 422, "{refused:?}");
            is_inert(&refused, text);
            let id = made(&ada.post(NEW, &[("name", text), ("kind", "manager")]).await);
            let page = format!("/console/organizations/{id}");
            for path in ["", "/edit", "/disable"] {
                is_inert(&ada.get(&format!("{page}{path}")).await, text);
            }
            is_inert(&ada.get("/console/organizations").await, text);
            is_inert(&ada.get(NEW).await, text);
        }
    }
}
