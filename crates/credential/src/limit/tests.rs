use proptest::prelude::*;

use super::*;

#[test]
fn a_limit_has_bounds() {
    let refused = |name: &str, quota, window| Limit::new(name, quota, window).unwrap_err();
    assert_eq!(refused("", 1, MIN_WINDOW), BadLimit::Name);
    assert_eq!(refused("Per Hour", 1, MIN_WINDOW), BadLimit::Name);
    assert_eq!(refused("hour", 0, MIN_WINDOW), BadLimit::Quota);
    assert_eq!(refused("hour", MAX_QUOTA + 1, MIN_WINDOW), BadLimit::Quota);
    assert_eq!(refused("hour", 1, Span::from_millis(999)), BadLimit::Window);
    assert_eq!(
        refused("hour", 1, Span::from_millis(MAX_WINDOW.millis() + 1)),
        BadLimit::Window
    );
    let hour = Limit::new("hour", 8000, Span::from_hours(1)).unwrap();
    assert_eq!(
        serde_json::to_string(&hour).unwrap(),
        r#"{"name":"hour","quota":8000,"window_ms":3600000}"#
    );
    assert!(
        serde_json::from_str::<Limit>(r#"{"name":"hour","quota":0,"window_ms":3600000}"#).is_err()
    );
    assert_eq!(hour.slice(), Span::from_millis(3600));
    assert_eq!(limit(1, 1999).slice(), Span::from_millis(2));
}

#[test]
fn a_window_admits_its_quota_and_again_when_that_is_a_window_ago() {
    let limit = limit(3, 10_000);
    let mut window = Window::new();
    for _ in 0..3 {
        assert!(window.spend(&limit, 1, at(5)));
    }
    assert!(!window.spend(&limit, 1, at(5)));
    assert_eq!(
        window.standing(&limit, at(5)),
        Standing {
            remaining: 0,
            reset: Span::from_millis(10_005)
        }
    );
    // The slice of 10 ms that holds 5 ends at 10; a window later all of it is gone.
    assert_eq!(
        window.wait(&limit, 1, at(5)),
        Some(Span::from_millis(10_005))
    );
    assert!(!window.spend(&limit, 1, at(10_009)));
    assert!(window.spend(&limit, 3, at(10_010)));
}

#[test]
fn a_cost_above_the_quota_is_never_admitted_and_a_cost_of_nothing_always() {
    let limit = limit(3, 1000);
    let mut window = Window::new();
    assert_eq!(window.wait(&limit, 4, at(0)), None);
    assert!(window.spend(&limit, 3, at(0)));
    assert!(window.spend(&limit, 0, at(0)));
    assert!(!window.spend(&limit, u64::MAX, at(0)));
}

#[test]
fn all_windows_pay_or_none() {
    let (minute, hour) = (limit(10, 60_000), limit(11, 3_600_000));
    let (mut of_minute, mut of_hour) = (Window::new(), Window::new());
    let mut spend = |cost, now| {
        spend_all(
            &mut [(&minute, &mut of_minute), (&hour, &mut of_hour)],
            cost,
            at(now),
        )
    };
    let first = spend(10, 0);
    assert!(
        matches!(
            first,
            Decision::Admitted {
                tightest: 0,
                standing: Standing { remaining: 0, .. }
            }
        ),
        "{first:?}"
    );
    // The minute refuses; the hour is not charged for it.
    let retry_after = Some(Span::from_millis(60_060));
    assert!(
        matches!(spend(1, 0), Decision::Refused { tightest: 0, retry_after: r, .. } if r == retry_after)
    );
    assert!(spend(1, 60_060).is_admitted());
    // Then both would; the longer wait is told. More than a quota waits for ever.
    assert!(matches!(
        spend(10, 60_060),
        Decision::Refused {
            tightest: 1,
            retry_after: Some(_),
            ..
        }
    ));
    assert!(matches!(
        spend(11, 60_060),
        Decision::Refused {
            tightest: 0,
            retry_after: None,
            ..
        }
    ));
    assert!(spend_all(&mut [], 1, at(0)).is_admitted());
}

#[test]
fn what_was_reserved_counts_until_a_window_after_it_could_last_be_spent() {
    let limit = limit(10, 1000);
    let open = Block {
        units: 6,
        closed: None,
    };
    let closed = Block {
        units: 4,
        closed: Some(at(500)),
    };
    let mut window = Window::restored(&limit, &[open, closed], at(1000));
    assert!(!window.spend(&limit, 1, at(1500)));
    assert!(window.spend(&limit, 4, at(1501)));
    assert!(!window.spend(&limit, 1, at(2000)));
    assert!(window.spend(&limit, 6, at(2001)));
    assert!(!closed.is_over(&limit, at(1500)) && closed.is_over(&limit, at(1501)));
    assert!(!open.is_over(&limit, Instant::MAX));
}

#[test]
fn a_reserve_gives_what_it_holds() {
    let limit = limit(1000, 1000);
    let mut reserve = Reserve::default();
    assert!(!reserve.take(1) && reserve.take(0) && reserve.is_low(&limit));
    reserve.refill(Reserve::block_units(&limit, 1));
    assert!(
        !reserve.is_low(&limit) && reserve.take(6) && reserve.is_low(&limit) && !reserve.take(5)
    );
    assert_eq!(reserve.left(), 4);
    assert_eq!(Reserve::block_units(&limit, 50), 50);
}

#[test]
fn a_window_is_idle_when_nothing_counts_any_more() {
    let limit = limit(10, 1000);
    let mut window = Window::new();
    assert!(window.is_idle(&limit, at(0)));
    window.spend(&limit, 1, at(0));
    assert!(!window.is_idle(&limit, at(1000)));
    assert!(window.is_idle(&limit, at(1001)));
}

proptest! {
    #[test]
    fn no_window_ever_admits_more_than_its_quota(
        quota in 1_u64..20,
        window_ms in 1000_i64..5000,
        steps in proptest::collection::vec((-500_i64..900, 0_u64..6), 1..120),
    ) {
        let limit = limit(quota, window_ms);
        let mut window = Window::new();
        let (mut clock, mut latest) = (0, i64::MIN);
        let mut accepted: Vec<(i64, u64)> = Vec::new();
        for (step, cost) in steps {
            clock += step;
            // A clock that goes back stands still.
            latest = latest.max(clock);
            if window.spend(&limit, cost, at(clock)) {
                accepted.push((latest, cost));
            }
            let within = accepted.iter().filter(|(when, _)| *when > latest - window_ms).map(|(_, cost)| cost);
            prop_assert!(within.sum::<u64>() <= quota);
        }
    }

    #[test]
    fn what_is_refused_too_early_is_at_most_a_slice_early(
        quota in 1_u64..20,
        window_ms in 1000_i64..5000,
        steps in proptest::collection::vec((0_i64..900, 1_u64..6), 1..120),
    ) {
        let limit = limit(quota, window_ms);
        let slack = limit.slice().millis();
        let mut window = Window::new();
        let mut now = 0;
        let mut accepted: Vec<(i64, u64)> = Vec::new();
        for (step, cost) in steps {
            now += step;
            let longer = accepted.iter().filter(|(when, _)| *when > now - window_ms - slack).map(|(_, cost)| cost);
            let must = longer.sum::<u64>() + cost <= quota;
            let admitted = window.spend(&limit, cost, at(now));
            prop_assert!(admitted || !must);
            if admitted {
                accepted.push((now, cost));
            }
        }
    }

    #[test]
    fn a_refused_cost_is_admitted_after_the_wait_it_was_told(
        quota in 1_u64..20,
        window_ms in 1000_i64..5000,
        steps in proptest::collection::vec((-50_i64..900, 1_u64..6), 1..60),
    ) {
        let limit = limit(quota, window_ms);
        let mut window = Window::new();
        let mut now = 0;
        for (step, cost) in steps {
            now += step;
            match window.wait(&limit, cost, at(now)) {
                None => prop_assert!(cost > quota),
                Some(Span::ZERO) => prop_assert!(window.spend(&limit, cost, at(now))),
                Some(wait) => {
                    prop_assert!(!window.clone().spend(&limit, cost, at(now)));
                    prop_assert!(window.clone().spend(&limit, cost, at(now) + wait));
                }
            }
            let reset = window.standing(&limit, at(now)).reset;
            prop_assert_eq!(window.clone().standing(&limit, at(now) + reset).remaining, quota);
        }
    }

    #[test]
    fn a_window_told_as_blocks_is_the_same_window_again(
        quota in 1_u64..20, steps in proptest::collection::vec((0_i64..300, 1_u64..4), 0..60), later in 0_i64..3000,
    ) {
        let limit = limit(quota, 1000);
        let mut window = Window::new();
        let mut now = 0;
        for (step, cost) in steps {
            now += step;
            window.spend(&limit, cost, at(now));
        }
        let blocks: Vec<Block> = window.blocks().collect();
        let mut again = Window::restored(&limit, &blocks, at(now));
        prop_assert_eq!(again.standing(&limit, at(now + later)), window.standing(&limit, at(now + later)));
    }

    #[test]
    fn crashes_admit_nothing_more(
        quota in 1_u64..60,
        steps in proptest::collection::vec((0_i64..400, 1_u64..4, proptest::bool::weighted(0.1)), 1..150),
    ) {
        let limit = limit(quota, 1000);
        let (mut window, mut reserve, mut blocks) = (Window::new(), Reserve::default(), Vec::<Block>::new());
        let mut now = 0;
        let mut accepted: Vec<(i64, u64)> = Vec::new();
        for (step, cost, crash) in steps {
            now += step;
            if crash {
                // All that outlives a crash are the blocks; whatever was open may have been spent until now.
                window = Window::restored(&limit, &blocks, at(now));
                reserve = Reserve::default();
                blocks.iter_mut().for_each(|block| block.closed = block.closed.or(Some(at(now))));
                blocks.retain(|block| !block.is_over(&limit, at(now)));
            }
            if window.wait(&limit, cost, at(now)) == Some(Span::ZERO) {
                if reserve.left() < cost {
                    let units = Reserve::block_units(&limit, cost);
                    blocks.push(Block { units, closed: None });
                    reserve.refill(units);
                }
                prop_assert!(reserve.take(cost) && window.spend(&limit, cost, at(now)));
                accepted.push((now, cost));
            }
            let within = accepted.iter().filter(|(when, _)| *when > now - 1000).map(|(_, cost)| cost);
            prop_assert!(within.sum::<u64>() <= quota);
        }
    }
}

#[test]
fn a_window_that_remembers_much_stays_small() {
    let limit = limit(MAX_QUOTA, 1000);
    let mut window = Window::new();
    for millis in 0..5000 {
        window.restore(&limit, 1, at(millis), at(0));
    }
    assert_eq!(window.standing(&limit, at(0)).remaining, MAX_QUOTA - 5000);
    assert!(window.entries() <= MAX_SLICES);
}

fn limit(quota: u64, window_ms: i64) -> Limit {
    Limit::new("test", quota, Span::from_millis(window_ms)).unwrap()
}

fn at(millis: i64) -> Instant {
    Instant::from_millis(millis)
}
