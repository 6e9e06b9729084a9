//! What the dialect of Security Cloud Control promises and no transcript can say: what time and crowds do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use authority::audit::AuditQuery;
use authority::keys::{CreateKey, EditKey, Expiry, Shown, Wish};
use authority::notices::NoticeFilter;
use authority::organizations::CreateOrganization;
use authority::roles::CreateRole;
use authority::{Caller, Failure, Refusal};
use credential::grant::Resources;
use credential::id::{OrganizationId, RoleId};
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName, RoleName};
use credential::organization::OrganizationKind;
use credential::time::Span;
use serde_json::{Value, json};
use testkit::{Database, Engine};

use crate::house::{Answer, House};

const PRODUCT: &str = "security_cloud_control";
const MEMBER: &str = "00000000-0000-7000-8000-000000040001";
const ADMINISTRATOR: &str = "00000000-0000-7000-8000-000000040002";

/// A key with the tokens that it has now.
#[derive(Debug, Clone)]
struct Pair {
    organization: OrganizationId,
    key: String,
    access: String,
    refresh: String,
}

async fn generate(
    house: &House,
    organization: OrganizationId,
    name: &str,
    roles: &[&str],
    expiry: Expiry,
) -> Pair {
    let command = CreateKey {
        organization: None,
        product: ProductName::new(PRODUCT).unwrap(),
        kind: Kind::TokenPair,
        name: Name::new(name).unwrap(),
        comment: Comment::default(),
        grants: Wish {
            roles: roles
                .iter()
                .map(|role| (role.parse().unwrap(), Resources::All))
                .collect(),
            scopes: Vec::new(),
        },
        addresses: Addresses::default(),
        limits: Vec::new(),
        expiry,
        owner: None,
    };
    let shell = Caller::shell(organization);
    let issued = house.issue(&shell, command).await;
    let Shown::TokenPair {
        access_token,
        refresh_token,
        ..
    } = &issued.shown
    else {
        panic!("no pair")
    };
    Pair {
        organization,
        key: issued.key.id.to_string(),
        access: access_token.expose().to_owned(),
        refresh: refresh_token.expose().to_owned(),
    }
}

async fn admin(house: &House, organization: OrganizationId) -> Pair {
    generate(
        house,
        organization,
        "Admin",
        &[ADMINISTRATOR],
        Expiry::Never,
    )
    .await
}

/// A role of the organization's own.
async fn custom_role(
    house: &House,
    organization: OrganizationId,
    name: &str,
    scopes: &[&str],
) -> RoleId {
    let command = CreateRole {
        organization: None,
        product: ProductName::new(PRODUCT).unwrap(),
        name: RoleName::new(name).unwrap(),
        description: Comment::default(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    let shell = Caller::shell(organization);
    let made = house.authority.create_role(&shell, command).await;
    made.unwrap().value.id
}

async fn managed(house: &House, name: &str, manager: OrganizationId) -> OrganizationId {
    let command = CreateOrganization {
        name: Name::new(name).unwrap(),
        kind: OrganizationKind::Managed,
        parent: Some(manager),
    };
    organization(house, command).await
}

async fn manager(house: &House, name: &str) -> OrganizationId {
    let command = CreateOrganization {
        name: Name::new(name).unwrap(),
        kind: OrganizationKind::Manager,
        parent: None,
    };
    organization(house, command).await
}

async fn organization(house: &House, command: CreateOrganization) -> OrganizationId {
    let shell = Caller::shell(OrganizationId::from_bytes([0; 16]));
    let made = house.authority.create_organization(&shell, command).await;
    made.unwrap().value.id
}

async fn call(house: &House, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    // The official client says that everything is JSON, also what has no body.
    let headers = [
        ("Authorization", format!("Bearer {token}")),
        ("Content-Type", "application/json".to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    house.ask(method, path, &headers, &body, None).await
}

async fn get(house: &House, pair: &Pair, path: &str) -> Answer {
    let path = format!("/v1/organizations/{}{path}", pair.organization);
    call(house, &pair.access, "GET", &path, &Value::Null).await
}

async fn refresh(house: &House, pair: &Pair) -> Answer {
    let path = format!(
        "/v1/organizations/{}/apiKeys/{}/token",
        pair.organization, pair.key
    );
    let bearer = format!("Bearer {}", pair.refresh);
    house
        .post(&path, Some(&bearer), "grant_type=refresh_token")
        .await
}

/// The pair that a refresh gives.
async fn refreshed(house: &House, pair: &Pair) -> Pair {
    let answer = refresh(house, pair).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let text = |member: &str| answer[member].as_str().unwrap().to_owned();
    Pair {
        access: text("access_token"),
        refresh: text("refresh_token"),
        ..pair.clone()
    }
}

/// The notices of an organization, by their words.
async fn notices(house: &House, organization: OrganizationId) -> Vec<String> {
    let shell = Caller::shell(organization);
    let found = house
        .authority
        .notices(&shell, NoticeFilter::default(), None, 100)
        .await;
    let mut kinds: Vec<String> = found
        .unwrap()
        .into_iter()
        .map(|notice| notice.kind)
        .collect();
    kinds.sort();
    kinds
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

testkit::on_each_engine! {
    async fn an_access_token_ends_after_18_hours_and_a_refresh_token_after_60_days(database: Database) {
        // Only a clock that is held can be moved.
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Ends").await;
        let (first, second) = (admin(&house, organization).await, admin(&house, organization).await);
        for (seconds, status) in [(18 * HOUR - 1, 200), (1, 401)] {
            house.pass(seconds).await;
            assert_eq!(get(&house, &first, "/apiKeys").await.status, status, "{seconds}");
        }
        // Until its last second a refresh token gives the next pair, which lives as long as the first did.
        house.pass(60 * DAY - 18 * HOUR - 1).await;
        let next = refresh(&house, &first).await.json();
        assert_eq!((&next["expires_in"], &next["refresh_token_expires_in"]), (&json!(64_799), &json!(5_183_999)));
        house.pass(1).await;
        // One that lapsed is final.
        for _ in 0..2 {
            assert_eq!(refresh(&house, &second).await.status, 401);
        }
        let kept = Pair { refresh: next["refresh_token"].as_str().unwrap().to_owned(), ..first };
        assert_eq!(refresh(&house, &kept).await.status, 200);
    }

    async fn each_refresh_gives_sixty_days_up_to_the_end_of_the_key(database: Database) {
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Capped").await;
        let end = house.authority.now() + Span::from_days(70);
        let pair = generate(&house, organization, "Capped", &[MEMBER], Expiry::At(end)).await;
        house.pass(50 * DAY).await;
        let next = refreshed(&house, &pair).await;
        let shown = get(&house, &next, &format!("/apiKeys/{}", pair.key)).await.json();
        assert_eq!(shown["refreshExpiresAt"], shown["keyExpiresAt"]);
        house.pass(19 * DAY + 18 * HOUR).await;
        let last = refresh(&house, &next).await.json();
        assert_eq!((&last["expires_in"], &last["refresh_token_expires_in"]), (&json!(6 * HOUR - 1), &json!(6 * HOUR - 1)));
        house.pass(6 * HOUR).await;
        let last = Pair {
            access: last["access_token"].as_str().unwrap().to_owned(),
            refresh: last["refresh_token"].as_str().unwrap().to_owned(),
            ..pair
        };
        assert_eq!(get(&house, &last, "/apiKeys").await.status, 401);
        assert_eq!(refresh(&house, &last).await.status, 401);
    }

    async fn a_lost_answer_is_fetched_again_and_a_token_that_was_replaced_ends_all(database: Database) {
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Grace").await;
        let first = admin(&house, organization).await;
        let next = refreshed(&house, &first).await;
        // Also after the new tokens were used, and the seconds count from now.
        assert_eq!(get(&house, &next, "/apiKeys").await.status, 200);
        house.pass(60).await;
        let again = refresh(&house, &first).await.json();
        assert_eq!(again["access_token"], next.access);
        assert_eq!(again["refresh_token"], next.refresh);
        assert_eq!((&again["expires_in"], &again["refresh_token_expires_in"]), (&json!(64_739), &json!(5_183_939)));
        // The access token of before lives on to its own end.
        assert_eq!(get(&house, &first, "/apiKeys").await.status, 200);

        house.pass(1).await;
        assert_eq!(refresh(&house, &first).await.status, 401);
        for pair in [&first, &next] {
            assert_eq!(get(&house, pair, "/apiKeys").await.status, 401);
            assert_eq!(refresh(&house, pair).await.status, 401);
        }
        assert_eq!(notices(&house, organization).await, ["refresh_reused"]);
    }

    async fn of_a_crowd_with_one_refresh_token_all_get_the_one_successor(database: Database) {
        let house = Arc::new(House::open(&database).await);
        let organization = house.organization("Crowd").await;
        let pair = admin(&house, organization).await;
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let (house, pair) = (Arc::clone(&house), pair.clone());
                tokio::spawn(async move { refreshed(&house, &pair).await })
            })
            .collect();
        let mut tokens = BTreeSet::new();
        for call in calls {
            let next = call.await.unwrap();
            tokens.insert((next.access, next.refresh));
        }
        assert_eq!(tokens.len(), 1);
    }

    async fn of_a_crowd_that_claims_one_code_one_does_and_it_is_in_the_trail(database: Database) {
        let house = Arc::new(House::open(&database).await);
        let organization = house.organization("Claims").await;
        let pair = admin(&house, organization).await;
        let code = server::dialects::security_cloud_control::offers().unwrap()[0].code.clone();
        let path = format!("/v1/organizations/{organization}/subscriptions");
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let (house, pair, path) = (Arc::clone(&house), pair.clone(), path.clone());
                let body = json!({"claimCode": code});
                tokio::spawn(async move { call(&house, &pair.access, "POST", &path, &body).await.status })
            })
            .collect();
        let mut statuses = Vec::new();
        for call in calls {
            statuses.push(call.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
        let listed = get(&house, &pair, "/subscriptions").await.json();
        let id = listed["subscriptions"][0]["id"].as_str().unwrap();
        let shell = Caller::shell(organization);
        let trail = house.authority.audit(&shell, AuditQuery::default(), None, 100).await.unwrap();
        let claims = trail.iter().filter(|event| event.event.detail.contains(id));
        assert_eq!(claims.count(), 1);
    }

    async fn what_a_role_opens_is_enforced_for_every_call(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Opens").await;
        let member = generate(&house, organization, "Member", &[MEMBER], Expiry::Never).await;
        let admin = admin(&house, organization).await;
        for path in ["", "/subscriptions", "/users", "/roles", "/adminGroups", "/apiKeys"] {
            for pair in [&member, &admin] {
                assert_eq!(get(&house, pair, path).await.status, 200, "{path}");
            }
        }
        let victim = generate(&house, organization, "Victim", &[MEMBER], Expiry::Never).await;
        let none = "00000000-0000-7000-8000-000000000000";
        for (method, path) in [
            ("PUT", String::new()),
            ("PATCH", "/users".to_owned()),
            ("PUT", format!("/users/{none}")),
            ("PATCH", format!("/roles/{MEMBER}")),
            ("POST", "/adminGroups".to_owned()),
            ("PUT", format!("/adminGroups/{none}")),
            ("PATCH", format!("/adminGroups/{none}")),
            ("DELETE", format!("/adminGroups/{none}")),
            ("POST", "/subscriptions".to_owned()),
            ("POST", "/subscriptions/claimInfo".to_owned()),
            ("PUT", format!("/subscriptions/{none}")),
            ("PATCH", format!("/subscriptions/{none}")),
            ("POST", "/apiKeys".to_owned()),
            ("POST", format!("/apiKeys/{}/disable", victim.key)),
            ("POST", format!("/apiKeys/{}/enable", victim.key)),
            ("DELETE", format!("/apiKeys/{}", victim.key)),
        ] {
            let path = format!("/v1/organizations/{organization}{path}");
            let refused = call(&house, &member.access, method, &path, &json!({})).await;
            assert_eq!(refused.status, 403, "{method} {path}: {}", refused.body);
            // Whoever may do it is told what is wrong with this one, if anything.
            let allowed = call(&house, &admin.access, method, &path, &json!({})).await;
            assert!(![401, 403].contains(&allowed.status), "{method} {path}: {}", allowed.body);
        }
        let organizations = call(&house, &member.access, "POST", "/v1/organizations", &json!({"name": "More"})).await;
        assert_eq!(organizations.status, 403);
    }

    async fn the_roles_of_a_key_are_fixed(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Fixed").await;
        let (member, admin) = (
            generate(&house, organization, "Member", &[MEMBER], Expiry::Never).await,
            admin(&house, organization).await,
        );
        let path = format!("/v1/organizations/{organization}/apiKeys/{}", member.key);
        for method in ["PATCH", "PUT"] {
            let body = json!({"permissions": [{"roleId": ADMINISTRATOR}]});
            assert_eq!(call(&house, &admin.access, method, &path, &body).await.status, 405, "{method}");
        }
        // Not even whoever holds the shell changes them.
        let wish = |role: &str| EditKey {
            grants: Some(Wish { roles: vec![(role.parse().unwrap(), Resources::All)], scopes: Vec::new() }),
            ..EditKey::default()
        };
        let (shell, id) = (Caller::shell(organization), member.key.parse().unwrap());
        let refused = house.authority.edit_key(&shell, id, wish(ADMINISTRATOR), None).await.unwrap_err();
        assert!(matches!(refused, Failure::Refused(Refusal::Invalid { member: "grants", .. })), "{refused:?}");
        let told = refresh(&house, &member).await.json();
        assert_eq!(told["permissions"][0]["roleId"], MEMBER);
        assert_eq!(told["permissions"].as_array().unwrap().len(), 1);
    }

    async fn a_refresh_that_is_due_is_told_on_day_fifty_and_a_lapse_on_day_sixty(database: Database) {
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Due").await;
        let pair = admin(&house, organization).await;
        for (seconds, expected) in [(50 * DAY - 1, &[][..]), (1, &["refresh_due"]), (0, &["refresh_due"])] {
            house.pass(seconds).await;
            house.authority.raise_due_notices(None).await.unwrap();
            assert_eq!(notices(&house, organization).await, expected, "{seconds}");
        }
        // A refresh begins the sixty days anew.
        refreshed(&house, &pair).await;
        for (seconds, expected) in [
            (50 * DAY - 1, &["refresh_due"][..]),
            (1, &["refresh_due", "refresh_due"]),
            (10 * DAY, &["refresh_due", "refresh_due", "refresh_lapsed"]),
        ] {
            house.pass(seconds).await;
            house.authority.raise_due_notices(None).await.unwrap();
            let told: Vec<String> = notices(&house, organization).await.into_iter().filter(|kind| kind != "unused").collect();
            assert_eq!(told, expected, "{seconds}");
        }
    }
}

/// A manager with a managed organization, a stranger, and keys in each; gives what transcripts know of them.
pub(crate) async fn inhabit(house: &House, name: &str) -> BTreeMap<String, String> {
    let org = manager(house, name).await;
    let branch = managed(house, &format!("{name} branch"), org).await;
    let stranger = house.organization(&format!("{name} stranger")).await;
    let narrow = custom_role(house, org, "Keys-only", &["platform.apikeys:read"]).await;
    let mut known = BTreeMap::from([
        ("name".to_owned(), name.to_owned()),
        ("org".to_owned(), org.to_string()),
        ("branch".to_owned(), branch.to_string()),
        ("stranger".to_owned(), stranger.to_string()),
        ("narrow_role".to_owned(), narrow.to_string()),
        ("member_role".to_owned(), MEMBER.to_owned()),
        ("admin_role".to_owned(), ADMINISTRATOR.to_owned()),
    ]);
    let foreign = house.key(
        org,
        "sample",
        Kind::Static,
        "foreign",
        &["sample.orders:read"],
    );
    if let Shown::Static { secret } = &foreign.await.shown {
        known.insert("foreign".to_owned(), secret.expose().to_owned());
    }
    let narrow = narrow.to_string();
    for (who, organization, role) in [
        ("admin", org, ADMINISTRATOR),
        ("member", org, MEMBER),
        ("narrow", org, narrow.as_str()),
        ("branch_admin", branch, ADMINISTRATOR),
        ("stranger_admin", stranger, ADMINISTRATOR),
    ] {
        let pair = generate(house, organization, who, &[role], Expiry::Never).await;
        known.insert(format!("{who}_key"), pair.key);
        known.insert(format!("{who}_access"), pair.access);
        known.insert(format!("{who}_refresh"), pair.refresh);
    }
    known
}
