//! Requests to real servers: `redis-benchmark` to Redis, `wrk` to nginx.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, bail};

use super::load::Load;
use super::measured::{Carried, Latency, Measured};
use super::stage::Stage;
use super::usage::Usage;
use super::way::Way;

/// A client that takes longer is ended.
const LIMIT: Duration = Duration::from_secs(60);
const CLIENTS: &str = "16";
/// Requests of the first run, from which the length of the next ones follows; and the most of any.
const FIRST: u64 = 500;
const MOST: u64 = 10_000_000;

/// Makes `wrk` print its result as one line: requests, microseconds, failures, p50, p99 and p99.9 in microseconds.
const SCRIPT: &[u8] = b"done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(\"RESULT %d %d %d %d %d %d\\n\", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
";

/// What a client reports at its end.
struct Answered {
    requests: u64,
    /// How long it has sent requests, without its own start and end.
    seconds: f64,
    latency: Latency,
}

/// The clients.
pub(super) struct Clients {
    /// The script of `wrk`, in memory.
    script: File,
}

impl Clients {
    pub(super) fn new() -> anyhow::Result<Clients> {
        let memory = rustix::fs::memfd_create("wrk.lua", rustix::fs::MemfdFlags::CLOEXEC)
            .context("cannot create a file in memory")?;
        let mut script = File::from(memory);
        script.write_all(SCRIPT)?;
        Ok(Clients { script })
    }

    /// Sends requests for about this long. `rate` is that of an earlier run, in requests per second.
    pub(super) fn run(
        &self,
        stage: &Stage,
        load: Load,
        duration: Duration,
        rate: Option<f64>,
    ) -> anyhow::Result<Measured> {
        // Redis' client takes a number of requests, not a time. The run that finds its rate is not counted.
        let rate = match (load, rate) {
            (Load::Redis, None) => {
                let first = redis(stage, FIRST)?;
                Some(first.requests as f64 / first.seconds)
            }
            (_, known) => known,
        };
        let before = Usage::of(stage)?;
        let answered = match load {
            Load::Redis => {
                let requests = rate.unwrap_or_default() * duration.as_secs_f64();
                redis(stage, (requests as u64).clamp(FIRST, MOST))?
            }
            Load::Http => self.wrk(stage, duration, &[])?,
            Load::Connections => self.wrk(stage, duration, &["-H", "Connection: close"])?,
            Load::Tcp { .. } | Load::Udp { .. } => bail!("streams have no requests"),
        };
        Ok(Measured {
            seconds: answered.seconds,
            carried: Carried::Requests(answered.requests),
            used: Usage::of(stage)? - before,
            lost: 0,
            latency: Some(answered.latency),
        })
    }

    fn wrk(&self, stage: &Stage, duration: Duration, more: &[&str]) -> anyhow::Result<Answered> {
        let scheme = if stage.way == Way::Tls {
            "https"
        } else {
            "http"
        };
        let url = format!("{scheme}://{}/", stage.target()?);
        let script = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            self.script.as_raw_fd()
        );
        // It counts in whole seconds.
        let seconds = format!("{}s", duration.as_secs().max(1));
        let mut arguments = vec!["-t", "1", "-c", CLIENTS, "-d", &seconds];
        // An answer that takes long is slow, not a failure.
        arguments.extend(["--timeout", "60s"]);
        arguments.extend(more);
        arguments.extend(["-s", &script, &url]);
        let printed = stage.sender()?.run_within("wrk", &arguments, LIMIT)?;
        wrk_result(&printed).with_context(|| format!("wrk printed no result: {printed}"))?
    }
}

fn redis(stage: &Stage, requests: u64) -> anyhow::Result<Answered> {
    let (number, host) = (requests.to_string(), stage.target()?.to_string());
    let mut arguments = vec!["-h", &host, "-c", CLIENTS];
    arguments.extend(["-n", &number, "-t", "set", "-d", "1024", "--precision", "3"]);
    if stage.way == Way::Tls {
        arguments.extend(["--tls", "--insecure"]);
    }
    let printed = stage
        .sender()?
        .run_within("redis-benchmark", &arguments, LIMIT)?;
    let latency = redis_latency(&printed)
        .with_context(|| format!("redis-benchmark printed no latencies: {printed}"))?;
    let per_second = redis_rate(&printed)
        .with_context(|| format!("redis-benchmark printed no rate: {printed}"))?;
    Ok(Answered {
        requests,
        seconds: requests as f64 / per_second,
        latency,
    })
}

/// The line `throughput summary: 12345.67 requests per second`.
fn redis_rate(printed: &str) -> Option<f64> {
    let (_, rest) = printed.split_once("throughput summary: ")?;
    let rate = rest.split_whitespace().next()?.parse().ok()?;
    (rate > 0.0).then_some(rate)
}

/// The distribution that `redis-benchmark` prints: `99.902% <= 1.234 milliseconds (cumulative count 1999)`, in steps that
/// halve the rest. A percentile is the first step at or beyond it.
fn redis_latency(printed: &str) -> Option<Latency> {
    let steps: Vec<(f64, f64)> = printed
        .split(['\n', '\r'])
        .filter_map(|line| {
            let (percent, rest) = line.trim().split_once("% <= ")?;
            let (milliseconds, _) = rest.split_once(" milliseconds")?;
            Some((percent.parse().ok()?, milliseconds.parse().ok()?))
        })
        .collect();
    let at = |percent: f64| {
        let step = steps.iter().find(|(reached, _)| *reached >= percent)?;
        Some(step.1)
    };
    Some(Latency {
        p50: at(50.0)?,
        p99: at(99.0)?,
        p999: at(99.9)?,
    })
}

/// The line of [`SCRIPT`]; an error if requests failed.
fn wrk_result(printed: &str) -> Option<anyhow::Result<Answered>> {
    let line = printed
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))?;
    let numbers: Vec<u64> = line
        .split_whitespace()
        .map_while(|n| n.parse().ok())
        .collect();
    let [requests, duration, failures, p50, p99, p999] = numbers[..] else {
        return None;
    };
    if failures > 0 {
        return Some(Err(anyhow::anyhow!(
            "{failures} of {requests} requests of wrk failed"
        )));
    }
    let milliseconds = |microseconds: u64| microseconds as f64 / 1000.0;
    Some(Ok(Answered {
        requests,
        seconds: duration as f64 / 1e6,
        latency: Latency {
            p50: milliseconds(p50),
            p99: milliseconds(p99),
            p999: milliseconds(p999),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_redis_benchmark() {
        let printed = "Latency by percentile distribution:\n0.000% <= 0.103 milliseconds (cumulative count 1)\n\
            50.000% <= 0.207 milliseconds (cumulative count 500)\n\
            98.438% <= 0.5 milliseconds (cumulative count 985)\n\
            99.219% <= 0.703 milliseconds (cumulative count 993)\n\
            99.902% <= 1.503 milliseconds (cumulative count 1000)\n\
            100.000% <= 1.503 milliseconds (cumulative count 1000)\n\n\
            Cumulative distribution of latencies:\n1.500% <= 0.103 milliseconds (cumulative count 15)\n";
        let latency = redis_latency(printed).unwrap();
        assert_eq!(
            (latency.p50, latency.p99, latency.p999),
            (0.207, 0.703, 1.503)
        );
        assert_eq!(redis_latency("nothing"), None);
        let summary = "Summary:\n  throughput summary: 12345.67 requests per second\n";
        assert_eq!(redis_rate(summary), Some(12345.67));
    }

    #[test]
    fn failed_requests_are_an_error() {
        let answered = wrk_result("x\nRESULT 1000 500000 0 150 900 2500\n")
            .unwrap()
            .unwrap();
        assert_eq!((answered.requests, answered.seconds), (1000, 0.5));
        assert_eq!(answered.latency.p999, 2.5);
        assert!(
            wrk_result("RESULT 1000 1000000 3 150 900 2500")
                .unwrap()
                .is_err()
        );
        assert!(wrk_result("RESULT 1000").is_none());
    }
}
