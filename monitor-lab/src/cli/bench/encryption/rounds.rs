//! Measures each load in each way, in interleaved rounds within a time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::bail;
use monitor_lab::WIRE_MTU;

use super::collected::Collected;
use super::load::Load;
use super::measured::Measured;
use super::report::{Facts, Run, Series};
use super::requests::Clients;
use super::stage::Stage;
use super::way::Way;
use super::{crypto, sizes, streams};
use crate::cli::progress::Progress;

/// How long is measured again where nothing arrived.
const LONGER: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(40);

/// Called with each measurement.
pub(super) type OnMeasurement<'a> = &'a mut dyn FnMut(Way, Load, &Measured) -> anyhow::Result<()>;

/// Runs the rounds; none begins that would end later than `limit` after `start`. Returns how many there were.
pub(super) fn measure(
    stages: &[Stage],
    collected: &mut Collected,
    run: &Run,
    (start, limit): (Instant, Duration),
    on_measurement: OnMeasurement<'_>,
) -> anyhow::Result<u32> {
    let clients = Clients::new()?;
    let mut progress = Progress::new("ways to cross the wire", run.rounds);
    let mut longest = Duration::ZERO;
    let mut done = 0;
    collected.begin();
    for round in 0..run.rounds as usize {
        if round > 0 && start.elapsed() + longest > limit {
            eprintln!(
                "no time for another round: {done} of {} were measured",
                run.rounds
            );
            break;
        }
        let began = Instant::now();
        let duration = Duration::from_millis(run.milliseconds);
        measure_round(
            stages,
            &mut collected.rows,
            &clients,
            (duration, round),
            on_measurement,
        )?;
        longest = longest.max(began.elapsed());
        done += 1;
        progress.step();
    }
    Ok(done)
}

/// Measures each load in each way once. Each round begins with another way, so that none is always first.
fn measure_round(
    stages: &[Stage],
    rows: &mut [Series],
    clients: &Clients,
    (duration, round): (Duration, usize),
    on_measurement: OnMeasurement<'_>,
) -> anyhow::Result<()> {
    let by_way: HashMap<&str, &Stage> = stages
        .iter()
        .map(|stage| (stage.way.name(), stage))
        .collect();
    for same_load in rows.chunk_by_mut(|one, next| one.load == next.load) {
        for place in 0..same_load.len() {
            let at = (place + round) % same_load.len();
            let series = &mut same_load[at];
            let Some(stage) = by_way.get(series.way.name()) else {
                continue;
            };
            let measured = measure_something(stage, series, clients, duration)?;
            on_measurement(series.way, series.load, &measured)?;
            series.push(measured);
        }
    }
    Ok(())
}

/// Measures for longer if nothing arrived: on an emulated machine the handshakes alone of TLS can take seconds.
fn measure_something(
    stage: &Stage,
    series: &Series,
    clients: &Clients,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let durations = [duration, LONGER, LONGEST];
    for duration in durations {
        let measured = measure_load(stage, series.load, clients, duration, series.last_rate())?;
        if !measured.is_empty() {
            return Ok(measured);
        }
    }
    bail!(
        "{}, {}: nothing arrived",
        series.way.label(),
        series.load.label()
    )
}

fn measure_load(
    stage: &Stage,
    load: Load,
    clients: &Clients,
    duration: Duration,
    rate: Option<f64>,
) -> anyhow::Result<Measured> {
    match load {
        Load::Tcp { streams } => streams::tcp(stage, streams, duration),
        Load::Udp { payload, streams } => streams::udp(stage, payload, streams, duration),
        Load::Redis | Load::Http | Load::Connections => clients.run(stage, load, duration, rate),
    }
}

/// What does not depend on the load. `receiver_driver` is that of another machine.
pub(super) fn facts(
    stage: &Stage,
    offloads: bool,
    receiver_driver: Option<String>,
) -> anyhow::Result<Facts> {
    sizes::warm_up(stage)?;
    let chosen = crypto::chosen(stage.way);
    let (algorithm, driver) = chosen.map_or((None, None), |chosen| {
        (Some(chosen.algorithm), chosen.driver)
    });
    Ok(Facts {
        algorithm,
        driver,
        receiver_driver,
        esp_offload: crypto::esp_offload(stage),
        mtu: stage.way.carrier().mtu(WIRE_MTU),
        // With offloads a frame of a device is not one of the wire.
        frames_around_the_mtu: if offloads {
            None
        } else {
            Some(sizes::frames_around_the_mtu(stage)?)
        },
        sizes: if offloads {
            Vec::new()
        } else {
            sizes::measure(stage)?
        },
    })
}
