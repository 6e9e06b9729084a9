//! What one answer costs in process: time, allocations and, under callgrind, instructions.
//!
//! ```sh
//! cargo bench -p authority                                # the table
//! cargo bench -p authority -- --keys 1000000              # with a million keys in place of 100 thousand
//! cargo bench -p authority -- --only jwt                  # some of it
//! ```
//! `cargo xtask bench --icount` runs it under callgrind and compares with `benches/instructions.toml`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, talks to the person who started it, and has failed when it cannot go on"
)]

mod cases;
mod house;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, Instant};

use authority::ports::Clock;
use cases::{Case, Cases};
use house::House;

/// How long one slice is measured: long beside the clock's own cost and short beside what disturbs a machine.
const SLICE: Duration = Duration::from_millis(20);
/// Slices of one case: the lowest is what the code costs, and how far the others lie from it is what the machine adds.
const SLICES: usize = 40;
/// Answers over which allocations are counted: what grows only now and then shows as a fraction.
const COUNTED: usize = 4096;
/// Answers in one count of instructions, so that what a call of the runtime costs is spread thin.
const COUNTED_INSTRUCTIONS: usize = 64;
/// The time while instructions are counted.
const HELD: i64 = 1_800_000_000_000;

struct Options {
    keys: usize,
    only: String,
    instructions: bool,
}

fn main() {
    let options = options();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    // Under callgrind time is what it says, and the machine's clock cannot be read without its kernel's help.
    let clock = match options.instructions {
        true => Clock::held(Arc::new(AtomicI64::new(HELD))),
        false => Clock::system(),
    };
    let house = runtime.block_on(House::build(clock));
    if options.instructions {
        let cases = runtime.block_on(Cases::few(&house));
        for case in cases.all() {
            // Warm first: what is counted is the same again.
            for _ in 0..3 {
                mark_for_callgrind();
                black_box(runtime.block_on(case.answer(&house, 0, COUNTED_INSTRUCTIONS)));
            }
            mark_for_callgrind();
            println!("{}", case.name);
        }
        return;
    }
    println!("| in process | min ns | median ns | max ns | allocations | bytes |");
    println!("|---|---|---|---|---|---|");
    let cases = runtime.block_on(Cases::few(&house));
    for case in cases.all().filter(|case| case.name.contains(&options.only)) {
        row(&runtime, &house, case);
    }
    for limited in [false, true] {
        let name = Case::name_of_many(options.keys, limited);
        if name.contains(&options.only) {
            let case = runtime.block_on(Case::many(&house, options.keys, limited));
            row(&runtime, &house, &case);
        }
    }
}

fn options() -> Options {
    let mut options = Options {
        keys: 100_000,
        only: String::new(),
        instructions: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--keys" => options.keys = words.next().unwrap().parse().unwrap(),
            "--only" => options.only = words.next().unwrap(),
            "--instructions" => options.instructions = true,
            // Cargo's own.
            "--bench" => {}
            other => panic!("unknown: {other}; there are --keys, --only, --instructions"),
        }
    }
    options
}

/// Measures one case and prints its row.
fn row(runtime: &tokio::runtime::Runtime, house: &House, case: &Case) {
    let warm = Instant::now();
    let mut next = 0;
    while warm.elapsed() < SLICE * 4 || next < case.len() {
        next = runtime.block_on(case.answer(house, next, 256));
    }
    let mut slices: Vec<f64> = (0..SLICES)
        .map(|_| {
            let (mut answers, mut spent) = (0_u32, Duration::ZERO);
            while spent < SLICE {
                // Read just before, as from a socket: what is measured finds the text in the cache, and the key where it is.
                black_box(case.touch(next, 64));
                let begin = Instant::now();
                next = runtime.block_on(case.answer(house, next, 64));
                spent += begin.elapsed();
                answers += 64;
            }
            spent.as_secs_f64() * 1e9 / f64::from(answers)
        })
        .collect();
    slices.sort_by(f64::total_cmp);
    let counted = allocation_counter::measure(|| {
        black_box(runtime.block_on(case.answer(house, next, COUNTED)));
    });
    let per_answer = |count: u64| count as f64 / COUNTED as f64;
    println!(
        "| {} | {:.0} | {:.0} | {:.0} | {:.2} | {:.0} |",
        case.name,
        slices[0],
        slices[SLICES / 2],
        slices[SLICES - 1],
        per_answer(counted.count_total),
        per_answer(counted.bytes_total),
    );
}

/// Callgrind writes down what it counted so far whenever this is called. It knows it by a function of the C library that
/// nothing else here calls: the names of our own are not in a release build.
fn mark_for_callgrind() {
    black_box(std::os::unix::process::parent_id());
}
