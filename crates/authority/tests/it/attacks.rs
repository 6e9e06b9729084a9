//! What somebody tries who has a little and wants more.

use authority::keys::{BulkAction, CreateKey, KeyFilter, KeyOrder, Outcome, Shown};
use authority::organizations::CreateOrganization;
use authority::tokens::TokenRequest;
use authority::users::CreateUser;
use authority::verify::{Presented, Question};
use authority::{Caller, Failure, Idempotency, Refusal};
use credential::grant::Resources;
use credential::key::{Denial, Kind};
use credential::name::ProductName;
use credential::organization::{Email, OrganizationKind};
use credential::time::Span;

use crate::people::{ADMINISTRATOR, name, role};
use crate::rig::{Rig, ask, authority_on, secret};

const CREATE: &str = "latchkey.keys:create";
const ROTATE: &str = "latchkey.keys:rotate";
const READ: &str = "latchkey.keys:read";

fn product(name: &str) -> ProductName {
    ProductName::new(name).unwrap()
}

fn of(rig: &Rig, of: &str, kind: Kind, name: &str, scopes: &[&str]) -> CreateKey {
    CreateKey {
        product: product(of),
        ..rig.command(kind, name, scopes)
    }
}

async fn rotate(rig: &Rig, caller: &Caller, id: credential::id::KeyId) -> Result<(), Failure> {
    let overlap = Some(Span::ZERO);
    let rotated = rig
        .authority
        .rotate_key(caller, id, overlap, None, None, |_| Vec::new());
    rotated.await.map(drop)
}

/// The client's id and secret, and a token of it that carries these scopes.
async fn token_of(
    rig: &Rig,
    issued: &authority::keys::Issued,
    scopes: Option<&[&str]>,
) -> (String, String, String) {
    let Shown::Client {
        client_id,
        client_secret,
    } = &issued.shown
    else {
        panic!("not a client")
    };
    let request = TokenRequest {
        client_id,
        client_secret: client_secret.expose(),
        scopes,
        lenient: false,
        from: None,
        product: None,
        organization: None,
        request_id: "r",
    };
    let token = rig
        .authority
        .issue_token(&request, |key, _| key.id.to_string())
        .await
        .unwrap()
        .unwrap_or_else(|_| panic!("the client is good"));
    (
        client_id.clone(),
        client_secret.expose().to_owned(),
        token.token.expose().to_owned(),
    )
}

async fn caller(rig: &Rig, credential: &str) -> Caller {
    let question = Question::bearer(credential);
    rig.authority.caller(&question, "request").await.unwrap().0
}

#[track_caller]
fn restricted<T>(result: Result<T, Failure>) {
    match result.map(drop) {
        Err(Failure::Refused(Refusal::Restricted)) => {}
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[track_caller]
fn beyond<T>(result: Result<T, Failure>) {
    match result.map(drop) {
        Err(Failure::Refused(Refusal::Ceiling(_))) => {}
        other => panic!("expected a refusal, got {other:?}"),
    }
}

testkit::on_each_engine! {
    async fn the_secret_of_a_stronger_key_is_not_replaced_by_a_weaker_one(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let weak = rig.admin(&[READ, ROTATE]).await;
        let strong = rig.create_with(of(&rig, "latchkey", Kind::Static, "strong", &[READ, ROTATE, CREATE])).await.unwrap();
        beyond(rotate(&rig, &weak, strong.key.id).await);
        let foreign = rig.create(Kind::Static, "foreign", &["sample.orders:read"]).await;
        beyond(rotate(&rig, &weak, foreign.key.id).await);
        assert_eq!(ask(&rig.authority, secret(&strong), &[CREATE]).await, Ok(()));
        let equal = rig.create_with(of(&rig, "latchkey", Kind::Static, "equal", &[READ])).await.unwrap();
        rotate(&rig, &weak, equal.key.id).await.unwrap();
    }

    async fn a_lesser_token_does_not_fetch_the_answer_that_a_greater_one_was_given(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let scopes = ["latchkey.grant.any", CREATE, READ];
        let admin = rig.create_with(of(&rig, "latchkey", Kind::Client, "admin", &scopes)).await.unwrap();
        let create = |caller: Caller| {
            let command = of(&rig, "sample", Kind::Static, "made", &["sample.orders:read"]);
            let idempotency = Some(Idempotency { key: "k".to_owned(), request: [1; 32] });
            let authority = &rig.authority;
            async move { authority.create_key(&caller, command, idempotency, |_| b"secret".to_vec()).await }
        };
        let (_, _, whole) = token_of(&rig, &admin, None).await;
        assert!(matches!(create(caller(&rig, &whole).await).await.unwrap(), Outcome::New(_)));
        let (_, _, again) = token_of(&rig, &admin, None).await;
        assert!(matches!(create(caller(&rig, &again).await).await.unwrap(), Outcome::Repeat(_)));
        let (_, _, lesser) = token_of(&rig, &admin, Some(&[CREATE])).await;
        beyond(create(caller(&rig, &lesser).await).await);
    }

    async fn a_token_does_not_become_the_secret_of_its_client(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let client = rig.create(Kind::Client, "client", &["sample.orders:read", "sample.orders:write"]).await;
        let (id, client_secret, token) = token_of(&rig, &client, Some(&["sample.orders:read"])).await;
        let by_token = caller(&rig, &token).await;
        assert!(rotate(&rig, &by_token, client.key.id).await.is_err());
        let admin = rig.create_with(of(&rig, "latchkey", Kind::Client, "admin", &[READ, ROTATE, CREATE])).await.unwrap();
        let (_, _, narrow) = token_of(&rig, &admin, Some(&[READ, ROTATE])).await;
        beyond(rotate(&rig, &caller(&rig, &narrow).await, admin.key.id).await);

        let question = Question {
            credential: Presented::Pair { id: &id, secret: &client_secret },
            ..Question::bearer("")
        };
        let itself = rig.authority.caller(&question, "request").await.unwrap().0;
        rotate(&rig, &itself, client.key.id).await.unwrap();
        restricted(rotate(&rig, &itself, client.key.id).await);
    }

    async fn a_token_or_secret_that_ended_while_its_request_was_under_way_changes_nothing(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let admin = rig.create_with(of(&rig, "latchkey", Kind::Client, "admin", &[READ, CREATE])).await.unwrap();
        let (_, _, token) = token_of(&rig, &admin, None).await;
        let by_token = caller(&rig, &token).await;
        let wanted = || of(&rig, "latchkey", Kind::Static, "made", &[READ]);
        rig.create_as(&by_token, wanted()).await.unwrap();
        rig.authority.revoke_held_token(&token, None, "r").await.unwrap();
        restricted(rig.create_as(&by_token, wanted()).await);

        let pair = rig.create_with(of(&rig, "latchkey", Kind::TokenPair, "pair", &[READ, CREATE])).await.unwrap();
        let Shown::TokenPair { access_token, .. } = &pair.shown else { panic!("not a pair") };
        let by_family = caller(&rig, access_token.expose()).await;
        rig.create_as(&by_family, wanted()).await.unwrap();
        rig.authority.revoke_held_token(access_token.expose(), None, "r").await.unwrap();
        restricted(rig.create_as(&by_family, wanted()).await);

        let key = rig.create_with(of(&rig, "latchkey", Kind::Static, "key", &[READ, CREATE])).await.unwrap();
        let by_secret = caller(&rig, secret(&key)).await;
        rotate(&rig, &rig.shell(), key.key.id).await.unwrap();
        restricted(rig.create_as(&by_secret, wanted()).await);
    }

    async fn who_may_give_anything_of_a_product_still_does_not_make_its_administrators(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let giver = rig.admin(&[READ, CREATE, "latchkey.grant.any"]).await;
        let wanted = |scopes: &[&str]| of(&rig, "secure_access", Kind::Client, scopes[0], scopes);
        rig.create_as(&giver, wanted(&["admin.apikeys:create"])).await.unwrap();
        beyond(rig.create_as(&giver, wanted(&["admin.apikeys:delete"])).await);
        rig.create_as(&rig.admin(&[CREATE, "latchkey.keys:revoke", "latchkey.grant.any"]).await, wanted(&["admin.apikeys:delete"])).await.unwrap();
    }

    async fn a_key_administrator_of_a_product_reaches_no_other_in_bulk_either(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let all = ["admin.apikeys:read", "admin.apikeys:delete", "admin.apikeys:update"];
        let one = rig.create_with(of(&rig, "secure_access", Kind::Client, "one", &all)).await.unwrap();
        let other = rig.create_with(of(&rig, "secure_access", Kind::Client, "other", &all)).await.unwrap();
        let plain = rig.create_with(of(&rig, "secure_access", Kind::Client, "plain", &["admin.vpn:read"])).await.unwrap();
        let (_, _, token) = token_of(&rig, &one, None).await;
        let caller = caller(&rig, &token).await;
        let filter = KeyFilter { product: Some(product("secure_access")), ..KeyFilter::of(rig.organization) };
        let seen = rig.authority.keys(&caller, filter.clone(), KeyOrder::Oldest, None, 100).await.unwrap();
        assert_eq!(seen.iter().map(|key| key.id).collect::<Vec<_>>(), [plain.key.id]);
        let revoked = rig.authority.change_keys(&caller, filter, BulkAction::Revoke, false).await.unwrap();
        assert_eq!(revoked.keys, [plain.key.id]);
        assert!(!rig.authority.key(&rig.shell(), other.key.id).await.unwrap().is_revoked());
    }

    async fn a_token_names_no_administration_that_its_key_was_not_given_by_name(database: testkit::Database) {
        // Where a key may do both, which this product has forbidden by itself.
        let only = "administers_only = true\n";
        let rig = Rig::altered_in(&database, "secure_access.toml", only, "").await;
        let wide = rig.create_with(of(&rig, "secure_access", Kind::Client, "wide", &["admin:read"])).await.unwrap();
        let (_, _, token) = token_of(&rig, &wide, Some(&["admin.apikeys:read"])).await;
        let by_token = caller(&rig, &token).await;
        let filter = KeyFilter { product: Some(product("secure_access")), ..KeyFilter::of(rig.organization) };
        assert!(rig.authority.keys(&by_token, filter, KeyOrder::Oldest, None, 100).await.is_err());
        let giver = rig.admin(&[CREATE, "latchkey.grant.any"]).await;
        let both = of(&rig, "secure_access", Kind::Client, "both", &["admin:read", "admin.apikeys:read"]);
        beyond(rig.create_as(&giver, both).await);
    }

    async fn nobody_makes_a_key_that_acts_in_another_persons_name(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let person = CreateUser {
            organization: None,
            email: Email::new("boss@example.com").unwrap(),
            name: name("Boss"),
            roles: vec![(role(ADMINISTRATOR), Resources::All)],
        };
        let boss = rig.authority.create_user(&rig.shell(), person).await.unwrap().value;
        let wanted = || CreateKey { owner: Some(boss.id), ..of(&rig, "latchkey", Kind::Static, "in disguise", &[READ]) };
        let refused = rig.create_as(&rig.admin(&[READ, CREATE, "latchkey.users:read"]).await, wanted()).await;
        assert!(matches!(refused.map(drop), Err(Failure::Refused(Refusal::Forbidden { .. }))));
        let made = rig.create_as(&rig.admin(&[READ, CREATE, "latchkey.users:write"]).await, wanted()).await.unwrap();
        let rotated = rotate(&rig, &rig.admin(&[READ, ROTATE]).await, made.key.id).await;
        assert!(matches!(rotated, Err(Failure::Refused(Refusal::Forbidden { .. }))));
    }

    async fn a_key_may_end_itself(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let key = rig.create_with(of(&rig, "latchkey", Kind::Static, "leaked", &[READ, "latchkey.keys:revoke"])).await.unwrap();
        let itself = caller(&rig, secret(&key)).await;
        rig.authority.revoke_key(&itself, key.key.id, None).await.unwrap();
        assert_eq!(ask(&rig.authority, secret(&key), &[]).await, Err(Denial::Revoked));
        let other = rig.create(Kind::Static, "other", &["sample.orders:read"]).await;
        assert!(rig.authority.revoke_key(&itself, other.key.id, None).await.is_err());
    }

    async fn a_count_that_was_set_back_makes_nobody_the_operator(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let manager = CreateOrganization { name: name("Manager"), kind: OrganizationKind::Manager, parent: None };
        let manager = rig.authority.create_organization(&rig.shell(), manager).await.unwrap().value;
        let scopes = ["latchkey.organizations:read", "latchkey.organizations:write"];
        let admin = CreateKey { organization: Some(manager.id), ..of(&rig, "latchkey", Kind::Static, "admin", &scopes) };
        let admin = rig.create_with(admin).await.unwrap();
        let by = caller(&rig, secret(&admin)).await;
        rig.authority
            .store()
            .db()
            .write(|tx| -> Result<(), store::Fault> {
                tx.execute("UPDATE organization SET number = 77 WHERE number = 1", store::args![])?;
                tx.execute("UPDATE counter SET number = 0", store::args![])?;
                Ok(())
            })
            .await
            .unwrap();
        let managed = CreateOrganization { name: name("Managed"), kind: OrganizationKind::Managed, parent: None };
        let refused = rig.authority.create_organization(&by, managed).await.map(drop);
        assert!(matches!(refused, Err(Failure::Refused(Refusal::Conflict(_)))), "{refused:?}");
    }

    async fn a_page_full_of_rows_edited_by_hand_stops_nobody(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let many = (0..1000).map(|number| rig.command(Kind::Signed, &format!("key {number}"), &["sample.orders:read"])).collect();
        rig.authority.create_keys(&rig.shell(), many).await.unwrap();
        let last = rig.create(Kind::Static, "last", &["sample.orders:read"]).await;
        let id = last.key.id.to_string();
        rig.authority
            .store()
            .db()
            .write(move |tx| -> Result<(), store::Fault> {
                tx.execute("UPDATE api_key SET comment = 'x' WHERE id <> $1", store::args![&id])?;
                Ok(())
            })
            .await
            .unwrap();
        let filter = KeyFilter { product: Some(product("sample")), ..KeyFilter::of(rig.organization) };
        let shell = rig.shell();
        let revoke = rig.authority.change_keys(&shell, filter, BulkAction::Revoke, false);
        let revoked = tokio::time::timeout(std::time::Duration::from_secs(60), revoke).await.unwrap().unwrap();
        assert_eq!(revoked.keys, [last.key.id]);
    }

    async fn a_world_full_of_rows_edited_by_hand_is_still_read(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let now = rig.now();
        let organization = rig.organization;
        let make = move |change: &mut store::Change<'_>| {
            for number in 0..1001_u32 {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&number.to_be_bytes());
                let user = credential::organization::User {
                    id: credential::id::UserId::from_bytes(bytes),
                    organization,
                    email: Email::new(&format!("u{number}@example.com")).unwrap(),
                    name: name("Somebody"),
                    roles: Vec::new(),
                    active: true,
                    created_at: now,
                    version: 1,
                };
                change.insert_user(&user, credential::event::Action::UserCreated, "{}")?;
            }
            Ok::<(), Failure>(())
        };
        rig.authority.store().change(credential::event::Actor::SYSTEM, now, |_| Ok(()), make).await.unwrap();
        rig.authority
            .store()
            .db()
            .write(|tx| -> Result<(), store::Fault> {
                let sql = "UPDATE person SET name = 'x' WHERE email <> 'u1000@example.com'";
                tx.execute(sql, store::args![])?;
                Ok(())
            })
            .await
            .unwrap();
        let open = authority_on(&database, std::sync::Arc::clone(&rig.clock), 9);
        let fresh = tokio::time::timeout(std::time::Duration::from_secs(60), open).await.unwrap();
        assert!(fresh.is_fresh());
    }
}
