use proptest::prelude::*;

use super::*;

const DAY: i64 = 24 * 60 * 60 * 1000;

#[test]
fn an_expiry_is_told_a_week_and_a_day_before() {
    let facts = Facts {
        expires_at: Some(day(100)),
        ..key()
    };
    check(&facts, day(93) - Span::from_millis(1), &[]);
    check(&facts, day(93), &[Kind::ExpiresSoon]);
    check(&facts, day(99) - Span::from_millis(1), &[Kind::ExpiresSoon]);
    check(&facts, day(99), &[Kind::ExpiresVerySoon]);
    check(&facts, day(100), &[]);
}

#[test]
fn a_short_life_is_not_told_of_what_its_maker_knows() {
    check(
        &Facts {
            expires_at: Some(day(5)),
            ..key()
        },
        day(1),
        &[],
    );
    check(
        &Facts {
            expires_at: Some(day(5)),
            ..key()
        },
        day(4),
        &[Kind::ExpiresVerySoon],
    );
    check(
        &Facts {
            expires_at: Some(day(1)),
            ..key()
        },
        day(0),
        &[],
    );
}

#[test]
fn a_refresh_is_due_on_day_50_of_60() {
    let facts = Facts {
        refresh: Some((day(10), day(70))),
        ..key()
    };
    check(&facts, day(60) - Span::from_millis(1), &[]);
    check(&facts, day(60), &[Kind::RefreshDue]);
    check(&facts, day(70), &[Kind::RefreshLapsed]);
    // Refreshing does not outlast the key.
    check(
        &Facts {
            expires_at: Some(day(70)),
            ..facts
        },
        day(60),
        &[],
    );
    check(
        &Facts {
            expires_at: Some(day(70)),
            ..facts
        },
        day(64),
        &[Kind::ExpiresSoon],
    );
}

#[test]
fn a_key_that_lies_unused_is_told_of() {
    let facts = Facts {
        last_used_at: None,
        ..key()
    };
    check(&facts, day(89), &[]);
    check(&facts, day(90), &[Kind::Unused]);
    check(
        &Facts {
            last_used_at: Some(day(89)),
            ..key()
        },
        day(90),
        &[],
    );
    check(
        &Facts {
            last_used_at: Some(day(89)),
            ..key()
        },
        day(179),
        &[Kind::Unused],
    );
}

proptest! {
    #[test]
    fn each_notice_is_told_once_for_an_expiry_and_again_for_another(expiry in 10_i64..80, later in 1_i64..20) {
        let told = |expiry: i64| {
            let facts = Facts { expires_at: Some(day(expiry)), ..key() };
            let mut names: Vec<String> =
                (0..expiry * 4).flat_map(|quarter| due(&facts, &Policy::default(), Instant::from_millis(quarter * DAY / 4))).map(|due| due.once).collect();
            names.dedup();
            names
        };
        let (first, second) = (told(expiry), told(expiry + later));
        prop_assert_eq!(first.len(), 2);
        prop_assert!(second.iter().all(|name| !first.contains(name)));
    }
}

fn check(facts: &Facts, now: Instant, expected: &[Kind]) {
    let kinds: Vec<Kind> = due(facts, &Policy::default(), now)
        .into_iter()
        .map(|due| due.kind)
        .collect();
    assert_eq!(kinds, expected, "at {now:?}");
}

fn key() -> Facts {
    Facts {
        key: KeyId::from_bytes([1; 16]),
        created_at: day(0),
        expires_at: None,
        refresh: None,
        last_used_at: Some(day(60)),
    }
}

fn day(number: i64) -> Instant {
    Instant::from_millis(number * DAY)
}
