use super::*;
use crate::access::Rights;
use crate::grant::Resources;
use crate::scope::{Algebra, Scope};
use crate::time::Span;

mod decided;
mod laws;

const DAY: Span = Span::from_days(1);
const HOUR: Span = Span::from_hours(1);
const DOTTED: Algebra = Algebra::Dotted {
    ignore_case: false,
    write_covers_read: false,
};
const GOOD: Standing = Standing {
    organization: true,
    owner: true,
};
const BY: Maker = Maker::System;

type Transition = fn(Key) -> Result<Key, Refusal>;

#[test]
fn an_expiry_is_near_from_a_span_before_it_until_it_is_past() {
    let ends = |end: Option<i64>| Key {
        expires_at: end.map(at),
        ..active()
    };
    for (end, now, expected) in [
        (Some(100), 39, false),
        (Some(100), 40, true),
        (Some(100), 99, true),
        (Some(100), 100, false),
        (None, 99, false),
    ] {
        let near = ends(end).expires_within(Span::from_secs(60), at(now));
        assert_eq!(near, expected, "{end:?} at {now}");
    }
}

#[test]
fn what_was_signed_for_a_key_ends_when_it_begins_anew_and_the_key_stays() {
    let signed = |key: Key| {
        let mut key = key;
        key.current.proof = Proof::Signature;
        key
    };
    let anew = signed(active()).begin_anew(at(50)).unwrap();
    let generations: Vec<u32> = anew.live(at(50)).map(|known| known.generation).collect();
    assert_eq!((generations, anew.rotated_at), (vec![1], Some(at(50))));
    // A key that is out of use begins anew too, and stays so.
    let anew = signed(disabled()).begin_anew(at(50)).unwrap();
    assert_eq!(
        (anew.state.as_str(), anew.current.generation),
        ("disabled", 1)
    );
    assert_eq!(
        signed(revoked()).begin_anew(at(50)).unwrap_err(),
        Refusal::Revoked
    );
    assert!(matches!(
        active().begin_anew(at(50)),
        Err(Refusal::NotRotatable(_))
    ));
}

#[test]
fn a_state_leads_where_the_table_says() {
    let disable: Transition = |key| key.disable(BY, at(50));
    let enable: Transition = Key::enable;
    let revoke: Transition = |key| key.revoke(BY, at(50));
    let rotate: Transition = |key| key.rotate(minted("new"), HOUR, at(50));
    let edit: Transition = |key| key.edit(Edit::default(), at(50));
    let states = [
        ("active", active()),
        ("disabled", disabled()),
        ("revoked", revoked()),
        (
            "expired",
            Key {
                expires_at: Some(at(50)),
                ..active()
            },
        ),
        (
            "disabled and expired",
            Key {
                expires_at: Some(at(50)),
                ..disabled()
            },
        ),
    ];
    for (state, key) in states {
        let outcome =
            |transition: Transition| transition(key.clone()).map(|key| key.state.as_str());
        let expected = match state {
            "active" => [
                Ok("disabled"),
                Err(Refusal::Already("active")),
                Ok("revoked"),
                Ok("active"),
                Ok("active"),
            ],
            "disabled" => [
                Err(Refusal::Already("disabled")),
                Ok("active"),
                Ok("revoked"),
                Err(Refusal::Disabled),
                Ok("disabled"),
            ],
            "revoked" => [
                Err(Refusal::Revoked),
                Err(Refusal::Revoked),
                Err(Refusal::Already("revoked")),
                Err(Refusal::Revoked),
                Err(Refusal::Revoked),
            ],
            "expired" => [
                Ok("disabled"),
                Err(Refusal::Already("active")),
                Ok("revoked"),
                Err(Refusal::Expired),
                Ok("active"),
            ],
            _ => [
                Err(Refusal::Already("disabled")),
                Ok("active"),
                Ok("revoked"),
                Err(Refusal::Disabled),
                Ok("disabled"),
            ],
        };
        assert_eq!(
            [disable, enable, revoke, rotate, edit].map(outcome),
            expected,
            "{state}"
        );
    }
}

#[test]
fn a_state_keeps_when_and_by_whom() {
    let by = Maker::Key(KeyId::from_bytes([9; 16]));
    assert_eq!(
        active().disable(by, at(7)).unwrap().state,
        State::Disabled { at: at(7), by }
    );
    assert_eq!(
        disabled().revoke(by, at(8)).unwrap().state,
        State::Revoked { at: at(8), by }
    );
}

#[test]
fn revoking_leaves_one_secret() {
    let rotated = active().rotate(minted("new"), DAY, at(10)).unwrap();
    assert!(rotated.previous.is_some());
    assert_eq!(rotated.revoke(BY, at(11)).unwrap().previous, None);
}

#[test]
fn an_edit_changes_what_it_names_and_nothing_else() {
    let name = Name::new("Other").unwrap();
    let comment = Comment::new("why").unwrap();
    let grants = Grants::of_scopes([scope("b:write")]).unwrap();
    let addresses = addresses(&["192.0.2.0/24"]);
    let limits = vec![Limit::new("hour", 5, HOUR).unwrap()];
    let edited = |key: Key| Key {
        edited_at: at(60),
        ..key
    };
    let cases = [
        (Edit::default(), active()),
        (
            Edit {
                name: Some(name.clone()),
                ..Edit::default()
            },
            Key { name, ..active() },
        ),
        (
            Edit {
                comment: Some(comment.clone()),
                ..Edit::default()
            },
            Key {
                comment,
                ..active()
            },
        ),
        (
            Edit {
                grants: Some(grants.clone()),
                ..Edit::default()
            },
            Key { grants, ..active() },
        ),
        (
            Edit {
                addresses: Some(addresses.clone()),
                ..Edit::default()
            },
            Key {
                addresses,
                ..active()
            },
        ),
        (
            Edit {
                limits: Some(limits.clone()),
                ..Edit::default()
            },
            Key { limits, ..active() },
        ),
        (
            expiring(ExpiryChange::Never),
            Key {
                expires_at: None,
                ..active()
            },
        ),
        (
            expiring(ExpiryChange::At(at(61))),
            Key {
                expires_at: Some(at(61)),
                ..active()
            },
        ),
    ];
    for (edit, expected) in cases {
        let told = format!("{edit:?}");
        assert_eq!(active().edit(edit, at(60)), Ok(edited(expected)), "{told}");
    }
}

#[test]
fn an_expiry_lies_in_the_future_and_may_come_after_an_expiry() {
    let expired = Key {
        expires_at: Some(at(50)),
        ..active()
    };
    for (at_millis, good) in [(0, false), (59, false), (60, false), (61, true)] {
        let outcome = expired
            .clone()
            .edit(expiring(ExpiryChange::At(at(at_millis))), at(60));
        match good {
            true => assert!(!outcome.unwrap().is_expired(at(60))),
            false => assert_eq!(outcome, Err(Refusal::ExpiryInThePast)),
        }
    }
    // An edit that says nothing of the expiry leaves even a passed one alone.
    assert_eq!(
        expired.edit(Edit::default(), at(60)).unwrap().expires_at,
        Some(at(50))
    );
}

#[test]
fn a_rotation_keeps_the_key_and_changes_its_secret() {
    let key = active();
    let rotated = key.clone().rotate(minted("new"), HOUR, at(10)).unwrap();
    let expected = Key {
        current: Credential {
            generation: 1,
            ..credential("new", 10)
        },
        previous: Some(Overlap {
            credential: key.current.clone(),
            until: at(10) + HOUR,
        }),
        rotated_at: Some(at(10)),
        ..key
    };
    assert_eq!(rotated, expected);
}

#[test]
fn at_most_two_secrets_are_good() {
    let first = active().rotate(minted("b"), HOUR, at(0)).unwrap();
    assert_eq!(
        first.clone().rotate(minted("c"), HOUR, at(5)),
        Err(Refusal::Overlapping)
    );
    let cut = first
        .clone()
        .rotate(minted("c"), Span::ZERO, at(5))
        .unwrap();
    assert_eq!(good_secrets(&cut, at(5)), ["c"]);
    let after = first.rotate(minted("c"), HOUR, at(0) + HOUR).unwrap();
    assert_eq!(good_secrets(&after, at(0) + HOUR), ["b", "c"]);
}

#[test]
fn an_overlap_has_a_bound_and_an_exclusive_end() {
    let longest = active().rotate(minted("b"), MAX_OVERLAP, at(0));
    assert!(longest.is_ok());
    let longer = Span::from_millis(MAX_OVERLAP.millis() + 1);
    assert_eq!(
        active().rotate(minted("b"), longer, at(0)),
        Err(Refusal::OverlapTooLong)
    );

    let key = active()
        .rotate(minted("b"), Span::from_millis(100), at(0))
        .unwrap();
    for (now, expected) in [
        (0, ["a", "b"].as_slice()),
        (99, &["a", "b"]),
        (100, &["b"]),
        (101, &["b"]),
    ] {
        assert_eq!(good_secrets(&key, at(now)), expected, "at {now}");
    }
}

#[test]
fn a_worn_key_is_not_rotated() {
    let mut key = active();
    key.current.generation = crate::token::MAX_GENERATION;
    assert_eq!(
        key.rotate(minted("b"), Span::ZERO, at(0)),
        Err(Refusal::Worn)
    );
}

#[test]
fn the_context_changes_when_any_field_does() {
    let changes: [fn(&mut Key); 27] = [
        |_| {},
        |key| key.id = KeyId::from_bytes([9; 16]),
        |key| key.organization = OrganizationId::from_bytes([9; 16]),
        |key| key.product = ProductName::new("other").unwrap(),
        |key| key.kind = Kind::Client,
        |key| key.name = Name::new("Other").unwrap(),
        |key| key.comment = Comment::new("x").unwrap(),
        |key| key.grants = Grants::NONE,
        |key| key.addresses = addresses(&["10.0.0.0/8"]),
        |key| key.limits = vec![Limit::new("hour", 1, HOUR).unwrap()],
        |key| key.expires_at = Some(at(0)),
        |key| key.expires_at = Some(at(1)),
        |key| key.state = State::Disabled { at: at(0), by: BY },
        |key| key.state = State::Disabled { at: at(1), by: BY },
        |key| key.state = State::Revoked { at: at(0), by: BY },
        |key| key.owner = Some(UserId::from_bytes([9; 16])),
        |key| key.created_at = at(99),
        |key| key.created_by = Maker::User(UserId::from_bytes([9; 16])),
        |key| key.edited_at = at(99),
        |key| key.rotated_at = Some(at(0)),
        |key| key.current.generation = 9,
        |key| key.current.handle = Some(String::new()),
        |key| key.current.since = at(99),
        |key| {
            key.previous = Some(Overlap {
                credential: credential("z", 0),
                until: at(1),
            })
        },
        |key| {
            key.previous = Some(Overlap {
                credential: credential("z", 0),
                until: at(2),
            })
        },
        |key| {
            key.previous = Some(Overlap {
                credential: credential("z", 1),
                until: at(2),
            })
        },
        |key| key.version += 1,
    ];
    let contexts: Vec<Vec<u8>> = changes
        .iter()
        .map(|change| {
            let mut key = active();
            change(&mut key);
            key.context()
        })
        .collect();
    for (place, context) in contexts.iter().enumerate() {
        let twin = contexts[..place]
            .iter()
            .position(|earlier| earlier == context);
        assert_eq!(twin, None, "change {place} looks like another");
    }
}

#[test]
fn no_print_of_a_key_shows_a_secret() {
    let digest = [0xAB; 32];
    for (proof, printed) in [
        (Proof::Digest(digest), "Digest(..)"),
        (Proof::Secret("hunter2".to_owned()), "Secret(..)"),
        (Proof::Signature, "Signature"),
    ] {
        assert_eq!(format!("{proof:?}"), printed);
        let mut key = active();
        key.current.proof = proof;
        let print = format!("{key:?}");
        assert!(
            print.contains(printed) && !print.contains("hunter2") && !print.contains("171"),
            "{print}"
        );
    }
}

#[test]
fn a_kind_reads_back_from_its_word() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_word(kind.as_str()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    assert_eq!(Kind::from_word("password"), None);
}

fn denied(verdict: Verdict) -> Option<Denial> {
    match verdict {
        Verdict::Valid(_) => None,
        Verdict::Denied(denial) => Some(denial),
    }
}

fn good_secrets(key: &Key, now: Instant) -> Vec<&'static str> {
    ["a", "b", "c"]
        .into_iter()
        .filter(|secret| prove(key, &Digest::of(secret), now).is_some())
        .collect()
}

fn active() -> Key {
    Key {
        id: KeyId::from_bytes([1; 16]),
        organization: OrganizationId::from_bytes([2; 16]),
        product: ProductName::new("product").unwrap(),
        kind: Kind::Static,
        name: Name::new("Key").unwrap(),
        comment: Comment::new("").unwrap(),
        grants: Grants::of_scopes([scope("a:read")]).unwrap(),
        addresses: Addresses::default(),
        limits: Vec::new(),
        expires_at: None,
        state: State::Active,
        owner: None,
        created_at: at(0),
        created_by: BY,
        edited_at: at(0),
        rotated_at: None,
        current: credential("a", 0),
        previous: None,
        version: 1,
    }
}

fn disabled() -> Key {
    Key {
        state: State::Disabled { at: at(0), by: BY },
        ..active()
    }
}

fn revoked() -> Key {
    Key {
        state: State::Revoked { at: at(0), by: BY },
        ..active()
    }
}

fn credential(secret: &str, since: i64) -> Credential {
    Credential {
        generation: 0,
        handle: None,
        proof: minted(secret).proof,
        since: at(since),
    }
}

fn minted(secret: &str) -> Minted {
    Minted {
        handle: None,
        proof: Proof::Digest(*Digest::of(secret).as_bytes()),
    }
}

fn expiring(change: ExpiryChange) -> Edit {
    Edit {
        expiry: Some(change),
        ..Edit::default()
    }
}

/// `a:read`, for one account.
fn rights() -> Rights {
    let account = Resources::listed("account", ["1".to_owned()]).unwrap();
    Rights::of_scopes(&[scope("a:read")], &account, DOTTED)
}

fn scope(text: &str) -> Scope {
    Scope::new(text).unwrap()
}

fn addresses(list: &[&str]) -> Addresses {
    Addresses::parse(list).unwrap()
}

fn at(millis: i64) -> Instant {
    Instant::from_millis(millis)
}
