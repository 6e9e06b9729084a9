//! Stages of a test run: each is announced, timed and counted.

use std::time::Duration;

use anyhow::Result;

use crate::shell::timed;

/// What a stage found.
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// One thing was checked and holds.
    pub(crate) const HOLDS: Tally = Tally {
        passed: 1,
        failed: 0,
        skipped: 0,
    };
    /// One thing was checked and does not hold.
    pub(crate) const FAILS: Tally = Tally {
        passed: 0,
        failed: 1,
        skipped: 0,
    };
    /// One thing could not be checked here.
    pub(crate) const SKIPPED: Tally = Tally {
        passed: 0,
        failed: 0,
        skipped: 1,
    };
}

/// The stages that have run.
pub(crate) struct Stages {
    done: Vec<(String, Tally, Duration)>,
}

impl Stages {
    pub(crate) fn new() -> Self {
        Self { done: Vec::new() }
    }

    /// Runs a stage; a fault in it counts as a failure and the next stages still run.
    #[expect(clippy::print_stdout, reason = "tells what is going on")]
    pub(crate) fn run(&mut self, name: &str, work: impl FnOnce() -> Result<Tally>) {
        println!("\n=== {name}");
        let (outcome, time) = timed(work);
        let tally = outcome.unwrap_or_else(|fault| {
            println!("{name}: {fault:#}");
            Tally::FAILS
        });
        println!("=== {name}: {:.1} s", time.as_secs_f64());
        self.done.push((name.to_string(), tally, time));
    }

    /// Prints the table and the closing line; true if nothing failed.
    #[expect(clippy::print_stdout, reason = "the result of the run")]
    pub(crate) fn close(self) -> bool {
        println!("\nstage                         seconds   passed   failed  skipped");
        let mut sum = Tally {
            passed: 0,
            failed: 0,
            skipped: 0,
        };
        for (name, tally, time) in &self.done {
            let seconds = time.as_secs_f64();
            println!(
                "{name:<28} {seconds:>8.1} {:>8} {:>8} {:>8}",
                tally.passed, tally.failed, tally.skipped
            );
            sum.passed += tally.passed;
            sum.failed += tally.failed;
            sum.skipped += tally.skipped;
        }
        let total: Duration = self.done.iter().map(|(_, _, time)| *time).sum();
        println!("{:<28} {:>8.1}\n", "all", total.as_secs_f64());
        println!(
            "{} passed, {} failed, {} skipped",
            sum.passed, sum.failed, sum.skipped
        );
        sum.failed == 0
    }
}
