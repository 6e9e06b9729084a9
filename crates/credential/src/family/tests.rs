use proptest::prelude::*;

use super::*;
use crate::token::parse;

const GRACE: Span = Span::from_secs(60);
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Next,
    Again,
    Reuse,
    Refused(NotRefreshed),
}

#[test]
fn what_is_presented_is_answered_by_its_age() {
    use Answer::{Again, Next, Refused, Reuse};
    // The family is in generation 3 since time 0; its refresh token is good for 60 days.
    let lapsed = 60 * 24 * HOUR;
    let cases = [
        ("the current one", 3, false, 1, Next),
        (
            "the current one, in its last millisecond",
            3,
            true,
            lapsed - 1,
            Next,
        ),
        ("the one before, at once", 2, false, 0, Again),
        ("the one before, within the grace", 2, false, MINUTE, Again),
        (
            "the one before, within the grace though its successor is in use",
            2,
            true,
            MINUTE,
            Again,
        ),
        (
            "the one before, after the grace, its successor unused",
            2,
            false,
            MINUTE + 1,
            Again,
        ),
        (
            "the one before, after the grace, its successor in use",
            2,
            true,
            MINUTE + 1,
            Reuse,
        ),
        (
            "the one before, after 24 h, its successor unused",
            2,
            false,
            24 * HOUR,
            Again,
        ),
        (
            "the one before, after more than 24 h",
            2,
            false,
            24 * HOUR + 1,
            Reuse,
        ),
        ("an older one, at once", 1, false, 0, Reuse),
        ("the first one, at once", 0, true, 0, Reuse),
        (
            "one of a generation that is yet to come",
            4,
            false,
            0,
            Refused(NotRefreshed::Unknown),
        ),
        (
            "the current one, too late",
            3,
            false,
            lapsed,
            Refused(NotRefreshed::Lapsed),
        ),
        (
            "the one before, too late",
            2,
            false,
            lapsed,
            Refused(NotRefreshed::Lapsed),
        ),
    ];
    for (case, generation, used, now, expected) in cases {
        let refreshed = Family { used, ..family(3) }.refresh(generation, GRACE, None, at(now));
        assert_eq!(answer(&refreshed), expected, "{case}");
    }
}

#[test]
fn the_next_generation_begins_now_unused_with_a_fresh_life() {
    let old = Family {
        used: true,
        ..family(3)
    };
    let Refreshed::Next(next) = old.clone().refresh(3, GRACE, None, at(1000)) else {
        panic!()
    };
    let expected = Family {
        generation: 4,
        rotated_at: at(1000),
        previous_at: Some(at(0)),
        used: false,
        refresh_until: at(1000) + old.refresh_life,
        ..old
    };
    assert!(next == expected, "{next:?}");
}

#[test]
fn a_new_generation_ends_no_later_than_the_key() {
    let life = family(0).refresh_life;
    let cases = [
        (None, at(1000) + life),
        (Some(at(2000)), at(2000)),
        (Some(at(1000) + life), at(1000) + life),
        (Some(Instant::MAX), at(1000) + life),
    ];
    for (cap, expected) in cases {
        let Refreshed::Next(next) = family(0).refresh(0, GRACE, cap, at(1000)) else {
            panic!()
        };
        assert_eq!(next.refresh_until, expected, "capped by {cap:?}");
    }
}

#[test]
fn two_racing_refreshes_get_the_same_tokens() {
    // One wins the compare-and-swap; the other reads the row again and asks with the same token.
    let Refreshed::Next(won) = family(3).refresh(3, GRACE, None, at(10)) else {
        panic!()
    };
    let Refreshed::Again(lost) = won.clone().refresh(3, GRACE, None, at(11)) else {
        panic!()
    };
    assert!(won == lost);
    assert_eq!(
        won.refresh_token(4, &tags()).expose(),
        lost.refresh_token(4, &tags()).expose()
    );
    assert_eq!(
        won.access_token(4, &tags()).expose(),
        lost.access_token(4, &tags()).expose()
    );
}

#[test]
fn reuse_kills_the_family_and_further_reuse_writes_nothing() {
    let Refreshed::Reuse(dead) = family(3).refresh(1, GRACE, None, at(10)) else {
        panic!()
    };
    assert_eq!(dead.dead, Some((at(10), Death::Reused)));
    for generation in 0..=3 {
        let refreshed = dead.clone().refresh(generation, GRACE, None, at(11));
        assert_eq!(
            answer(&refreshed),
            Answer::Refused(NotRefreshed::Dead(Death::Reused)),
            "generation {generation}"
        );
    }
}

#[test]
fn a_dead_family_stays_as_it_died() {
    let dead = family(3)
        .die(Death::Revoked, at(1))
        .die(Death::Reused, at(2));
    assert_eq!(dead.dead, Some((at(1), Death::Revoked)));
}

#[test]
fn use_of_the_successor_ends_the_leniency() {
    let now = at(2 * MINUTE);
    assert_eq!(
        answer(&family(1).refresh(0, GRACE, None, now)),
        Answer::Again
    );
    assert_eq!(
        answer(&family(1).mark_used().refresh(0, GRACE, None, now)),
        Answer::Reuse
    );
}

#[test]
fn a_worn_family_is_not_refreshed() {
    let worn = family(token::MAX_GENERATION);
    let refreshed = worn.refresh(token::MAX_GENERATION, GRACE, None, at(0));
    assert_eq!(answer(&refreshed), Answer::Refused(NotRefreshed::Worn));
}

#[test]
fn an_access_token_is_good_for_its_life_and_only_of_the_two_latest_generations() {
    let family = Family {
        generation: 3,
        rotated_at: at(5000),
        previous_at: Some(at(2000)),
        ..family(0)
    };
    let until = |at_millis: i64| Some(at(at_millis) + family.access_life);
    let cases = [
        (4, None),
        (3, until(5000)),
        (2, until(2000)),
        (1, None),
        (0, None),
    ];
    for (generation, expected) in cases {
        assert_eq!(
            family.access_until(generation),
            expected,
            "generation {generation}"
        );
    }
    assert_eq!(
        Family {
            previous_at: None,
            ..family
        }
        .access_until(2),
        None
    );
}

#[test]
fn a_family_knows_its_own_tokens() {
    let tags = tags();
    let mine = family(3);
    for generation in 0..=3 {
        for text in [
            mine.refresh_token(generation, &tags),
            mine.access_token(generation, &tags),
        ] {
            let parsed = parse(text.expose(), &tags).unwrap();
            assert_eq!(
                (parsed.id, parsed.generation),
                (*mine.id.as_bytes(), generation)
            );
            assert!(mine.issued(&parsed, text.expose(), &tags));
            // Another seed, another id: neither issued it.
            assert!(
                !Family {
                    seed: [8; 32],
                    ..mine.clone()
                }
                .issued(&parsed, text.expose(), &tags)
            );
            let id = FamilyId::from_bytes([8; 16]);
            assert!(!Family { id, ..mine.clone() }.issued(&parsed, text.expose(), &tags));
        }
    }
    // A genuine tag around a guessed secret, which only who holds the tag key could write.
    let guess = token::mint(Word::Refresh, mine.id.as_bytes(), 3, &[0; 32], &tags);
    assert!(!mine.issued(
        &parse(guess.expose(), &tags).unwrap(),
        guess.expose(),
        &tags
    ));
}

#[test]
fn a_token_under_an_old_tag_key_is_still_known() {
    let text = family(3).refresh_token(3, &tags());
    let newer = TagKeys::new([(1, [7; 32]), (2, [9; 32])]).unwrap();
    let parsed = parse(text.expose(), &newer).unwrap();
    assert!(family(3).issued(&parsed, text.expose(), &newer));
}

#[test]
fn the_context_changes_when_any_field_but_the_seed_does() {
    let changes: [fn(&mut Family); 19] = [
        |_| {},
        |family| family.id = FamilyId::from_bytes([9; 16]),
        |family| family.organization = OrganizationId::from_bytes([9; 16]),
        |family| family.key = KeyId::from_bytes([9; 16]),
        |family| family.generation = 9,
        |family| family.rotated_at = at(9),
        |family| family.previous_at = Some(at(0)),
        |family| family.previous_at = Some(at(9)),
        |family| family.used = true,
        |family| family.refresh_until = at(9),
        |family| family.access_life = Span::from_secs(9),
        |family| family.refresh_life = Span::from_secs(9),
        |family| family.dead = Some((at(0), Death::Reused)),
        |family| family.dead = Some((at(9), Death::Reused)),
        |family| family.dead = Some((at(0), Death::Revoked)),
        |family| family.dead = Some((at(0), Death::Replaced)),
        |family| family.created_at = at(9),
        |family| family.version += 1,
        |family| family.version += 2,
    ];
    let contexts: Vec<Vec<u8>> = changes
        .iter()
        .map(|change| {
            let mut family = family(0);
            change(&mut family);
            family.context()
        })
        .collect();
    for (place, context) in contexts.iter().enumerate() {
        let twin = contexts[..place]
            .iter()
            .position(|earlier| earlier == context);
        assert_eq!(twin, None, "change {place} looks like another");
    }
    assert_eq!(
        Family {
            seed: [0; 32],
            ..family(0)
        }
        .context(),
        contexts[0]
    );
}

#[test]
fn no_print_of_a_family_shows_its_seed() {
    let family = Family {
        seed: [0xAB; 32],
        ..family(3)
    };
    let printed = format!("{family:?} {:?}", Refreshed::Again(family.clone()));
    assert!(
        !printed.contains("171") && !printed.to_lowercase().contains("abab"),
        "{printed}"
    );
}

proptest! {
    #[test]
    fn the_tokens_of_a_generation_are_always_the_same_and_of_two_never(
        seed: [u8; 32], one in 0..=token::MAX_GENERATION, other in 0..=token::MAX_GENERATION,
    ) {
        let (early, late) = (Family { seed, ..family(0) }, Family { seed, used: true, ..family(7) });
        let texts = |family: &Family, generation| {
            let refresh = family.refresh_token(generation, &tags());
            let access = family.access_token(generation, &tags());
            (refresh.expose().to_owned(), access.expose().to_owned())
        };
        prop_assert_eq!(texts(&early, one), texts(&late, one));
        prop_assert_eq!(texts(&early, one) == texts(&early, other), one == other);
        let (refresh, access) = texts(&early, one);
        prop_assert_ne!(refresh.rsplit('_').next(), access.rsplit('_').next());
    }

    #[test]
    fn time_alone_never_makes_a_token_of_use_again(
        generation in 0_u32..5, used: bool, times in proptest::collection::vec(0..70 * 24 * HOUR, 2..20),
    ) {
        let mut times = times;
        times.sort_unstable();
        let helped: Vec<bool> = times
            .iter()
            .map(|now| Family { used, ..family(3) }.refresh(generation, GRACE, None, at(*now)))
            .map(|refreshed| matches!(answer(&refreshed), Answer::Next | Answer::Again))
            .collect();
        prop_assert!(helped.is_sorted_by(|earlier, later| *earlier || !*later), "{:?} at {:?}", helped, times);
    }

    #[test]
    fn lapsed_is_final(asks in proptest::collection::vec((0_u32..5, 0..HOUR), 1..30)) {
        let mut family = family(3);
        let mut now = family.refresh_until;
        for (generation, step) in asks {
            now = now + Span::from_millis(step);
            family = match family.clone().refresh(generation, GRACE, None, now) {
                Refreshed::Next(kept) | Refreshed::Again(kept) | Refreshed::Reuse(kept) => {
                    prop_assert!(false, "a lapsed family answered {:?}", kept);
                    kept
                }
                Refreshed::Refused(why) => {
                    let expected = if generation > 3 { NotRefreshed::Unknown } else { NotRefreshed::Lapsed };
                    prop_assert_eq!(why, expected);
                    family
                }
            };
        }
    }

    #[test]
    fn no_family_outlives_its_key(asks in proptest::collection::vec((0_i64..20 * 24 * HOUR, 0_u32..2), 1..30), cap in 1..90 * 24 * HOUR) {
        let cap = at(cap);
        let mut family = Family { refresh_until: (at(0) + family(0).refresh_life).min(cap), ..family(0) };
        let mut now = at(0);
        for (step, back) in asks {
            now = now + Span::from_millis(step);
            let generation = family.generation.saturating_sub(back);
            match family.clone().refresh(generation, GRACE, Some(cap), now) {
                Refreshed::Next(next) => {
                    prop_assert!(now < cap && next.refresh_until <= cap);
                    family = next;
                }
                Refreshed::Again(same) => prop_assert!(now < cap && same == family),
                Refreshed::Reuse(_) | Refreshed::Refused(_) => break,
            }
        }
    }
}

fn answer(refreshed: &Refreshed) -> Answer {
    match refreshed {
        Refreshed::Next(_) => Answer::Next,
        Refreshed::Again(_) => Answer::Again,
        Refreshed::Reuse(_) => Answer::Reuse,
        Refreshed::Refused(why) => Answer::Refused(*why),
    }
}

/// A family in this generation since time 0.
fn family(generation: u32) -> Family {
    Family {
        id: FamilyId::from_bytes([1; 16]),
        organization: OrganizationId::from_bytes([2; 16]),
        key: KeyId::from_bytes([3; 16]),
        generation,
        rotated_at: at(0),
        previous_at: None,
        used: false,
        refresh_until: at(60 * 24 * HOUR),
        access_life: Span::from_hours(1),
        refresh_life: Span::from_days(60),
        dead: None,
        created_at: at(0),
        version: 1,
        seed: [5; 32],
    }
}

fn tags() -> TagKeys {
    TagKeys::new([(1, [7; 32])]).unwrap()
}

fn at(millis: i64) -> Instant {
    Instant::from_millis(millis)
}
