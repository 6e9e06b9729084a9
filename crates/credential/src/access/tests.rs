use proptest::prelude::*;

use super::*;
use crate::grant::ScopeGrant;
use crate::name::{Comment, RoleName};
use crate::time::Instant;

const DOTTED: Algebra = Algebra::Dotted {
    ignore_case: false,
    write_covers_read: false,
};

#[test]
fn a_scope_held_for_some_resources_is_not_held_for_others_nor_for_all() {
    let rights = rights("reports:read", &listed("account", &["a1", "a2"]));
    let ask = |wanted: &str, resource| rights.allows(&scope(wanted), resource);
    assert_eq!(ask("reports.usage:read", Some("account:a1")), Allowed::Yes);
    assert_eq!(
        ask("reports.usage:read", Some("account:a3")),
        Allowed::ResourceNotAllowed
    );
    assert_eq!(
        ask("reports.usage:read", Some("group:a1")),
        Allowed::ResourceNotAllowed
    );
    assert_eq!(
        ask("reports.usage:read", Some("a1")),
        Allowed::ResourceNotAllowed
    );
    assert_eq!(
        ask("reports.usage:read", Some("")),
        Allowed::ResourceNotAllowed
    );
    assert_eq!(ask("reports.usage:read", None), Allowed::ResourceNotAllowed);
    assert_eq!(
        ask("admin.users:read", Some("account:a1")),
        Allowed::MissingScope
    );
    assert!(rights.reaches("account:a2") && !rights.reaches("account:a3"));
    assert_eq!(
        rights.reach(&scope("reports.usage:read")),
        [&listed("account", &["a1", "a2"])]
    );
    assert!(rights.reach(&scope("admin.users:read")).is_empty());
}

#[test]
fn halves_of_an_access_join_on_the_resources_that_both_reach() {
    let grants = Grants::new(
        Vec::new(),
        vec![
            ScopeGrant {
                scope: scope("casebook:read"),
                resources: Resources::All,
            },
            ScopeGrant {
                scope: scope("casebook:write"),
                resources: listed("account", &["a1"]),
            },
        ],
    );
    let rights = Rights::of(&grants.unwrap(), |_| None, Algebra::Slash);
    assert_eq!(
        rights.allows(&scope("casebook"), Some("account:a1")),
        Allowed::Yes
    );
    assert_eq!(
        rights.allows(&scope("casebook"), Some("account:a2")),
        Allowed::ResourceNotAllowed
    );
    assert_eq!(
        rights.reach(&scope("casebook")),
        [&listed("account", &["a1"])]
    );
}

#[test]
fn a_deleted_role_and_an_unknown_one_are_worth_nothing() {
    let mut reader = role(1, "reports:read");
    let grants = Grants::of_roles([reader.id, role(2, "").id]).unwrap();
    let worth = |role: &Role| Rights::of(&grants, |id| (*id == role.id).then_some(role), DOTTED);
    assert_eq!(worth(&reader).names(), [&scope("reports:read")]);
    reader.deleted = true;
    assert!(worth(&reader).is_empty());
}

#[test]
fn nobody_gives_more_than_it_has() {
    let a1 = listed("account", &["a1"]);
    let both = listed("account", &["a1", "a2"]);
    let check = |own: &Rights, wanted: Rights, expected: bool| {
        assert_eq!(
            ceiling("reports", own.clone()).admits(&product("reports"), &wanted),
            expected,
            "{wanted:?}"
        );
    };
    let everywhere = rights("reports:read", &Resources::All);
    check(
        &everywhere,
        rights("reports.usage:read", &Resources::All),
        true,
    );
    check(&everywhere, rights("reports.usage:read", &a1), true);
    check(&everywhere, rights("reports.usage:write", &a1), false);
    let somewhere = rights("reports:read", &both);
    check(&somewhere, rights("reports.usage:read", &a1), true);
    check(&somewhere, rights("reports.usage:read", &both), true);
    check(
        &somewhere,
        rights("reports.usage:read", &Resources::All),
        false,
    );
    check(
        &somewhere,
        rights("reports.usage:read", &listed("account", &["a1", "a3"])),
        false,
    );
    check(
        &somewhere,
        rights("reports.usage:read", &listed("group", &["a1"])),
        false,
    );
    // What the caller has in one product says nothing about another.
    assert!(
        !ceiling("reports", everywhere).admits(&product("policies"), &rights("reports:read", &a1))
    );
}

#[test]
fn who_may_grant_anything_may_do_so_in_other_products_and_in_its_organization_only() {
    let strong = rights("latchkey.server:operate", &Resources::All);
    let anything = rights("x:write", &Resources::All);
    let admits = |own: Rights, wanted: &Rights, of: &str| {
        ceiling(OWN_PRODUCT, own).admits(&product(of), wanted)
    };
    assert!(admits(
        rights(GRANT_ANY, &Resources::All),
        &anything,
        "secure_access"
    ));
    assert!(!admits(
        rights(GRANT_ANY, &Resources::All),
        &strong,
        OWN_PRODUCT
    ));
    assert!(admits(
        rights(
            GRANT_ANY,
            &listed(ORGANIZATION_KIND, &[&home().to_string()])
        ),
        &anything,
        "secure_access"
    ));
    assert!(!admits(
        rights(GRANT_ANY, &listed(ORGANIZATION_KIND, &["other"])),
        &anything,
        "secure_access"
    ));
    assert!(!admits(
        rights("latchkey.keys:create", &Resources::All),
        &anything,
        "secure_access"
    ));
    // The scope has its meaning in its own product only.
    assert!(
        !ceiling("reports", rights(GRANT_ANY, &Resources::All))
            .admits(&product("secure_access"), &anything)
    );
    assert!(Ceiling::unbounded().admits(&product(OWN_PRODUCT), &strong));
}

#[test]
fn a_caller_sees_the_roles_that_it_could_give_away() {
    let member = role(1, "");
    let reader = role(2, "reports.usage:read");
    let administrator = role(3, "reports:read admin:write");
    let mut gone = role(4, "reports.usage:read");
    gone.deleted = true;
    let roles = [member, reader, administrator, gone];
    let seen = |ceiling: &Ceiling| -> Vec<u8> {
        visible_roles(ceiling, &roles)
            .map(|role| role.id.as_bytes()[15])
            .collect()
    };
    assert_eq!(
        seen(&ceiling("reports", rights("reports:read", &Resources::All))),
        [1, 2]
    );
    assert_eq!(
        seen(&ceiling(
            "reports",
            rights("reports:read", &listed("account", &["a1"]))
        )),
        [1, 2]
    );
    assert_eq!(
        seen(&ceiling(
            "reports",
            rights("reports:read admin:write", &Resources::All)
        )),
        [1, 2, 3]
    );
    assert_eq!(seen(&ceiling("reports", Rights::none(DOTTED))), [1]);
    assert_eq!(
        seen(&ceiling(OWN_PRODUCT, rights(GRANT_ANY, &Resources::All))),
        [1, 2, 3]
    );
}

proptest! {
    #[test]
    fn rights_within_others_allow_nothing_that_the_others_deny((a, b) in pair(), (wanted, resource) in question()) {
        if a.within(&b) && a.allows(&wanted, resource.as_deref()) == Allowed::Yes {
            prop_assert_eq!(b.allows(&wanted, resource.as_deref()), Allowed::Yes);
        }
        prop_assert!(a.within(&a));
        prop_assert!(Rights::none(a.algebra()).within(&a));
    }

    #[test]
    fn an_intersection_allows_what_both_allow_and_nothing_else((a, b) in pair(), (wanted, resource) in question()) {
        let ask = |rights: &Rights| rights.allows(&wanted, resource.as_deref()) == Allowed::Yes;
        let both = a.intersect(&b);
        prop_assert_eq!(ask(&both), ask(&a) && ask(&b));
        prop_assert_eq!(&both, &b.intersect(&a));
        if a.algebra() == DOTTED {
            prop_assert!(both.within(&a) && both.within(&b));
        }
    }

    #[test]
    fn a_reach_tells_on_which_resources_a_scope_is_allowed((a, _) in pair(), (wanted, resource) in question()) {
        let reached = a.reach(&wanted).iter().any(|resources| resources.reach(resource.as_deref()));
        // Lists that overlap may allow a little more together than any of them alone.
        prop_assert!(!reached || a.allows(&wanted, resource.as_deref()) == Allowed::Yes);
    }

    #[test]
    fn what_is_reached_is_exactly_what_each_scope_is_allowed_on(
        (a, _) in pair(),
        asked in proptest::collection::vec(question(), 0..3),
    ) {
        let wanted: Vec<Scope> = asked.into_iter().map(|(scope, _)| scope).collect();
        let reached = a.reached(&wanted);
        for resource in [None, Some("account:x"), Some("account:y"), Some("account:z"), Some("group:x"), Some("group:y")] {
            let listed = match (&reached, resource) {
                (Reached::All, _) => true,
                (Reached::Listed(_), None) => false,
                (Reached::Listed(listed), Some(resource)) => listed.iter().any(|known| known == resource),
            };
            let allowed = match (wanted.is_empty(), resource) {
                (true, Some(resource)) => a.reaches(resource),
                (true, None) => a.lines.iter().any(|line| line.resources == Resources::All),
                (false, resource) => wanted.iter().all(|scope| a.allows(scope, resource) == Allowed::Yes),
            };
            prop_assert_eq!(listed, allowed, "{:?} {:?}", &reached, resource);
        }
    }
}

/// Random rights of one algebra. Questions are about one access at a time, see [`Rights::intersect`].
fn pair() -> impl Strategy<Value = (Rights, Rights)> {
    let dotted = (
        some_rights(DOTTED, "[ab](\\.[ab])?:(read|write)"),
        some_rights(DOTTED, "[ab](\\.[ab])?:(read|write)"),
    );
    let slash = (
        some_rights(Algebra::Slash, "[ab](/[ab])?(:(read|write))?"),
        some_rights(Algebra::Slash, "[ab](/[ab])?(:(read|write))?"),
    );
    prop_oneof![dotted, slash]
}

fn some_rights(algebra: Algebra, text: &'static str) -> impl Strategy<Value = Rights> {
    let resources = prop_oneof![
        Just(Resources::All),
        proptest::collection::btree_set("[xyz]", 1..3)
            .prop_map(|ids| Resources::listed("account", ids).unwrap()),
        Just(listed("group", &["x"])),
    ];
    let grant = (text, resources).prop_map(|(text, resources)| ScopeGrant {
        scope: scope(&text),
        resources,
    });
    proptest::collection::vec(grant, 0..5).prop_map(move |grants| {
        Rights::of(&Grants::new(Vec::new(), grants).unwrap(), |_| None, algebra)
    })
}

fn question() -> impl Strategy<Value = (Scope, Option<String>)> {
    let wanted = "[ab]([./][ab])?:(read|write)".prop_map(|text| scope(&text));
    (wanted, proptest::option::of("(account|group):[xyz]"))
}

fn ceiling(product_name: &str, own: Rights) -> Ceiling {
    Ceiling::of([(product(product_name), own)], home())
}

fn home() -> OrganizationId {
    OrganizationId::mint(Instant::from_millis(1), [7; 16])
}

fn rights(scopes: &str, resources: &Resources) -> Rights {
    Rights::of_scopes(
        &scopes.split_whitespace().map(scope).collect::<Vec<_>>(),
        resources,
        DOTTED,
    )
}

fn role(number: u8, scopes: &str) -> Role {
    let mut id = [0; 16];
    id[15] = number;
    Role {
        id: RoleId::from_bytes(id),
        organization: None,
        product: product("reports"),
        name: RoleName::new("Some role").unwrap(),
        description: Comment::default(),
        scopes: scopes.split_whitespace().map(scope).collect(),
        deleted: false,
        version: 1,
    }
}

fn listed(kind: &str, ids: &[&str]) -> Resources {
    Resources::listed(kind, ids.iter().map(|id| (*id).to_owned())).unwrap()
}

fn product(name: &str) -> ProductName {
    ProductName::new(name).unwrap()
}

fn scope(text: &str) -> Scope {
    Scope::new(text).unwrap()
}
