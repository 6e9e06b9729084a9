use proptest::prelude::*;

use super::*;

const SECURE_ACCESS: Algebra = Algebra::Dotted {
    ignore_case: true,
    write_covers_read: false,
};
const WRITE_COVERS_READ: Algebra = Algebra::Dotted {
    ignore_case: false,
    write_covers_read: true,
};
const EXACT: Algebra = Algebra::Dotted {
    ignore_case: false,
    write_covers_read: false,
};

#[test]
fn slash_paths_cover_what_threat_response_says_they_cover() {
    let check = |held: &str, wanted: &str, expected: bool| {
        let held = list(held);
        let all = list(wanted)
            .iter()
            .all(|wanted| Algebra::Slash.covers(&held, wanted));
        assert_eq!(all, expected, "{held:?} covers {wanted}");
    };
    check("casebook", "casebook:read", true);
    check("casebook:read", "casebook", false);
    check("casebook:read casebook:write", "casebook", true);
    check("enrich:read", "enrich/observables/deliberate:read", true);
    check("enrich/observables:read", "enrich:read", false);
    check(
        "integration:read",
        "integration/module-instance:write",
        false,
    );
    check("private-intel", "private-intel/incident:write", true);
    check("inspect", "inspect:read enrich:read", false);
    // Beyond the published vectors: the spelling `rw`, neighbours, and rights that meet halfway.
    check("casebook:rw", "casebook", true);
    check("casebook", "casebook:rw", true);
    check("enrich", "enrichment:read", false);
    check("a:read a/b:write", "a/b", false);
    check("a:read a/b:write", "a/b:read a/b:write", true);
    check("a/b:read a/b:write", "a/b/c", true);
    check("", "a", false);
}

#[test]
fn slash_intersections_are_those_of_threat_response() {
    let check = |one: &str, other: &str, expected: &str| {
        assert_eq!(
            Algebra::Slash.intersect(&list(one), &list(other)),
            list(expected),
            "{one} with {other}"
        );
    };
    check(
        "enrich:read casebook inspect:read",
        "enrich casebook:read",
        "casebook:read enrich:read",
    );
    check(
        "integration",
        "integration/module-instance:read",
        "integration/module-instance:read",
    );
    check("foo:write", "foo/bar", "foo/bar:write");
    check("users:read", "users:write", "");
    check("+bundle", "+bundle", "");
}

#[test]
fn slash_lists_normalize_to_the_shortest() {
    let check = |given: &str, expected: &str| {
        assert_eq!(Algebra::Slash.normalize(&list(given)), list(expected))
    };
    check("x:read x:write", "x");
    check("x:rw", "x");
    check("a/b:read a:read", "a:read");
    check("a/b a:read", "a/b a:read");
    check("a a a", "a");
    check("b a", "a b");
}

#[test]
fn slash_scopes_outside_the_grammar_are_refused() {
    for good in ["a/b:rw", "+alias", "global-intel:read", "a.b!/c'd", "+"] {
        assert!(Algebra::Slash.parse(good).is_ok(), "{good:?}");
    }
    for bad in [
        "",
        "a:",
        "a:exec",
        "/a",
        "a//b",
        "a b",
        "a\"b",
        "a\\b",
        "a/",
        ":read",
        "a:read:write",
        "a:READ",
        "é",
    ] {
        assert!(Algebra::Slash.parse(bad).is_err(), "{bad:?}");
        // And where such a text comes in as a question, nothing covers it.
        if let Ok(scope) = Scope::new(bad) {
            assert!(
                !Algebra::Slash.covers(std::slice::from_ref(&scope), &scope),
                "{bad:?}"
            );
            assert!(!Algebra::Slash.covers(&list("a"), &scope), "{bad:?}");
        }
    }
}

#[test]
fn aliases_mean_nothing_until_they_are_expanded() {
    let aliases: Aliases = [
        (scope("+respond"), list("response casebook:read")),
        (scope("+all"), list("+respond inspect")),
        (scope("+loop"), list("+loop")),
    ]
    .into();
    assert_eq!(
        Algebra::Slash.expand(&list("+all users"), &aliases),
        Ok(list("response casebook:read inspect users"))
    );
    assert_eq!(
        Algebra::Slash.expand(&list("+loop"), &aliases),
        Err(BadScope::Alias(scope("+loop")))
    );
    assert_eq!(
        Algebra::Slash.expand(&list("+gone"), &aliases),
        Err(BadScope::Alias(scope("+gone")))
    );
    assert!(!Algebra::Slash.covers(&list("+all"), &scope("inspect:read")));
    assert!(!Algebra::Slash.covers(&list("+all"), &scope("+all")));
    assert!(!Algebra::Slash.covers(&list("+all"), &scope("+all/x")));
}

#[test]
fn dotted_names_cover_themselves_and_a_domain_covers_its_names() {
    let check = |algebra: Algebra, held: &str, wanted: &str, expected: bool| {
        assert_eq!(
            algebra.covers(&list(held), &scope(wanted)),
            expected,
            "{held} covers {wanted}"
        );
    };
    check(EXACT, "admin.apikeys:read", "admin.apikeys:read", true);
    check(EXACT, "admin.apikeys:read", "admin.apikeys:create", false);
    check(EXACT, "admin:read", "admin.apikeys:read", true);
    check(EXACT, "admin:read", "admin.ztna.users:read", true);
    check(EXACT, "admin:read", "admin.apikeys:create", false);
    check(EXACT, "admin:read", "administration.x:read", false);
    check(EXACT, "admin.apikeys:read", "admin:read", false);
    check(EXACT, "admin.ztna:read", "admin.ztna.users:read", false);
    check(
        EXACT,
        "deployments.roamingcomputers:read",
        "deployments.roamingcomputersOrgInfo:read",
        false,
    );
    // Without an action a name is its own.
    check(EXACT, "latchkey.verify", "latchkey.verify", true);
    check(EXACT, "latchkey", "latchkey.verify", false);
    check(EXACT, "latchkey:read", "latchkey.verify", false);
    check(EXACT, "latchkey.verify", "latchkey.verify:read", false);
    // Spelling and writing are the product's choice.
    check(
        EXACT,
        "policies.destinationlists:read",
        "policies.destinationLists:read",
        false,
    );
    check(
        SECURE_ACCESS,
        "policies.destinationlists:read",
        "policies.destinationLists:read",
        true,
    );
    check(
        SECURE_ACCESS,
        "POLICIES:READ",
        "policies.destinationLists:read",
        true,
    );
    check(EXACT, "reports.usage:write", "reports.usage:read", false);
    check(
        WRITE_COVERS_READ,
        "reports.usage:write",
        "reports.usage:read",
        true,
    );
    check(
        WRITE_COVERS_READ,
        "reports:write",
        "reports.usage:read",
        true,
    );
    check(
        WRITE_COVERS_READ,
        "reports.usage:read",
        "reports.usage:write",
        false,
    );
}

#[test]
fn dotted_scopes_outside_the_grammar_are_refused_and_wildcards_do_not_exist() {
    for good in ["admin:read", "latchkey.verify", "a-b.c_d:E-1", "admin"] {
        assert!(EXACT.parse(good).is_ok(), "{good:?}");
    }
    let bad = [
        "", ".", ":", "a:", ":a", "a..b", ".a", "a.", "a:b:c", "a.*", "*", "read:*", "a.b:*",
        "a b", "a\"", "a\\b", "a\u{0}", "a/b", "é", "+a",
    ];
    for bad in bad {
        assert!(EXACT.parse(bad).is_err(), "{bad:?}");
        if let Ok(bad) = Scope::new(bad) {
            assert!(!EXACT.covers(&list("a:read a:b a b"), &bad), "{bad:?}");
            assert!(!EXACT.covers(std::slice::from_ref(&bad), &bad), "{bad:?}");
            assert!(
                !EXACT.covers(std::slice::from_ref(&bad), &scope("a.b:read")),
                "{bad:?}"
            );
        }
    }
    assert!(Scope::new(&"a".repeat(MAX_SCOPE_BYTES)).is_ok());
    assert!(Scope::new(&"a".repeat(MAX_SCOPE_BYTES + 1)).is_err());
}

#[test]
fn dotted_intersections_take_the_narrower_name_and_the_lesser_action() {
    let check = |algebra: Algebra, one: &str, other: &str, expected: &str| {
        assert_eq!(
            algebra.intersect(&list(one), &list(other)),
            list(expected),
            "{one} with {other}"
        );
    };
    check(
        EXACT,
        "admin:read reports.usage:read",
        "admin.users:read admin.users:write",
        "admin.users:read",
    );
    check(
        WRITE_COVERS_READ,
        "admin:read",
        "admin.users:write",
        "admin.users:read",
    );
    check(
        WRITE_COVERS_READ,
        "admin:write",
        "admin.users:read",
        "admin.users:read",
    );
    check(EXACT, "admin:read", "reports:read", "");
    check(
        EXACT,
        "latchkey.verify",
        "latchkey.verify",
        "latchkey.verify",
    );
}

#[test]
fn dotted_lists_normalize_to_the_shortest_whatever_their_order() {
    let shortest = list("ADMIN:READ reports.usage:read");
    assert_eq!(
        SECURE_ACCESS.normalize(&list(
            "reports.usage:read admin:read ADMIN:READ admin.users:read"
        )),
        shortest
    );
    assert_eq!(
        SECURE_ACCESS.normalize(&list(
            "admin.users:read ADMIN:READ admin:read reports.usage:read"
        )),
        shortest
    );
}

#[test]
fn a_scope_is_stored_as_its_text_and_an_algebra_as_a_catalog_writes_it() {
    let stored = serde_json::to_string(&scope("admin:read")).unwrap();
    assert_eq!(stored, r#""admin:read""#);
    assert_eq!(
        serde_json::from_str::<Scope>(&stored).unwrap(),
        scope("admin:read")
    );
    assert!(serde_json::from_str::<Scope>(r#""two words""#).is_err());
    assert_eq!(
        serde_json::from_str::<Algebra>(r#"{"kind":"slash"}"#).unwrap(),
        Algebra::Slash
    );
    assert_eq!(
        serde_json::from_str::<Algebra>(r#"{"kind":"dotted","ignore_case":true}"#).unwrap(),
        SECURE_ACCESS
    );
    assert!(serde_json::from_str::<Algebra>(r#"{"kind":"dotted","ignore_cas":true}"#).is_err());
}

proptest! {
    #[test]
    fn every_scope_covers_itself_and_reads_back(algebra in algebra(), text in "[a-c/.:+rw]{1,8}|[a-c](\\.[a-c])?:(read|write)") {
        if let Ok(scope) = algebra.parse(&text) {
            prop_assert_eq!(scope.as_str(), &text);
            prop_assert_eq!(algebra.covers(std::slice::from_ref(&scope), &scope), !scope.is_alias());
        }
    }

    #[test]
    fn covering_is_transitive((algebra, a, b, c) in world()) {
        let all = |held: &[Scope], wanted: &[Scope]| wanted.iter().all(|wanted| algebra.covers(held, wanted));
        // Merged first: two halves of an access are one scope only where they have the same path.
        let b = algebra.normalize(&b);
        if all(&a, &b) && all(&b, &c) {
            prop_assert!(all(&a, &c));
        }
    }

    #[test]
    fn a_normal_form_covers_the_same_and_is_one((algebra, a, b, _) in world()) {
        let normal = algebra.normalize(&a);
        for wanted in a.iter().chain(&b) {
            prop_assert_eq!(algebra.covers(&a, wanted), algebra.covers(&normal, wanted), "{:?}", wanted);
        }
        prop_assert_eq!(algebra.normalize(&normal), normal.clone());
        let mut turned = a.clone();
        turned.reverse();
        prop_assert_eq!(algebra.normalize(&turned), normal);
    }

    #[test]
    fn an_intersection_has_what_both_have_and_nothing_else((algebra, a, b, c) in world()) {
        let both = algebra.intersect(&a, &b);
        prop_assert_eq!(&both, &algebra.intersect(&b, &a));
        // Reading and writing are weighed apart; see the module of the slash algebra.
        for wanted in a.iter().chain(&b).chain(&c).flat_map(parts) {
            let expected = algebra.covers(&a, &wanted) && algebra.covers(&b, &wanted);
            prop_assert_eq!(algebra.covers(&both, &wanted), expected, "{:?} in {:?}", wanted, both);
        }
    }

    #[test]
    fn holding_more_never_permits_less((algebra, a, b, c) in world()) {
        let more: Vec<Scope> = a.iter().chain(&b).cloned().collect();
        for wanted in &c {
            prop_assert!(!algebra.covers(&a, wanted) || algebra.covers(&more, wanted));
        }
    }
}

fn world() -> impl Strategy<Value = (Algebra, Vec<Scope>, Vec<Scope>, Vec<Scope>)> {
    algebra().prop_flat_map(|algebra| {
        (
            Just(algebra),
            scopes(algebra),
            scopes(algebra),
            scopes(algebra),
        )
    })
}

fn algebra() -> impl Strategy<Value = Algebra> {
    prop_oneof![Just(EXACT), Just(WRITE_COVERS_READ), Just(Algebra::Slash)]
}

fn scopes(algebra: Algebra) -> impl Strategy<Value = Vec<Scope>> {
    let text = match algebra {
        Algebra::Slash => "[ab](/[ab]){0,2}(:(read|write|rw))?",
        Algebra::Dotted { .. } => "[ab](\\.[ab]){0,2}(:(read|write|use))?",
    };
    let scope = text.prop_map(move |text| algebra.parse(&text).unwrap());
    proptest::collection::vec(scope, 0..6)
}

/// The single accesses of a slash scope; other scopes are of one piece.
fn parts(wanted: &Scope) -> Vec<Scope> {
    match wanted.as_str().split_once(':') {
        Some((path, "rw")) => list(&format!("{path}:read {path}:write")),
        None if !wanted.as_str().contains('.') => list(&format!("{wanted}:read {wanted}:write")),
        _ => vec![wanted.clone()],
    }
}

fn list(text: &str) -> Vec<Scope> {
    text.split_whitespace().map(scope).collect()
}

fn scope(text: &str) -> Scope {
    Scope::new(text).unwrap()
}
