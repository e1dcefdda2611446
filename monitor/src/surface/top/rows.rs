//! The networks of `top` as JSON Lines.

use serde::Serialize;

use super::board::Board;
use crate::surface::live::Concern;
use crate::traffic::json_object::SCHEMA;

/// The object of type `top_network`.
#[derive(Serialize)]
struct NetworkRecord<'a> {
    r#type: &'static str,
    schema: u32,
    node: &'a str,
    vni: u32,
    network: Option<&'a str>,
    required: Option<&'static str>,
    state: &'static str,
    violated: bool,
    rx_bytes_per_second: f64,
    tx_bytes_per_second: f64,
    readable_share: Option<f64>,
    readable: Vec<&'a str>,
    causes: Vec<&'a str>,
}

/// An object for each network, as they are sorted.
///
/// # Errors
/// None is known: the objects hold nothing that JSON cannot.
pub fn lines(board: &Board) -> serde_json::Result<String> {
    let mut text = String::new();
    for row in board.rows() {
        let network = row.network;
        let causes = board.live.violations(row.vni).flat_map(|at| &at.causes);
        let record = NetworkRecord {
            r#type: "top_network",
            schema: SCHEMA,
            node: &board.live.last().node,
            vni: row.vni,
            network: Some(network.name.as_str()).filter(|name| !name.is_empty()),
            required: network.required.map(|required| required.name()),
            state: network.state.name(),
            violated: row.concern == Concern::Violated,
            rx_bytes_per_second: row.rate[0],
            tx_bytes_per_second: row.rate[1],
            readable_share: network.readable(),
            readable: network.readable_protocols().collect(),
            causes: causes.map(String::as_str).collect(),
        };
        text += &serde_json::to_string(&record)?;
        text.push('\n');
    }
    Ok(text)
}
