//! What a process has used, as the kernel counts it.

use std::fs::read_to_string;

use anyhow::{Context, Result};

/// Ticks of `/proc/<pid>/stat` per second; the same on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of a process so far, in microseconds.
pub(crate) struct Used {
    /// Of its living threads, to the nanosecond.
    living: f64,
    /// Of all its threads, also those that have ended, to the tick.
    all: f64,
}

impl Used {
    pub(crate) fn by(pid: u32) -> Result<Self> {
        let mut living = 0.0;
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")? {
            let text = read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            living += text
                .split(' ')
                .next()
                .and_then(|word| word.parse::<f64>().ok())
                .unwrap_or(0.0)
                / 1_000.0;
        }
        let stat = read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, after_name) = stat.rsplit_once(')').context("stat")?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |at: usize| {
            fields
                .get(at)
                .and_then(|word| word.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        Ok(Self {
            living,
            all: (ticks(11) + ticks(12)) / TICKS_PER_SECOND * 1e6,
        })
    }

    /// Used since an earlier reading, in microseconds: the fine count, unless threads ended and took theirs along.
    pub(crate) fn since(&self, before: &Self) -> f64 {
        const ONE_PERCENT_AND_A_TICK: f64 = 10_000.0;
        let (fine, coarse) = (self.living - before.living, self.all - before.all);
        if coarse > fine * 1.01 + ONE_PERCENT_AND_A_TICK {
            coarse
        } else {
            fine
        }
    }
}

/// Memory that a process holds, in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    let status = read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
    Ok(kib / 1024.0)
}
