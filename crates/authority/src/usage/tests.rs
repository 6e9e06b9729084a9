use super::*;

const HOUR: i64 = 3_600_000;

#[test]
fn uses_of_all_threads_are_added_up() {
    let usage = Usage::default();
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let usage = &usage;
            threads.spawn(move || {
                for use_ in 0..100 {
                    usage.note(
                        secret(1, 0),
                        "orders",
                        VALID,
                        Some(from(thread)),
                        at(thread * 1000 + use_),
                    );
                }
            });
        }
    });
    let (uses, hours) = only(batches(usage.take()));
    assert_eq!(uses.len(), 1);
    assert_eq!(
        (uses[0].uses, uses[0].last_used_at, uses[0].address),
        (800, at(7099), from(7))
    );
    assert_eq!(uses[0].route.as_deref(), Some("orders"));
    assert_eq!(hours, [hour(1, 0, "orders", VALID, 800)]);
    assert!(usage.take().is_empty());
}

#[test]
fn each_secret_has_its_last_use_and_each_key_its_hours() {
    let usage = Usage::default();
    usage.note(secret(1, 0), "a", VALID, Some(from(1)), at(5));
    usage.note(secret(1, 1), "a", VALID, Some(from(2)), at(HOUR + 5));
    usage.note(secret(1, 1), "b", VALID, Some(None), at(HOUR + 4));
    usage.note(secret(1, 1), "b", "EXPIRED", None, at(HOUR + 6));
    let (mut uses, mut hours) = only(batches(usage.take()));
    uses.sort_by_key(|usage| usage.generation);
    hours.sort_by_key(|usage| (usage.hour, usage.route.clone(), usage.outcome.clone()));
    let told: Vec<_> = uses
        .iter()
        .map(|u| (u.generation, u.last_used_at, u.address, u.uses))
        .collect();
    // The clock of one request may be behind another's; the latest use is the latest.
    assert_eq!(
        told,
        [(0, at(5), from(1), 1), (1, at(HOUR + 5), from(2), 2)]
    );
    let expected = [
        hour(1, 0, "a", VALID, 1),
        hour(1, HOUR, "a", VALID, 1),
        hour(1, HOUR, "b", "EXPIRED", 1),
        hour(1, HOUR, "b", VALID, 1),
    ];
    assert_eq!(hours, expected);
}

#[test]
fn what_is_noted_is_bounded() {
    let usage = Usage::default();
    for route in 0..10 * MAX_ROUTES {
        usage.note(
            secret(1, 0),
            &format!("{route}{}", "x".repeat(1000)),
            VALID,
            Some(None),
            at(0),
        );
    }
    let (_, hours) = only(batches(usage.take()));
    assert_eq!(hours.len(), MAX_ROUTES + 1);
    assert!(
        hours
            .iter()
            .all(|usage| usage.route.len() <= MAX_ROUTE_CHARS)
    );
    assert_eq!(
        hours.iter().map(|usage| usage.uses).sum::<u64>(),
        10 * MAX_ROUTES as u64
    );

    for generation in 0..MAX_NOTED as u32 + 7 {
        usage.note(secret(1, generation), "a", VALID, Some(None), at(0));
    }
    assert_eq!(usage.lost.load(Ordering::Relaxed), 7);
    let batches = batches(usage.take());
    assert!(
        batches
            .iter()
            .all(|(uses, hours)| uses.len().max(hours.len()) <= MAX_BATCH)
    );
    assert_eq!(
        batches.iter().map(|(uses, _)| uses.len()).sum::<usize>(),
        MAX_NOTED
    );
}

#[test]
fn what_could_not_be_written_is_noted_again() {
    let usage = Usage::default();
    usage.note(secret(1, 0), "a", VALID, Some(from(1)), at(5));
    usage.note(secret(1, 0), "a", "DISABLED", None, at(6));
    let mut first = only(batches(usage.take()));
    usage.put_back(first.0.clone(), first.1.clone());
    let mut again = only(batches(usage.take()));
    first
        .1
        .sort_by(|one, other| one.outcome.cmp(&other.outcome));
    again
        .1
        .sort_by(|one, other| one.outcome.cmp(&other.outcome));
    assert_eq!(first, again);
}

fn only(batches: Vec<(Vec<UsageRow>, Vec<HourlyUsage>)>) -> (Vec<UsageRow>, Vec<HourlyUsage>) {
    assert_eq!(batches.len(), 1);
    batches.into_iter().next().unwrap()
}

fn secret(key: u8, generation: u32) -> (KeyId, u32) {
    (KeyId::from_bytes([key; 16]), generation)
}

fn hour(key: u8, at_millis: i64, route: &str, outcome: &str, uses: u64) -> HourlyUsage {
    let (key, hour) = (KeyId::from_bytes([key; 16]), at(at_millis));
    HourlyUsage {
        key,
        hour,
        route: route.to_owned(),
        outcome: outcome.to_owned(),
        uses,
    }
}

fn from(last: i64) -> Option<IpAddr> {
    Some([192, 0, 2, last as u8].into())
}

fn at(millis: i64) -> Instant {
    Instant::from_millis(millis)
}
