//! Tokens that act for an organization that their key's organization manages.

use authority::keys::{CreateKey, Issued, Shown};
use authority::organizations::CreateOrganization;
use authority::tokens::{NoToken, TokenRequest};
use authority::verify::{Question, Valid};
use authority::{Caller, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use credential::event::Action;
use credential::id::{KeyId, OrganizationId};
use credential::key::{Denial, Kind};
use credential::name::ProductName;
use credential::organization::{Organization, OrganizationKind};
use store::{Fault, Found};

use crate::people::{name, refused};
use crate::rig::{Rig, ask};

const ADMIN: [&str; 3] = [
    "admin.apikeys:create",
    "admin.apikeys:read",
    "admin.apikeys:delete",
];
const NETWORKS: &str = "deployments.networks:read";

/// A manager, two organizations that it manages, and a client of the manager that administers keys.
struct Family {
    rig: Rig,
    manager: Organization,
    child: Organization,
    sibling: Organization,
    client: (KeyId, String, String),
}

impl Family {
    async fn of(rig: Rig) -> Self {
        let manager = organization(&rig, "Manager", OrganizationKind::Manager, None).await;
        let managed = OrganizationKind::Managed;
        let child = organization(&rig, "Child", managed, Some(manager.id)).await;
        let sibling = organization(&rig, "Sibling", managed, Some(manager.id)).await;
        let client = client(&rig, manager.id, "secure_access", &ADMIN).await;
        Self {
            rig,
            manager,
            child,
            sibling,
            client,
        }
    }

    async fn token(&self, number: Option<i64>) -> Result<String, NoToken> {
        token(&self.rig, &self.client, number).await
    }

    async fn caller(&self, token: &str) -> (Caller, Valid) {
        let question = Question::bearer(token);
        self.rig.authority.caller(&question, "r").await.unwrap()
    }

    /// What a key of the product would be, made in the organization that the caller acts in unless another is named.
    fn wish(&self, called: &str, organization: Option<OrganizationId>) -> CreateKey {
        CreateKey {
            organization,
            product: ProductName::new("secure_access").unwrap(),
            ..self.rig.command(Kind::Client, called, &[NETWORKS])
        }
    }
}

async fn organization(
    rig: &Rig,
    called: &str,
    kind: OrganizationKind,
    parent: Option<OrganizationId>,
) -> Organization {
    let command = CreateOrganization {
        name: name(called),
        kind,
        parent,
    };
    let made = rig
        .authority
        .create_organization(&rig.shell(), command)
        .await;
    made.unwrap().value
}

async fn client(
    rig: &Rig,
    organization: OrganizationId,
    product: &str,
    scopes: &[&str],
) -> (KeyId, String, String) {
    let command = CreateKey {
        product: ProductName::new(product).unwrap(),
        ..rig.command(Kind::Client, "client", scopes)
    };
    let issued: Issued = rig
        .create_as(&Caller::shell(organization), command)
        .await
        .unwrap();
    match &issued.shown {
        Shown::Client {
            client_id,
            client_secret,
        } => (
            issued.key.id,
            client_id.clone(),
            client_secret.expose().to_owned(),
        ),
        _ => panic!("not a client"),
    }
}

async fn token(
    rig: &Rig,
    (_, id, secret): &(KeyId, String, String),
    organization: Option<i64>,
) -> Result<String, NoToken> {
    let request = TokenRequest {
        client_id: id,
        client_secret: secret,
        scopes: None,
        lenient: false,
        from: None,
        product: None,
        organization,
        request_id: "r",
    };
    let issued = rig.authority.issue_token(&request, |_, _| "s".to_owned());
    let issued = issued.await.unwrap()?;
    Ok(issued.token.expose().to_owned())
}

/// The token with its claim `org` changed, or added.
fn edited(token: &str, organization: OrganizationId) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let body = BASE64URL.decode(parts[1]).unwrap();
    let mut claims: serde_json::Value = serde_json::from_slice(&body).unwrap();
    claims["org"] = organization.to_string().into();
    let body = BASE64URL.encode(claims.to_string());
    format!("{}.{body}.{}", parts[0], parts[2])
}

testkit::on_each_engine! {
    async fn a_managers_token_acts_for_an_organization_that_it_manages(database: testkit::Database) {
        let family = Family::of(Rig::open(&database).await).await;
        let rig = &family.rig;
        let token = family.token(Some(family.child.number)).await.unwrap();
        let (caller, valid) = family.caller(&token).await;
        assert_eq!((valid.organization(), caller.organization), (family.child.id, family.child.id));
        assert_eq!(valid.live.key.organization, family.manager.id);

        let made = rig.create_as(&caller, family.wish("of the child", None)).await.unwrap();
        assert_eq!(made.key.organization, family.child.id);
        let revoked = rig.authority.revoke_key(&caller, made.key.id, None).await;
        assert_eq!(revoked.unwrap().key.organization, family.child.id);

        let own = family.token(Some(family.manager.number)).await.unwrap();
        let (_, valid) = family.caller(&own).await;
        assert_eq!(valid.organization(), family.manager.id, "its own number changes nothing");
    }

    async fn it_reaches_nothing_but_that_organization(database: testkit::Database) {
        let family = Family::of(Rig::open(&database).await).await;
        let rig = &family.rig;
        let (acting, _) = family.caller(&family.token(Some(family.child.number)).await.unwrap()).await;
        let (own, _) = family.caller(&family.token(None).await.unwrap()).await;
        let of = async |organization: OrganizationId, called: &str| {
            rig.create_as(&Caller::shell(organization), family.wish(called, None)).await.unwrap().key.id
        };
        let childs = of(family.child.id, "of the child").await;
        let siblings = of(family.sibling.id, "of the sibling").await;
        let managers = of(family.manager.id, "of the manager").await;

        let sees = async |caller: &Caller, key: KeyId| match rig.authority.key(caller, key).await {
            Ok(_) => true,
            Err(failure) => {
                assert_eq!(refused::<()>(Err(failure)), Refusal::NotFound("key"));
                false
            }
        };
        let seen = [sees(&acting, childs).await, sees(&acting, siblings).await, sees(&acting, managers).await];
        assert_eq!(seen, [true, false, false]);
        let seen = [sees(&own, childs).await, sees(&own, siblings).await, sees(&own, managers).await];
        assert_eq!(seen, [false, false, true], "the manager's own token reaches its own organization only");

        for organization in [family.manager.id, family.sibling.id] {
            let wish = family.wish("elsewhere", Some(organization));
            refused(rig.create_as(&acting, wish).await);
        }
        refused(rig.create_as(&own, family.wish("elsewhere", Some(family.child.id))).await);
    }

    async fn it_ends_at_once_when_either_organization_is_disabled(database: testkit::Database) {
        let family = Family::of(Rig::open(&database).await).await;
        let (rig, shell) = (&family.rig, family.rig.shell());
        let token = family.token(Some(family.child.number)).await.unwrap();
        for organization in [family.child.id, family.manager.id] {
            assert_eq!(ask(&rig.authority, &token, &[]).await, Ok(()));
            rig.authority.disable_organization(&shell, organization, None).await.map(drop).unwrap();
            assert_eq!(ask(&rig.authority, &token, &[]).await, Err(Denial::Disabled));
            let asked = family.token(Some(family.child.number)).await;
            assert!(asked.is_err(), "and no other is issued");
            rig.authority.enable_organization(&shell, organization, None).await.map(drop).unwrap();
        }
        rig.authority.revoke_key(&shell, family.client.0, None).await.map(drop).unwrap();
        assert_eq!(ask(&rig.authority, &token, &[]).await, Err(Denial::Revoked));
    }

    async fn a_change_that_is_under_way_when_the_organization_is_disabled_does_not_happen(database: testkit::Database) {
        let family = Family::of(Rig::open(&database).await).await;
        let rig = &family.rig;
        let (caller, _) = family.caller(&family.token(Some(family.child.number)).await.unwrap()).await;
        // Written past this replica: it does not know yet, as if the change came a moment after its look.
        let child = family.child.id;
        let disable = move |change: &mut store::Change<'_>| {
            let Some(Found::Good(organization)) = change.organization(child)? else {
                panic!("it is there");
            };
            let disabled = Organization { active: false, ..organization };
            change.update_organization(disabled, Action::OrganizationDisabled, "{}").map(drop)
        };
        let (actor, now) = (credential::event::Actor::SYSTEM, rig.authority.now());
        rig.authority.store().change(actor, now, |_| Ok::<(), Fault>(()), disable).await.unwrap();
        let made = rig.create_as(&caller, family.wish("too late", None)).await.map(drop);
        assert_eq!(refused(made), Refusal::Restricted);
    }

    async fn whose_organization_does_not_manage_it_gets_no_token_for_it(database: testkit::Database) {
        let family = Family::of(Rig::open(&database).await).await;
        let rig = &family.rig;
        let stranger = organization(rig, "Stranger", OrganizationKind::Standalone, None).await;
        for number in [stranger.number, 1, 0, -1, 4711] {
            assert_eq!(family.token(Some(number)).await, Err(NoToken::Organization), "{number}");
        }
        let childs = client(rig, family.child.id, "secure_access", &ADMIN).await;
        for organization in [&family.manager, &family.sibling] {
            let asked = token(rig, &childs, Some(organization.number)).await;
            assert_eq!(asked, Err(NoToken::Organization), "not up, nor across");
        }
        // A product that does not say that it has such tokens has none.
        let sample = client(rig, family.manager.id, "sample", &["sample.orders:read"]).await;
        let asked = token(rig, &sample, Some(family.child.number)).await;
        assert_eq!(asked, Err(NoToken::Organization));
    }

    async fn a_token_that_names_another_organization_than_it_was_issued_for_is_unknown(database: testkit::Database) {
        let family = Family::of(Rig::open(&database).await).await;
        let rig = &family.rig;
        for (number, instead) in [
            (Some(family.child.number), family.sibling.id),
            (Some(family.child.number), family.manager.id),
            (None, family.child.id),
        ] {
            let token = family.token(number).await.unwrap();
            assert_eq!(ask(&rig.authority, &token, &[]).await, Ok(()));
            assert_eq!(ask(&rig.authority, &edited(&token, instead), &[]).await, Err(Denial::Unknown));
        }
    }

    async fn an_opaque_token_acts_for_nobody_else(database: testkit::Database) {
        let jwt = "token_type = \"jwt\"";
        let rig = Rig::altered(&database, jwt, "token_type = \"opaque\"\nfor_managed = true").await;
        let family = Family::of(rig).await;
        let sample = client(&family.rig, family.manager.id, "sample", &["sample.orders:read"]).await;
        let asked = token(&family.rig, &sample, Some(family.child.number)).await;
        assert_eq!(asked, Err(NoToken::Organization));
    }
}
