use std::future::Future;
use std::pin::pin;
use std::sync::atomic::AtomicI64;
use std::task::{Context, Poll, Waker};

use credential::limit::Window;
use testkit::{Database, Random, on_each_engine, with_seed};

use super::meter::LEASE;
use super::*;

const MARGIN: Span = Span::from_millis(250);
const SUBJECT: Subject = Subject::Key([7; 16]);
const OTHER: Subject = Subject::Organization([8; 16]);

on_each_engine! {
    async fn one_process_counts_exactly(database: Database) {
        let store = open(&database).await;
        in_random_worlds(async |random| for world in 0..12 {
            // Each world has one meter, so that they may share a database.
            let limit = limit(1 + random.below(12) as u64, 1000 + random.below(60_000) as i64);
            let process = Process::start(&store, 0, 0);
            let mut model = Window::new();
            for step in 0..120 {
                process.pass(random.below(limit.window().millis() as usize / 6) as i64);
                if random.once_in(20) {
                    process.pass(LEASE.millis());
                }
                if random.once_in(10) {
                    tidy(&process).await.unwrap();
                }
                let cost = random.below(4) as u64;
                let expected = model.spend(&limit, cost, process.tick());
                let wants = [(Subject::Key([world; 16]), &limit)];
                let spent = process.spend(&wants, cost).await;
                assert_eq!(spent.is_ok(), expected, "world {world}, step {step}");
                if let Ok(spent) = spent {
                    let standing = model.standing(&limit, process.tick());
                    assert_eq!((spent[0].remaining, spent[0].reset), (standing.remaining, standing.reset));
                }
            }
        });
    }

    async fn no_window_ever_holds_more_whatever_crashes_and_whoever_counts(database: Database) {
        let stores = [open(&database).await, open(&database).await];
        in_random_worlds(async |random| for world in 0..6_u8 {
            let subjects = [Subject::Key([world; 16]), Subject::Organization([world; 16])];
            let minute = limit(2 + random.below(30) as u64, 5000 + random.below(60_000) as i64);
            let second = limit(1 + random.below(300) as u64, 1000);
            let wants = [(subjects[0], &second), (subjects[0], &minute), (subjects[1], &minute)];
            let mut processes =
                [Process::start(&stores[0], 0, 0), Process::start(&stores[1], 123_456_789, MARGIN.millis())];
            let mut log: Vec<(i64, u64)> = Vec::new();
            let mut admitted = 0;
            for step in 0..150 {
                let pass = *random.pick(&[0, 1, 40, 700, 5000]);
                let pass = if random.once_in(25) { LEASE.millis() + pass } else { pass };
                processes.iter().for_each(|process| process.pass(pass));
                let at = random.below(2);
                match random.below(24) {
                    0 => processes[at] = processes[at].again(),
                    1 => {
                        settle_all(&processes[at]).await.unwrap();
                        processes[at] = processes[at].again();
                    }
                    2 => tidy(&processes[at]).await.unwrap(),
                    _ => {}
                }
                let mut asked = Vec::new();
                for _ in 0..1 + random.below(4) {
                    let (process, cost) = (processes[random.below(2)].clone(), 1 + random.below(3) as u64);
                    let owned = wants.map(|(subject, limit)| (subject, limit.clone()));
                    asked.push(tokio::spawn(async move {
                        let wants: Vec<_> = owned.iter().map(|(subject, limit)| (*subject, limit)).collect();
                        process.spend(&wants, cost).await.map(|_| cost)
                    }));
                }
                let now = processes[0].true_time();
                for asked in asked {
                    if let Ok(cost) = asked.await.unwrap() {
                        log.push((now, cost));
                        admitted += cost;
                    }
                }
                for (_, limit) in wants {
                    let within = log.iter().filter(|(at, _)| *at > now - limit.window().millis());
                    let within: u64 = within.map(|(_, cost)| cost).sum();
                    assert!(within <= limit.quota(), "{within} of {limit:?} in world {world}, step {step}");
                }
            }
            assert!(admitted > 0, "world {world} admitted nothing");
        });
    }

    async fn small_quotas_are_exact(database: Database) {
        let store = open(&database).await;
        for quota in 1..6_u8 {
            let process = Process::start(&store, 0, 0);
            let limit = limit(quota.into(), 10_000);
            let subject = Subject::Key([quota; 16]);
            for round in 0..3 {
                let mut asked = Vec::new();
                for _ in 0..3 * quota {
                    let (process, limit) = (process.clone(), limit.clone());
                    asked.push(tokio::spawn(async move { process.spend(&[(subject, &limit)], 1).await.is_ok() }));
                }
                let mut admitted = 0;
                for asked in asked {
                    admitted += u8::from(asked.await.unwrap());
                }
                assert_eq!(admitted, quota, "round {round}");
                process.pass(limit.window().millis() + limit.slice().millis());
            }
        }
    }

    async fn a_refused_request_costs_nothing(database: Database) {
        let store = open(&database).await;
        let process = Process::start(&store, 0, 0);
        let (few, many) = (limit(2, 10_000), limit(10, 60_000));
        let wants = [(SUBJECT, &few), (OTHER, &many)];
        assert!(process.spend(&wants, 2).await.is_ok());
        process.quiet().await;
        let writes = store.db().counts().writes;
        for _ in 0..50 {
            assert_eq!(process.spend(&wants, 1).await, Err(10_010));
        }
        assert_eq!(store.db().counts().writes, writes);
        let looked = process.look(&[(OTHER, &many)]).await.unwrap();
        assert_eq!(looked[0].remaining, 8);
    }

    async fn looking_spends_nothing(database: Database) {
        let store = open(&database).await;
        let process = Process::start(&store, 0, 0);
        let limit = limit(3, 10_000);
        for _ in 0..5 {
            assert_eq!(process.look(&[(SUBJECT, &limit)]).await.unwrap()[0].remaining, 3);
        }
        assert!(process.spend(&[(SUBJECT, &limit)], 3).await.is_ok());
        assert!(process.look(&[(SUBJECT, &limit)]).await.is_err());
    }

    async fn a_graceful_stop_keeps_the_exact_state(database: Database) {
        let store = open(&database).await;
        let process = Process::start(&store, 0, 0);
        let limit = limit(100, 60_000);
        let wants = [(SUBJECT, &limit)];
        assert!(process.spend(&wants, 3).await.is_ok());
        process.pass(30_000);
        assert!(process.spend(&wants, 4).await.is_ok());
        settle_all(&process).await.unwrap();
        let process = process.again();
        assert_eq!(process.look(&wants).await.unwrap()[0].remaining, 93);
        process.pass(30_000 + limit.slice().millis() + MARGIN.millis());
        assert_eq!(process.look(&wants).await.unwrap()[0].remaining, 96);
        process.pass(30_000);
        assert_eq!(process.look(&wants).await.unwrap()[0].remaining, 100);
    }

    async fn a_crash_loses_little_and_not_for_long(database: Database) {
        let store = open(&database).await;
        let process = Process::start(&store, 0, 0);
        let limit = limit(1000, 60_000);
        let wants = [(SUBJECT, &limit)];
        for _ in 0..100 {
            assert!(process.spend(&wants, 1).await.is_ok());
        }
        process.quiet().await;
        let process = process.again();
        let left = process.look(&wants).await.unwrap()[0].remaining;
        assert!((1000 - 100 - 20..=900).contains(&left), "{left}");
        process.pass(LEASE.millis() + limit.window().millis() + MARGIN.millis() + 1);
        assert_eq!(process.look(&wants).await.unwrap()[0].remaining, 1000);
    }

    async fn what_nobody_uses_is_given_back(database: Database) {
        let stores = [open(&database).await, open(&database).await];
        let (idle, busy) = (Process::start(&stores[0], 0, 0), Process::start(&stores[1], 0, 0));
        let limit = limit(10, 60_000);
        let wants = [(SUBJECT, &limit)];
        assert!(idle.spend(&wants, 1).await.is_ok());
        idle.quiet().await;
        for process in [&idle, &busy] {
            process.pass(LEASE.millis());
        }
        tidy(&idle).await.unwrap();
        assert_eq!(busy.look(&wants).await.unwrap()[0].remaining, 9);
    }

    async fn two_processes_share_the_whole_quota(database: Database) {
        let stores = [open(&database).await, open(&database).await];
        let processes = [Process::start(&stores[0], 0, 0), Process::start(&stores[1], 0, 0)];
        let limit = limit(1000, 60_000);
        let mut admitted = 0;
        for turn in 0..2200 {
            processes.iter().for_each(|process| process.pass(5));
            admitted += u64::from(processes[turn % 2].spend(&[(SUBJECT, &limit)], 1).await.is_ok());
        }
        // Each may hold back a block and one ahead.
        assert!((960..=1000).contains(&admitted), "{admitted}");
    }

    async fn what_counts_no_more_is_forgotten_here_and_in_the_store(database: Database) {
        let store = open(&database).await;
        let process = Process::start(&store, 0, 0);
        let limit = limit(10, 1000);
        for subject in 0..40 {
            assert!(process.spend(&[(Subject::Key([subject; 16]), &limit)], 1).await.is_ok());
        }
        process.quiet().await;
        tidy(&process).await.unwrap();
        assert_eq!(process.limits().groups.len(), 40, "they count");
        process.pass(LEASE.millis() + 2000);
        tidy(&process).await.unwrap();
        assert_eq!(process.limits().groups.len(), 0);
        process.pass(2000);
        assert!(store.purge_meters(process.moment().now, 1000).await.unwrap() >= 40);
        assert_eq!(store.purge_meters(process.moment().now, 1000).await.unwrap(), 0);
        assert!(process.spend(&[(Subject::Key([1; 16]), &limit)], 10).await.is_ok());
    }

    async fn a_changed_quota_counts_what_was_spent_before(database: Database) {
        let store = open(&database).await;
        let process = Process::start(&store, 0, 0);
        assert!(process.spend(&[(SUBJECT, &limit(10, 60_000))], 6).await.is_ok());
        assert!(process.spend(&[(SUBJECT, &limit(5, 60_000))], 1).await.is_err());
        assert_eq!(process.spend(&[(SUBJECT, &limit(20, 60_000))], 1).await.unwrap()[0].remaining, 13);
    }

    async fn a_warm_limit_waits_for_nothing(database: Database) {
        let store = open(&database).await;
        let process = Process::start(&store, 0, 0);
        let limit = limit(100_000, 60_000);
        assert!(process.spend(&[(SUBJECT, &limit)], 1).await.is_ok());
        for _ in 0..400 {
            assert!(at_once(process.spend(&[(SUBJECT, &limit)], 1)).is_ok());
        }
        let writes = store.db().counts().writes;
        assert_eq!(at_once(process.spend(&[], 1)), Ok(Vec::new()));
        assert_eq!(store.db().counts().writes, writes);
    }
}

#[test]
fn a_path_of_a_limit_ends_where_a_segment_does() {
    let limit = |path: &str| ProductLimit {
        name: "x".to_owned(),
        description: String::new(),
        per: Per::Key,
        paths: vec![path.to_owned()],
        windows: Vec::new(),
    };
    let cases = [
        ("/admin/v2/", "/admin/v2/apiKeys", true),
        ("/admin/v2/", "/admin/v2/", true),
        ("/admin/v2/", "/admin/v2", false),
        ("/admin/v2/alerts", "/admin/v2/alerts", true),
        ("/admin/v2/alerts", "/admin/v2/alerts/1", true),
        ("/admin/v2/alerts", "/admin/v2/alertsOfOthers", false),
        ("/admin/v2/", "", false),
    ];
    for (path, route, under) in cases {
        assert_eq!(is_under(&limit(path), route), under, "{route} under {path}");
    }
}

/// A process: meters of its own over a shared store, with a forward clock and a database time of its own.
#[derive(Clone)]
struct Process(Arc<World>);

struct World {
    limits: Limits,
    store: Arc<Store>,
    /// What a clock on the wall shows that everybody sees.
    time: Arc<AtomicI64>,
    booted: i64,
    skew: i64,
    seed: u64,
}

impl Process {
    fn start(store: &Arc<Store>, booted: i64, skew: i64) -> Self {
        let time = Arc::new(AtomicI64::new(1_700_000_000_000));
        Self::over(store, time, booted, skew, with_seed(Random::number))
    }

    fn over(store: &Arc<Store>, time: Arc<AtomicI64>, booted: i64, skew: i64, seed: u64) -> Self {
        let limits = Limits::new(&Entropy::seeded(seed)).unwrap();
        Self(Arc::new(World {
            limits,
            store: Arc::clone(store),
            time,
            booted,
            skew,
            seed,
        }))
    }

    /// It crashed and runs again, knowing nothing.
    fn again(&self) -> Self {
        let World {
            store,
            time,
            booted,
            skew,
            seed,
            ..
        } = &*self.0;
        Self::over(
            store,
            Arc::clone(time),
            booted + 77,
            *skew,
            seed.wrapping_mul(31).wrapping_add(1),
        )
    }

    fn pass(&self, millis: i64) {
        self.0.time.fetch_add(millis, Ordering::SeqCst);
    }

    fn true_time(&self) -> i64 {
        self.0.time.load(Ordering::SeqCst)
    }

    async fn spend(&self, wants: &[(Subject, &Limit)], cost: u64) -> Result<Vec<Spent>, i64> {
        self.ask(wants, cost, true).await
    }

    async fn look(&self, wants: &[(Subject, &Limit)]) -> Result<Vec<Spent>, i64> {
        self.ask(wants, 1, false).await
    }

    async fn ask(
        &self,
        wants: &[(Subject, &Limit)],
        cost: u64,
        consume: bool,
    ) -> Result<Vec<Spent>, i64> {
        let want = |&(subject, limit)| Want {
            subject,
            product: None,
            limit,
        };
        let mut wants: Vec<_> = wants.iter().map(want).collect();
        spend(self, &mut wants, cost, consume).await.unwrap()
    }

    /// Waits until nothing is fetched ahead any more.
    async fn quiet(&self) {
        for group in self.0.limits.groups.all() {
            while Arc::strong_count(&group) > 2 {
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Ground for Process {
    fn limits(&self) -> &Limits {
        &self.0.limits
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn tick(&self) -> Instant {
        Instant::from_millis(self.true_time() - self.0.booted)
    }

    fn moment(&self) -> Moment {
        let now = Instant::from_millis(self.true_time() + self.0.skew);
        Moment {
            tick: Instant::from_millis(self.true_time() - self.0.booted),
            now,
            margin: MARGIN,
        }
    }
}

async fn open(database: &Database) -> Arc<Store> {
    Arc::new(Store::open(database.url()).await.unwrap())
}

/// Runs worlds that follow from one seed, which is printed when one of them breaks.
fn in_random_worlds(worlds: impl AsyncFnOnce(&mut Random)) {
    let runtime = tokio::runtime::Handle::current();
    with_seed(|random| tokio::task::block_in_place(|| runtime.block_on(worlds(random))));
}

/// The answer of something that does not wait.
fn at_once<T>(asked: impl Future<Output = T>) -> T {
    match pin!(asked).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

fn limit(quota: u64, window_ms: i64) -> Limit {
    Limit::new(
        &format!("test-{window_ms}"),
        quota,
        Span::from_millis(window_ms),
    )
    .unwrap()
}
