//! The table of a measurement.

use super::load::{CONNECTIONS, Slice};
use super::{Measured, Plan};

/// The machine and the way of measuring, in two lines.
pub(crate) fn host(plan: &Plan) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("an unnamed processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{model}, {} cores, load average {}. Server and control on core {}, wrk with {CONNECTIONS} connections on core {};\n\
         {} turns of {} s each, alternating; medians.",
        std::thread::available_parallelism().map_or(0, usize::from),
        load.split(' ').next().unwrap_or_default(),
        plan.server_core,
        plan.load_core,
        plan.rounds,
        plan.seconds,
    )
}

/// A row for each scenario.
pub(crate) fn markdown(measured: &[Measured]) -> String {
    let mut table = String::from(
        "| scenario | CPU µs per request | control | added µs (quartiles) | ratio | requests/s | control | p50 ms | control | p99 ms | control |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for Measured {
        name,
        control,
        server,
    } in measured
    {
        let added: Vec<f64> = server
            .iter()
            .zip(control)
            .map(|(server, control)| cpu(server) - cpu(control))
            .collect();
        let ratio: Vec<f64> = server
            .iter()
            .zip(control)
            .map(|(server, control)| cpu(control) / cpu(server))
            .collect();
        let both = |of: fn(&Slice) -> f64| {
            (
                middle(server.iter().map(of)),
                middle(control.iter().map(of)),
            )
        };
        let (cpu, cpu_control) = both(cpu);
        let (rate, rate_control) = both(|slice| slice.requests / slice.seconds);
        let (p50, p50_control) = both(|slice| slice.p50_us / 1000.0);
        let (p99, p99_control) = both(|slice| slice.p99_us / 1000.0);
        table.push_str(&format!(
            "| {name} | {cpu:.2} | {cpu_control:.2} | {:.2} ({:.2} to {:.2}) | {:.2} | {rate:.0} | {rate_control:.0} | {p50:.2} | {p50_control:.2} | {p99:.2} | {p99_control:.2} |\n",
            quantile(&added, 0.5),
            quantile(&added, 0.25),
            quantile(&added, 0.75),
            quantile(&ratio, 0.5),
        ));
    }
    table
}

fn cpu(slice: &Slice) -> f64 {
    slice.cpu_us / slice.requests
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    quantile(&values.collect::<Vec<_>>(), 0.5)
}

/// The value below which the given part of the values lies, by linear interpolation.
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = part * last as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_values_around_them() {
        assert!((quantile(&[3.0, 1.0, 2.0], 0.5) - 2.0).abs() < 1e-9);
        assert!((quantile(&[1.0, 2.0], 0.25) - 1.25).abs() < 1e-9);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
