//! Rows of the metrics about traffic: packets, bytes, ESP and exposure.

use std::collections::BTreeMap;
use std::fmt;

use monitor_common::count::Total;
use monitor_common::direction::Direction;
use monitor_common::esp_time::of_place;
use monitor_common::key::NetworkId;
use monitor_common::packet_time;

use super::definition::Rows;
use crate::agent::snapshot::Snapshot;
use crate::traffic::counted::{EspTime, Vni};
use crate::traffic::exposure_class::of_class;

/// Packets or bytes on the wire.
pub(super) fn traffic(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&monitor_common::count::Count) -> u64,
) -> fmt::Result {
    for row in &snapshot.counted.traffic {
        let vni = match row.vni {
            Vni::None => String::new(),
            Vni::Id(vni) => vni.to_string(),
            Vni::Other => "other".to_owned(),
        };
        let labels = [
            &row.interface,
            row.direction.label(),
            row.encapsulation.label(),
            vni.as_str(),
        ];
        rows.value(&labels, value(&row.count))?;
    }
    // One row for each interface and direction, so that the sum over encapsulations is complete.
    let mut associations = BTreeMap::<_, u64>::new();
    for row in &snapshot.counted.esp {
        *associations
            .entry((&row.interface, row.direction, row.encapsulation))
            .or_default() += value_of_esp(&value)(&row.count);
    }
    for ((interface, direction, encapsulation), total) in associations {
        let labels = [interface, direction.label(), encapsulation.label(), ""];
        rows.value(&labels, total)?;
    }
    Ok(())
}

/// Nodes are summed: the JSON objects list them.
pub(super) fn esp_networks(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&monitor_common::count::EspCarried) -> u64,
) -> fmt::Result {
    let mut networks = BTreeMap::<_, u64>::new();
    for row in &snapshot.counted.esp_networks {
        *networks.entry((row.direction, row.vni)).or_default() += value(&row.count);
    }
    for ((direction, vni), total) in networks {
        rows.value(&[direction.label(), &vni.to_string()], total)?;
    }
    for row in &snapshot.counted.esp_others {
        rows.value(&[row.direction.label(), "other"], value(&row.count))?;
    }
    Ok(())
}

/// One value of the time of each direction and class of sizes.
pub(super) fn esp_times(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    write: impl Fn(&mut Rows<'_, '_>, &[&str], &EspTime) -> fmt::Result,
) -> fmt::Result {
    for time in &snapshot.counted.esp_times {
        let labels = [time.direction.label(), &size(time.size_limit)];
        write(rows, &labels, time)?;
    }
    Ok(())
}

/// Times of single packets in ESP.
pub(super) fn packet_times(snapshot: &Snapshot, rows: &mut Rows<'_, '_>) -> fmt::Result {
    let counts = &snapshot.counted.packet_times;
    for (place, (buckets, nanoseconds)) in
        counts.buckets.iter().zip(&counts.nanoseconds).enumerate()
    {
        if buckets.iter().all(|packets| *packets == 0) {
            continue;
        }
        let buckets = buckets.iter().enumerate().map(|(bucket, packets)| {
            let limit = packet_time::limit(bucket).map_or(f64::MAX, in_seconds);
            (limit, *packets)
        });
        let buckets: Vec<(f64, u64)> = buckets.collect();
        let (direction, size_limit) = of_place(place);
        let labels = [direction.label(), &size(size_limit)];
        rows.buckets(&labels, in_seconds(*nanoseconds), &buckets)?;
    }
    Ok(())
}

/// Packets that could not be timed, once any packet was seen.
pub(super) fn asynchronous(snapshot: &Snapshot, rows: &mut Rows<'_, '_>) -> fmt::Result {
    let counts = &snapshot.counted.packet_times;
    if counts.is_zero() {
        return Ok(());
    }
    Direction::ALL.into_iter().try_for_each(|direction| {
        rows.value(
            &[direction.label()],
            counts.asynchronous[direction as usize],
        )
    })
}

fn in_seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// The label `size`.
fn size(limit: Option<u64>) -> String {
    limit.map_or_else(|| "larger".to_owned(), |limit| limit.to_string())
}

/// Packets or bytes by what is readable.
pub(super) fn exposure(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&monitor_common::count::Count) -> u64,
) -> fmt::Result {
    for row in &snapshot.counted.exposure {
        if row.count.packets == 0 {
            continue;
        }
        let (protocol, exposure) = of_class(row.key.class());
        let labels = [
            row.key.direction().label(),
            &network(row.key.network()),
            protocol.name(),
            exposure.name(),
        ];
        rows.value(&labels, value(&row.count))?;
    }
    Ok(())
}

/// The label `vni`: empty outside any overlay.
pub(super) fn network(network: NetworkId) -> String {
    match network {
        NetworkId::HOST => String::new(),
        NetworkId::OTHER => "other".to_owned(),
        NetworkId(vni) => vni.to_string(),
    }
}

fn value_of_esp(
    value: &impl Fn(&monitor_common::count::Count) -> u64,
) -> impl Fn(&monitor_common::count::EspCount) -> u64 {
    move |count| {
        value(&monitor_common::count::Count {
            packets: count.packets,
            bytes: count.bytes,
        })
    }
}

/// Counts of ESP by peer. SPIs are summed: they change with every key, and a label must not grow without bound.
pub(super) fn esp(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&monitor_common::count::EspCount) -> u64,
) -> fmt::Result {
    for row in &snapshot.counted.esp_peers {
        let peer = row
            .peer
            .map_or_else(|| "other".to_owned(), |peer| peer.to_string());
        let labels = [&row.interface, row.direction.label(), &peer];
        rows.value(&labels, value(&row.count))?;
    }
    Ok(())
}
