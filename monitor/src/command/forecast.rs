//! `overlay-monitor forecast`: counts the plain networks, or asks for their counts, and forecasts their encryption.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::anyhow;
use jiff::Timestamp;

use super::cli::ForecastArgs;
use super::pages::Pages;
use super::{host_bench, own_agent};
use crate::agent::confined::FilesLater;
use crate::agent::session::Session;
use crate::base::failure::Failure;
use crate::base::output::Output;
use crate::surface::forecast::{BenchRecord, Counts, Forecasts, Total, Traffic, lines, text};
use crate::surface::format::Format;
use crate::surface::prometheus::Series;

/// A forecast, counting or about to ask.
pub struct Started {
    args: ForecastArgs,
    bench: Option<BenchRecord>,
    /// Where no other agent or server is asked.
    session: Option<Session>,
}

/// Starts to watch, if that is needed, and gives up the privileges that only this takes.
pub(super) fn start(args: ForecastArgs) -> Result<Started, Failure> {
    let bench = host_bench::read(args.basis.bench.as_deref())?;
    let mut session = None;
    if args.prometheus.is_none() && args.url.is_none() {
        args.access.refuse("--url or --prometheus")?;
        let own = own_agent::watch(&args.watch, &args.policy, &args.docker)?;
        own.give_up_privileges(&FilesLater::default())?;
        session = Some(own);
    }
    Ok(Started {
        args,
        bench,
        session,
    })
}

/// Counts or asks, and prints.
pub(super) async fn run(started: Started, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    let Started {
        args,
        bench,
        session,
    } = started;
    tokio::select! {
        traffic = traffic(&args, session) => print(&args, traffic?, bench),
        () = stop => Ok(()),
    }
}

async fn traffic(args: &ForecastArgs, session: Option<Session>) -> Result<Vec<Traffic>, Failure> {
    if let Some(url) = &args.prometheus {
        return stored(args, url).await;
    }
    if let Some(url) = &args.url {
        return counted(args, Pages::of_url(url, args.access.read()?)?).await;
    }
    let Some(session) = session else {
        return Ok(Vec::new());
    };
    let pages = Pages::of_agent(session.agent());
    let counting = counted(args, pages);
    let ended = session.run(|_| ControlFlow::Continue(()), counting);
    ended.await?.unwrap_or_else(|| Ok(Vec::new()))
}

/// Looks at an agent twice.
async fn counted(args: &ForecastArgs, pages: Pages) -> Result<Vec<Traffic>, Failure> {
    let look = async || {
        let (networks, metrics) = pages.read().await?;
        anyhow::Ok((Instant::now(), Counts::read(&networks, &metrics)?))
    };
    let (began, before) = look().await.map_err(Failure::runtime)?;
    tokio::time::sleep(args.duration).await;
    let (ended, after) = look().await.map_err(Failure::runtime)?;
    let seconds = (ended - began).as_secs_f64();
    after.since(&before, seconds).map_err(Failure::runtime)
}

/// The means that Prometheus has stored, of each network on each node.
async fn stored(args: &ForecastArgs, url: &str) -> Result<Vec<Traffic>, Failure> {
    let server = args.access.server(url)?;
    let now = Timestamp::now();
    let since = args.since.map_or(now, |since| since.0);
    let seconds = now.as_second().saturating_sub(since.as_second());
    if seconds < 1 {
        return Err(Failure::usage(anyhow!("--since must be before now")));
    }
    let selector = args.agents.selector().with("encapsulation", "vxlan");
    let mut means: BTreeMap<(String, u32), Total> = BTreeMap::new();
    let expression = |name: &str| {
        format!("sum by (instance, vni) (rate(overlay_{name}_total{selector}[{seconds}s]))")
    };
    let of = |one: &Series| Some((one.instance().to_string(), one.vni()?)).zip(one.last());
    for one in server.at(&expression("packets"), now).await?.series {
        if let Some((network, mean)) = of(&one) {
            means.entry(network).or_default().packets = mean;
        }
    }
    for one in server.at(&expression("bytes"), now).await?.series {
        if let Some((network, mean)) = of(&one) {
            means.entry(network).or_default().bytes = mean;
        }
    }
    let carried = means.into_iter().filter(|(_, mean)| mean.packets > 0.0);
    let traffic = carried.map(|((node, vni), mean)| Traffic {
        node,
        vni,
        network: None,
        packets_per_second: mean.packets,
        bytes_per_second: mean.bytes,
    });
    Ok(traffic.collect())
}

fn print(
    args: &ForecastArgs,
    traffic: Vec<Traffic>,
    bench: Option<BenchRecord>,
) -> Result<(), Failure> {
    let forecasts = Forecasts::of(traffic, bench, args.basis.wire_mtu);
    let text = match args.format {
        Format::Text => text(&forecasts),
        Format::Json => lines(&forecasts).map_err(Failure::runtime)?,
    };
    Output::stdout().print(format_args!("{text}"))
}
