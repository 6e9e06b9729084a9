//! What a question about a key is answered.

use super::*;

#[test]
fn a_proof_is_met_by_its_own_secret_only() {
    let key = active().rotate(minted("b"), HOUR, at(0)).unwrap();
    let proven = |secret| prove(&key, &Digest::of(secret), at(1)).map(|proven| proven.generation);
    assert_eq!(
        (proven("b"), proven("a"), proven("c"), proven("")),
        (Some(1), Some(0), None, None)
    );
    assert!(Proof::Secret("s".to_owned()).is_met_by(&Digest::of("s")));
    assert!(!Proof::Secret("s".to_owned()).is_met_by(&Digest::of("t")));
    assert!(!Proof::Signature.is_met_by(&Digest::of("")));
}

#[test]
fn the_graver_reason_is_told_first() {
    // Each line takes away the gravest reason of the one before.
    let listed = addresses(&["192.0.2.1"]);
    let wrong = Key {
        addresses: listed,
        expires_at: Some(at(10)),
        ..active()
    };
    let key_of = |state: State| Key {
        state,
        ..wrong.clone()
    };
    let bad = Standing {
        organization: false,
        owner: false,
    };
    let alone = [scope("b:write")];
    let (nothing, here) = ([scope("a:read")], Some([192, 0, 2, 1].into()));
    let elsewhere = Some([192, 0, 2, 2].into());
    let both = [scope("a:read"), scope("b:write")];
    let lines: [(Key, Standing, Ask<'_>, i64, Option<Denial>); 11] = [
        (
            key_of(revoked().state),
            bad,
            ask(&both, "account:2", elsewhere),
            10,
            Some(Denial::Revoked),
        ),
        (
            key_of(disabled().state),
            bad,
            ask(&both, "account:2", elsewhere),
            10,
            Some(Denial::Disabled),
        ),
        (
            wrong.clone(),
            bad,
            ask(&both, "account:2", elsewhere),
            10,
            Some(Denial::Disabled),
        ),
        (
            wrong.clone(),
            Standing {
                owner: false,
                ..GOOD
            },
            ask(&both, "account:2", elsewhere),
            10,
            Some(Denial::Disabled),
        ),
        (
            wrong.clone(),
            Standing {
                organization: false,
                ..GOOD
            },
            ask(&both, "account:2", elsewhere),
            10,
            Some(Denial::Disabled),
        ),
        (
            wrong.clone(),
            GOOD,
            ask(&both, "account:2", elsewhere),
            10,
            Some(Denial::Expired),
        ),
        (
            wrong.clone(),
            GOOD,
            ask(&both, "account:2", elsewhere),
            9,
            Some(Denial::Address),
        ),
        (
            wrong.clone(),
            GOOD,
            ask(&both, "account:2", here),
            9,
            Some(Denial::Scope(scope("b:write"))),
        ),
        (
            wrong.clone(),
            GOOD,
            ask(&alone, "account:1", here),
            9,
            Some(Denial::Scope(scope("b:write"))),
        ),
        (
            wrong.clone(),
            GOOD,
            ask(&nothing, "account:2", here),
            9,
            Some(Denial::Resource),
        ),
        (wrong, GOOD, ask(&nothing, "account:1", here), 9, None),
    ];
    for (place, (key, standing, ask, now, denial)) in lines.into_iter().enumerate() {
        assert_eq!(
            denied(decide(&key, &rights(), standing, &ask, at(now))),
            denial,
            "line {place}"
        );
    }
}

#[test]
fn a_resource_asked_for_alone_must_be_reached() {
    let everywhere = Rights::of_scopes(&[scope("a:read")], &Resources::All, DOTTED);
    let cases = [
        (rights(), Some("account:1"), None),
        (rights(), Some("account:2"), Some(Denial::Resource)),
        (rights(), Some("group:1"), Some(Denial::Resource)),
        (rights(), None, None),
        (everywhere.clone(), Some("account:2"), None),
        (everywhere, None, None),
        (
            Rights::none(DOTTED),
            Some("account:1"),
            Some(Denial::Resource),
        ),
        (Rights::none(DOTTED), None, None),
    ];
    for (rights, resource, denial) in cases {
        let ask = Ask {
            resource,
            ..Ask::default()
        };
        assert_eq!(
            denied(decide(&active(), &rights, GOOD, &ask, at(0))),
            denial,
            "{resource:?} of {rights:?}"
        );
    }
}

#[test]
fn some_resource_is_enough_only_for_who_asks_so_and_holds_all_scopes_on_one() {
    let on = |text: &str, id: &str| {
        let listed = Resources::listed("account", [id.to_owned()]).unwrap();
        Rights::of_scopes(&[scope(text)], &listed, DOTTED)
    };
    let one = on("a:read", "1");
    let wanted = [scope("a:read"), scope("b:read")];
    let ask = |scopes, somewhere, resource| Ask {
        scopes,
        somewhere,
        resource,
        ..Ask::default()
    };
    let lacking = Denial::Scope(scope("b:read"));
    for (rights, ask, denial) in [
        (&one, ask(&wanted[..1], true, None), None),
        (&one, ask(&wanted[..1], false, None), Some(Denial::Resource)),
        (&one, ask(&wanted[..], true, None), Some(lacking)),
        // A resource that is named counts, whatever else would be enough.
        (
            &one,
            ask(&wanted[..1], true, Some("account:2")),
            Some(Denial::Resource),
        ),
        (
            &Rights::none(DOTTED),
            ask(&[], true, None),
            Some(Denial::Resource),
        ),
        (&one, ask(&[], true, None), None),
    ] {
        let verdict = decide(&active(), rights, GOOD, &ask, at(0));
        assert_eq!(denied(verdict), denial, "{ask:?}");
    }
}

#[test]
fn a_valid_verdict_tells_whose_key_it_is() {
    let key = Key {
        expires_at: Some(at(10)),
        ..active()
    };
    let grant = Grant {
        key: key.id,
        organization: key.organization,
        expires_at: Some(at(10)),
    };
    assert_eq!(
        decide(&key, &rights(), GOOD, &Ask::default(), at(9)),
        Verdict::Valid(grant)
    );
}

#[test]
fn every_denial_has_its_code() {
    let codes = [
        (Denial::Unknown, "NOT_FOUND"),
        (Denial::Tampered, "TAMPERED"),
        (Denial::Revoked, "REVOKED"),
        (Denial::Disabled, "DISABLED"),
        (Denial::Expired, "EXPIRED"),
        (Denial::Address, "ADDRESS_NOT_ALLOWED"),
        (Denial::Scope(scope("a:read")), "INSUFFICIENT_SCOPE"),
        (Denial::Resource, "RESOURCE_NOT_ALLOWED"),
        (Denial::Limited { retry_after_ms: 1 }, "RATE_LIMITED"),
        (Denial::Replayed, "REPLAYED"),
    ];
    for (denial, code) in codes {
        assert_eq!(denial.code(), code);
    }
}

fn ask<'a>(scopes: &'a [Scope], resource: &'a str, from: Option<std::net::IpAddr>) -> Ask<'a> {
    Ask {
        scopes,
        resource: Some(resource),
        from,
        ..Ask::default()
    }
}
