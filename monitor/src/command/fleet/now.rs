//! The fleet at this moment.

use std::collections::{BTreeMap, BTreeSet};

use monitor_classify::Exposure;

use super::source::Fleet;
use crate::base::failure::Failure;
use crate::host::described_network::{Requirement, shown};
use crate::policy::State;
use crate::surface::prometheus::{Instance, Selector, Series};
use crate::surface::report::fleet::{FleetNow, Missing, PresentNetwork, Scope};

/// What can be read is that of these last minutes.
const RECENT: &str = "5m";
/// A node that was there within this time and is not now is missing.
const REMEMBERED: &str = "1d";

/// A network on a node.
type Key = (Instance, u32);

pub(super) async fn of(fleet: &mut Fleet, mut scope: Scope) -> Result<FleetNow, Failure> {
    nodes(fleet, &mut scope).await?;
    let selector = fleet.selector.clone();
    let mut rows: BTreeMap<Key, PresentNetwork> = BTreeMap::new();
    let info = format!("overlay_network_info{selector}");
    for series in fleet.at(&info, scope.to).await?.series {
        if let Some(row) = row(&mut rows, &series) {
            row.name = series.label("network").to_owned();
            row.required = requirement(series.label("required"));
        }
    }
    let state = format!("overlay_network_state{selector} == 1");
    for series in fleet.at(&state, scope.to).await?.series {
        if let Some(row) = row(&mut rows, &series) {
            row.state = State::ALL
                .into_iter()
                .find(|state| state.name() == series.label("state"));
        }
    }
    let active = format!("overlay_violation_active{selector} == 1");
    for series in fleet.at(&active, scope.to).await?.series {
        if let Some(row) = row(&mut rows, &series) {
            row.is_violated = true;
        }
    }
    let plaintext = Exposure::Plaintext.name();
    let readable = selector.with("exposure", plaintext);
    let (readable, all) = (grown(&readable), grown(&selector));
    let share = format!("sum by (instance, vni) ({readable}) / sum by (instance, vni) ({all})");
    for series in fleet.at(&share, scope.to).await?.series {
        if let (Some(row), Some(share)) = (row(&mut rows, &series), series.last()) {
            row.readable_share = Some(share.clamp(0.0, 1.0));
        }
    }
    let protocols = format!("sum by (instance, vni, protocol) ({readable}) > 0");
    for series in fleet.at(&protocols, scope.to).await?.series {
        if let Some(row) = row(&mut rows, &series) {
            row.readable.insert(shown(series.label("protocol")));
        }
    }
    let mut rows = Vec::from_iter(rows.into_values());
    rows.sort_by_key(|row| (!row.is_violated, row.doubt().is_none(), row.vni));
    scope.warnings = fleet.take_warnings();
    Ok(FleetNow { scope, rows })
}

/// Bytes by what can be read of them, as they grew lately. A protocol that was first seen just now, or an agent that has
/// just started, has no earlier value: all of it is new. `increase` would take it for nothing.
fn grown(selector: &Selector) -> String {
    let bytes = format!("overlay_exposure_bytes_total{selector}");
    format!("({bytes} - {bytes} offset {RECENT} >= 0) or {bytes}")
}

/// Counts the nodes, and finds those that are missing.
async fn nodes(fleet: &mut Fleet, scope: &mut Scope) -> Result<(), Failure> {
    let selector = fleet.selector.clone();
    let known = format!("max by (instance) (last_over_time(up{selector}[{REMEMBERED}]))");
    let known = fleet.at(&known, scope.to).await?;
    let up = format!("max by (instance) (up{selector})");
    let up = fleet.at(&up, scope.to).await?;
    let built = format!("group by (instance) (overlay_build_info{selector})");
    let built = fleet.at(&built, scope.to).await?;
    let names = |series: &[Series]| BTreeSet::from_iter(series.iter().map(Series::instance));
    let answers = names(&built.series);
    let scraped: BTreeMap<Instance, bool> = up
        .series
        .iter()
        .map(|series| (series.instance(), series.last() == Some(1.0)))
        .collect();
    let mut all = names(&known.series);
    all.extend(fleet.expected.iter().cloned());
    scope.nodes = all.len();
    for node in all.difference(&answers) {
        let why = match scraped.get(node) {
            Some(true) => "its target answers, but not as an agent",
            Some(false) => "its target is down",
            None => "Prometheus has no target of this name",
        };
        scope.missing.push(Missing {
            node: node.clone(),
            why: why.to_owned(),
        });
    }
    Ok(())
}

fn row<'a>(
    rows: &'a mut BTreeMap<Key, PresentNetwork>,
    series: &Series,
) -> Option<&'a mut PresentNetwork> {
    let (node, vni) = (series.instance(), series.vni()?);
    Some(
        rows.entry((node.clone(), vni))
            .or_insert_with(|| PresentNetwork {
                node,
                vni,
                name: String::new(),
                required: None,
                state: None,
                is_violated: false,
                readable_share: None,
                readable: BTreeSet::new(),
            }),
    )
}

fn requirement(text: &str) -> Option<Requirement> {
    [
        Requirement::Required,
        Requirement::Optional,
        Requirement::Forbidden,
    ]
    .into_iter()
    .find(|at| at.name() == text)
}
