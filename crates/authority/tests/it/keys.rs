//! Keys from creation to their end.

use authority::keys::{EditKey, Expiry, Outcome, Shown};
use authority::verify::Question;
use authority::{Failure, Idempotency, Refusal};
use credential::event::{Action, Actor};
use credential::grant::Resources;
use credential::key::{Addresses, Denial, ExpiryChange, Kind, Maker};
use credential::scope::Scope;
use credential::time::Span;

use crate::rig::{Rig, ask, ask_pair, secret};

const READ: &str = "sample.orders:read";
const WRITE: &str = "sample.orders:write";

testkit::on_each_engine! {
    async fn a_key_is_good_for_what_it_was_given_and_nothing_else(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let issued = rig.create(Kind::Static, "reader", &[READ]).await;
        assert_eq!(ask(&rig.authority, secret(&issued), &[READ]).await, Ok(()));
        let lacks = Denial::Scope(Scope::new(WRITE).unwrap());
        assert_eq!(ask(&rig.authority, secret(&issued), &[READ, WRITE]).await, Err(lacks));
        let mut wrong = secret(&issued).to_owned();
        wrong.pop();
        assert_eq!(ask(&rig.authority, &wrong, &[]).await, Err(Denial::Unknown));
    }

    async fn junk_and_forgeries_never_reach_the_store(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let issued = rig.create(Kind::Static, "one", &[READ]).await;
        let reads = rig.authority.store().db().counts().reads;
        let genuine = secret(&issued).to_owned();
        for place in 0..genuine.len() {
            let mut changed = genuine.clone().into_bytes();
            changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(ask(&rig.authority, &changed, &[]).await, Err(Denial::Unknown));
        }
        assert_eq!(rig.authority.store().db().counts().reads, reads);
    }

    async fn each_transition_is_in_force_when_it_returns(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let issued = rig.create(Kind::Static, "one", &[READ]).await;
        let (authority, id, credential) = (&rig.authority, issued.key.id, secret(&issued));
        assert_eq!(ask(authority, credential, &[]).await, Ok(()));
        authority.disable_key(&rig.shell(), id, None).await.unwrap();
        assert_eq!(ask(authority, credential, &[]).await, Err(Denial::Disabled));
        authority.enable_key(&rig.shell(), id, None).await.unwrap();
        assert_eq!(ask(authority, credential, &[]).await, Ok(()));
        let edit = EditKey { expiry: Some(ExpiryChange::At(rig.now() + Span::from_secs(10))), ..EditKey::default() };
        authority.edit_key(&rig.shell(), id, edit, None).await.unwrap();
        assert_eq!(ask(authority, credential, &[]).await, Ok(()));
        rig.pass(Span::from_secs(10)).await;
        assert_eq!(ask(authority, credential, &[]).await, Err(Denial::Expired));
        authority.revoke_key(&rig.shell(), id, None).await.unwrap();
        assert_eq!(ask(authority, credential, &[]).await, Err(Denial::Revoked));
        let again = authority.enable_key(&rig.shell(), id, None).await.unwrap_err();
        assert!(matches!(again, Failure::Refused(Refusal::Key(credential::key::Refusal::Revoked))), "{again}");
    }

    async fn rotation_keeps_both_secrets_for_the_overlap_and_no_longer(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let issued = rig.create(Kind::Static, "one", &[READ]).await;
        let overlap = Some(Span::from_minutes(5));
        let rotated = rig
            .authority
            .rotate_key(&rig.shell(), issued.key.id, overlap, None, None, |_| Vec::new())
            .await
            .unwrap();
        let Outcome::New(rotated) = rotated else { panic!("nothing was repeated") };
        assert_eq!(rotated.key.id, issued.key.id);
        assert_eq!(ask(&rig.authority, secret(&issued), &[]).await, Ok(()));
        assert_eq!(ask(&rig.authority, secret(&rotated), &[]).await, Ok(()));
        rig.pass(Span::from_minutes(5)).await;
        assert_eq!(ask(&rig.authority, secret(&issued), &[]).await, Err(Denial::Unknown));
        assert_eq!(ask(&rig.authority, secret(&rotated), &[]).await, Ok(()));
    }

    async fn a_listed_address_is_asked_for_and_unknown_ones_are_not_on_the_list(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let mut command = rig.command(Kind::Static, "here", &[READ]);
        command.addresses = Addresses::parse(["10.0.0.0/8"]).unwrap();
        let issued = rig.create_with(command).await.unwrap();
        for (from, expected) in [
            (None, Err(Denial::Address)),
            (Some("10.1.2.3"), Ok(())),
            (Some("::ffff:10.1.2.3"), Ok(())),
            (Some("11.1.2.3"), Err(Denial::Address)),
        ] {
            let from = from.map(|text| text.parse().unwrap());
            let question = Question { from, ..Question::bearer(secret(&issued)) };
            let answer = rig.authority.verify(&question).await.unwrap();
            assert_eq!(answer.verdict.map(drop), expected, "{from:?}");
        }
    }

    async fn a_resource_scope_reaches_what_it_lists(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let mut command = rig.command(Kind::Static, "one account", &[]);
        let one = Resources::listed("account", ["a1".to_owned()]).unwrap();
        command.grants.scopes.push((READ.to_owned(), one));
        let issued = rig.create_with(command).await.unwrap();
        let scopes = [Scope::new(READ).unwrap()];
        for (resource, expected) in [
            (Some("account:a1"), Ok(())),
            (Some("account:a2"), Err(Denial::Resource)),
            (None, Err(Denial::Resource)),
        ] {
            let question = Question { scopes: &scopes, resource, ..Question::bearer(secret(&issued)) };
            let answer = rig.authority.verify(&question).await.unwrap();
            assert_eq!(answer.verdict.map(drop), expected, "{resource:?}");
        }
    }

    async fn a_repeated_creation_gives_the_same_answer_and_happens_once(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let idempotency = |request| Some(Idempotency { key: "k".to_owned(), request: [request; 32] });
        let shell = rig.shell();
        let create = |request| {
            let command = rig.command(Kind::Static, "one", &[READ]);
            let render = |issued: &authority::keys::Issued| secret(issued).as_bytes().to_vec();
            rig.authority.create_key(&shell, command, idempotency(request), render)
        };
        let Outcome::New(first) = create(1).await.unwrap() else { panic!("this was the first") };
        let Outcome::Repeat(body) = create(1).await.unwrap() else { panic!("this was the second") };
        assert_eq!(body, secret(&first).as_bytes());
        let used = |failure: Failure| matches!(failure, Failure::Refused(Refusal::IdempotencyKeyUsed));
        assert!(used(create(2).await.map(drop).unwrap_err()), "another request");
        rig.pass(Span::from_minutes(11)).await;
        assert!(used(create(1).await.map(drop).unwrap_err()), "too late");
    }

    async fn a_key_never_exceeds_its_creator(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let small = rig.admin(&["latchkey.keys:create", "latchkey.keys:read"]).await;
        let refused = rig.create_as(&small, rig.command(Kind::Static, "x", &[READ])).await.map(drop).unwrap_err();
        assert!(matches!(refused, Failure::Refused(Refusal::Ceiling(_))), "{refused}");
        let large = rig.admin(&["latchkey.keys:create", "latchkey.grant.any"]).await;
        assert!(rig.create_as(&large, rig.command(Kind::Static, "y", &[READ])).await.is_ok());
    }

    async fn a_caller_that_was_revoked_meanwhile_changes_nothing(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let caller = rig.admin(&["latchkey.keys:create", "latchkey.grant.any"]).await;
        // The row is revoked, and this process has not heard of it when the call comes.
        let (id, now) = (caller.key().unwrap(), rig.now());
        let revoke = move |key: credential::key::Key| key.revoke(Maker::System, now).map_err(Failure::from);
        let store = rig.authority.store();
        store.change_key(Actor::SYSTEM, now, id, Action::KeyRevoked, "{}", revoke).await.unwrap();
        let late = rig.create_as(&caller, rig.command(Kind::Static, "late", &[READ])).await.map(drop);
        assert!(matches!(late, Err(Failure::Refused(Refusal::Restricted))), "{late:?}");
    }

    async fn a_client_proves_itself_with_its_own_pair_only(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let one = rig.create(Kind::Client, "one", &[READ]).await;
        let two = rig.create(Kind::Client, "two", &[READ]).await;
        let pair = |issued: &authority::keys::Issued| match &issued.shown {
            Shown::Client { client_id, client_secret } => (client_id.clone(), client_secret.expose().to_owned()),
            _ => panic!("not a client"),
        };
        let ((id, good), (_, other)) = (pair(&one), pair(&two));
        assert_eq!(ask_pair(&rig.authority, &id, &good).await, Ok(()));
        assert_eq!(ask_pair(&rig.authority, &id, &other).await, Err(Denial::Unknown));
        assert_eq!(ask(&rig.authority, &good, &[]).await, Err(Denial::Unknown), "a client's secret is no bearer");
    }

    async fn an_expiry_in_the_past_is_refused(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let mut command = rig.command(Kind::Static, "late", &[READ]);
        command.expiry = Expiry::At(rig.now());
        assert!(rig.create_with(command).await.is_err());
    }
}
