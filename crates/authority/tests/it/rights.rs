//! The law of ceilings, through the use cases: whatever roles and scopes a caller has, what it can list, give and make is
//! never above its own rights.

use std::collections::BTreeSet;

use authority::roles::{CreateRole, RoleFilter};
use authority::users::CreateUser;
use authority::{Failure, Refusal};
use credential::access::{OWN_PRODUCT, Rights};
use credential::grant::Resources;
use credential::key::Kind;
use credential::name::{Comment, ProductName, RoleName};
use credential::organization::Email;
use credential::scope::Scope;
use testkit::{Database, Random, with_seed};

use crate::people::{KEY_MANAGER, name, person, role as role_id};
use crate::rig::Rig;

/// What every caller of these worlds has, to be able to ask at all.
const ASKS: [&str; 6] = [
    "latchkey.roles:read",
    "latchkey.roles:write",
    "latchkey.keys:create",
    "latchkey.keys:read",
    "latchkey.users:write",
    "latchkey.products:read",
];
/// What some have besides. Without `latchkey.grant.any`, which lifts the ceiling of other products.
const SOME: [&str; 8] = [
    "latchkey.verify",
    "latchkey.introspect",
    "latchkey.gateway",
    "latchkey.audit:read",
    "latchkey.notices:read",
    "latchkey.keys:revoke",
    "latchkey.organizations:read",
    "latchkey.settings:write",
];
const WORLDS: usize = 12;
const ROLES: usize = 5;
const TRIES: usize = 6;

#[test]
fn what_a_caller_lists_gives_and_makes_is_never_above_its_own_rights() {
    with_seed(|random| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for _ in 0..WORLDS {
                world(random).await;
            }
        });
    });
}

async fn world(random: &mut Random) {
    let database = Database::sqlite();
    let rig = Rig::open(&database).await;
    let own: Vec<&str> = ASKS.into_iter().chain(some(random)).collect();
    let caller = rig.admin(&own).await;
    let algebra = rig.authority.world().product(&latchkey()).unwrap().algebra;
    let rights = Rights::of_scopes(&scopes(&own), &Resources::All, algebra);
    let is_within = |wanted: &[&str]| {
        Rights::of_scopes(&scopes(wanted), &Resources::All, algebra).within(&rights)
    };

    for number in 0..ROLES {
        let wanted = role(&format!("Role {number}"), &random_scopes(random));
        rig.authority
            .create_role(&rig.shell(), wanted)
            .await
            .unwrap();
    }

    // Lists: exactly the roles within.
    let page = rig
        .authority
        .roles(&caller, RoleFilter::default(), None, 100)
        .await
        .unwrap();
    let listed: BTreeSet<_> = page.iter().map(|role| role.id).collect();
    let known = rig.authority.world();
    let everything = rig
        .authority
        .roles(&rig.shell(), RoleFilter::default(), None, 100)
        .await
        .unwrap();
    for role in &everything {
        let product = known.product(&role.product).unwrap();
        let worth = Rights::of_role(role, &Resources::All, product.algebra);
        let within = role.product == latchkey() && worth.within(&rights);
        assert_eq!(
            listed.contains(&role.id),
            within,
            "{} of {}",
            role.name,
            role.product
        );
        assert_eq!(
            rig.authority.role(&caller, role.id).await.is_ok(),
            within,
            "{}",
            role.name
        );

        // Gives: exactly those, to keys and to people.
        let mut command = rig.command(Kind::Static, "key", &[]);
        command.product = role.product.clone();
        command.grants.roles.push((role.id, Resources::All));
        let offers_static = product.kinds.contains(&Kind::Static);
        if offers_static {
            told(
                within,
                rig.create_as(&caller, command).await.map(drop),
                role.name.as_str(),
            );
        }
        let email = Email::new(&format!("{}@example.com", role.id)).unwrap();
        let person = CreateUser {
            organization: None,
            email,
            name: name("Somebody"),
            roles: vec![(role.id, Resources::All)],
        };
        told(
            within,
            rig.authority.create_user(&caller, person).await.map(drop),
            role.name.as_str(),
        );
    }

    // Makes: exactly what is within.
    for number in 0..TRIES {
        let wanted = random_scopes(random);
        let made = rig
            .authority
            .create_role(&caller, role(&format!("Made {number}"), &wanted))
            .await;
        told(is_within(&wanted), made.map(drop), &wanted.join(" "));
        let mut command = rig.command(Kind::Static, "key", &wanted);
        command.product = latchkey();
        told(
            is_within(&wanted),
            rig.create_as(&caller, command).await.map(drop),
            &wanted.join(" "),
        );
        let foreign = rig.command(Kind::Static, "key", &["sample.orders:read"]);
        told(
            false,
            rig.create_as(&caller, foreign).await.map(drop),
            "another product",
        );
    }
}

/// The built-in roles of product `sample` of which one person has the first.
const READER: &str = "00000000-0000-7000-8000-000000020001";
const EDITOR: &str = "00000000-0000-7000-8000-000000020002";

testkit::on_each_engine! {
    async fn a_person_gives_what_they_have_in_every_product_and_no_more(database: Database) {
        let rig = Rig::open(&database).await;
        let (user, caller) = person(&rig, "ada@example.com", rig.organization, &[KEY_MANAGER, READER]).await;
        let filter = RoleFilter { product: Some(ProductName::new("sample").unwrap()), ..RoleFilter::default() };
        let listed = rig.authority.roles(&caller, filter, None, 100).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|role| role.id.to_string()).collect();
        assert_eq!(listed, [READER]);
        let with = |called: &str, id: &str| {
            let mut command = rig.command(Kind::Static, called, &[]);
            command.grants.roles.push((id.parse().unwrap(), Resources::All));
            command
        };
        told(true, rig.create_as(&caller, with("hers", READER)).await.map(drop), "her own role");
        told(false, rig.create_as(&caller, with("more", EDITOR)).await.map(drop), "a role above hers");
        // What she loses she gives no more.
        let roles = vec![(role_id(KEY_MANAGER), Resources::All)];
        rig.authority.set_user_roles(&rig.shell(), user.id, roles, None).await.unwrap();
        told(false, rig.create_as(&caller, with("late", READER)).await.map(drop), "a role that she lost");
    }
}

#[track_caller]
fn told(may: bool, result: Result<(), Failure>, what: &str) {
    match result {
        Ok(()) => assert!(may, "{what} was beyond and was not refused"),
        Err(Failure::Refused(Refusal::Ceiling(_))) => {
            assert!(!may, "{what} was within and was refused")
        }
        Err(other) => panic!("{what}: {other}"),
    }
}

fn some(random: &mut Random) -> Vec<&'static str> {
    SOME.into_iter().filter(|_| random.once_in(2)).collect()
}

fn random_scopes(random: &mut Random) -> Vec<&'static str> {
    let mut wanted = some(random);
    wanted.retain(|_| !random.once_in(3));
    wanted.push(random.pick::<&'static str>(&ASKS));
    if random.once_in(4) {
        wanted.push("latchkey.server:operate");
    }
    wanted
}

fn role(called: &str, scopes: &[&str]) -> CreateRole {
    CreateRole {
        organization: None,
        product: latchkey(),
        name: RoleName::new(called).unwrap(),
        description: Comment::default(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    }
}

fn scopes(texts: &[&str]) -> Vec<Scope> {
    texts.iter().map(|text| Scope::new(text).unwrap()).collect()
}

fn latchkey() -> ProductName {
    ProductName::new(OWN_PRODUCT).unwrap()
}
