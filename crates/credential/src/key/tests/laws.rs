//! What holds of every key, whatever was done to it.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_verdict_never_turns_from_denied_to_valid_by_time_alone(
        key in keys(),
        secret in secrets(),
        scopes in proptest::collection::vec(proptest::sample::select(vec!["a:read", "b:write"]), 0..3),
        resource in proptest::option::of(proptest::sample::select(vec!["account:1", "account:2"])),
        from in proptest::option::of(proptest::sample::select(vec!["192.0.2.1", "::ffff:192.0.2.1", "203.0.113.9"])),
        organization: bool,
        owner: bool,
        times in proptest::collection::vec(0_i64..400, 2..40),
    ) {
        let scopes: Vec<Scope> = scopes.into_iter().map(scope).collect();
        let ask = Ask { scopes: &scopes, resource, from: from.map(|ip| ip.parse().unwrap()), ..Ask::default() };
        let standing = Standing { organization, owner };
        let is_valid = |now| {
            prove(&key, &Digest::of(secret), now).is_some()
                && denied(decide(&key, &rights(), standing, &ask, now)).is_none()
        };
        let mut times = times;
        times.sort_unstable();
        let verdicts: Vec<bool> = times.iter().map(|now| is_valid(at(*now))).collect();
        prop_assert!(verdicts.is_sorted_by(|earlier, later| *earlier || !*later), "{:?} at {:?}", verdicts, times);
    }

    #[test]
    fn a_revoked_key_never_changes(ops in proptest::collection::vec(op(), 0..12), more in proptest::collection::vec(op(), 1..12)) {
        let key = grown(active(), &ops);
        let revoked = if key.is_revoked() { key } else { key.revoke(BY, at(0)).unwrap() };
        prop_assert_eq!(&grown(revoked.clone(), &more), &revoked);
    }

    #[test]
    fn whatever_is_done_two_secrets_are_good_at_most_and_generations_never_repeat(
        ops in proptest::collection::vec(op(), 0..20), now in 0_i64..400,
    ) {
        let key = grown(active(), &ops);
        let generations: Vec<u32> = key.live(at(now)).map(|credential| credential.generation).collect();
        prop_assert!(generations.len() <= 2);
        prop_assert!(generations.is_sorted_by(|current, previous| current > previous), "{:?}", generations);
        prop_assert_eq!(key.id, active().id);
    }
}

/// One thing that people do to a key, at a moment.
#[derive(Debug, Clone)]
enum Op {
    Disable,
    Enable,
    Revoke,
    Rotate(&'static str, i64),
    Expire(i64),
    List(&'static str),
}

fn op() -> impl Strategy<Value = (i64, Op)> {
    let op = prop_oneof![
        3 => Just(Op::Disable),
        3 => Just(Op::Enable),
        1 => Just(Op::Revoke),
        6 => (secrets(), 0_i64..300).prop_map(|(secret, overlap)| Op::Rotate(secret, overlap)),
        2 => (0_i64..400).prop_map(Op::Expire),
        1 => Just(Op::List("192.0.2.0/24")),
    ];
    (0_i64..300, op)
}

/// A key after these were done in the order of their moments; what is refused changes nothing.
fn grown(key: Key, ops: &[(i64, Op)]) -> Key {
    let mut ops = ops.to_vec();
    ops.sort_by_key(|(now, _)| *now);
    ops.into_iter().fold(key, |key, (now, op)| {
        let now = at(now);
        let changed = match op {
            Op::Disable => key.clone().disable(BY, now),
            Op::Enable => key.clone().enable(),
            Op::Revoke => key.clone().revoke(BY, now),
            Op::Rotate(secret, overlap) => {
                key.clone()
                    .rotate(minted(secret), Span::from_millis(overlap), now)
            }
            Op::Expire(until) => key.clone().edit(expiring(ExpiryChange::At(at(until))), now),
            Op::List(network) => key.clone().edit(
                Edit {
                    addresses: Some(addresses(&[network])),
                    ..Edit::default()
                },
                now,
            ),
        };
        changed.unwrap_or(key)
    })
}

/// Keys that lived: their past lies at any moment, even after the questions.
fn keys() -> impl Strategy<Value = Key> {
    proptest::collection::vec(op(), 0..8).prop_map(|ops| grown(active(), &ops))
}

fn secrets() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["a", "b", "c"])
}
