//! All automation of the workspace: `cargo xtask` shows what there is. It needs only cargo; what else a task uses it
//! finds, starts or (in CI) installs by itself.
#![expect(
    clippy::print_stdout,
    reason = "this program talks to the person who called it"
)]

mod bench;
mod console;
mod cortex;
mod crash;
mod demo;
mod fuzz;
mod http;
mod leaks;
mod native;
mod python;
mod random;
mod scc;
mod securecloud;
mod seed;
mod served;
mod services;
mod shell;
mod stages;
mod test;
mod threat_response;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test [--release] [STAGE…]   everything that must hold before a change lands; or only the stages named
cargo xtask bench [--only NAME] [--rounds N] [--seconds N] [--keys N] [--server-core N] [--load-core N]
                                        what a request costs beside a control that does nothing
cargo xtask bench --icount [--accept]   instructions of one answer under callgrind, held against the checked-in figures
cargo xtask crash [--engine sqlite|postgres] [--rounds N] [--seed N] [--release]
                                        kill -9 under load: nothing acknowledged is lost
cargo xtask leaks [--release]           no issued secret stands in a database, backup or log
cargo xtask tidy                        the house rules that no compiler checks

`cargo xtask test` lists its stages when one is unknown. CI=true turns a missing service into a failure.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words
        .split_first()
        .map(|(task, rest)| (task.as_str(), rest))
    {
        Some(("test", rest)) => test::run(rest),
        Some(("bench", rest)) => bench::run(rest),
        Some(("crash", rest)) => crash::run(rest),
        Some(("leaks", rest)) => {
            leaks::run(rest.iter().any(|word| word == "--release")).map(|_| true)
        }
        Some(("tidy", _)) => tidy::run(),
        _ => {
            println!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            println!("xtask: {fault:#}");
            ExitCode::FAILURE
        }
    }
}
