//! Arguments of `read`.

use std::path::PathBuf;

use clap::Args;

use crate::surface::format::Format;

/// Arguments of `read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// Capture files, pcap or pcapng, one after the other; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print a record for each flow, and a summary, instead of a line for each packet
    #[arg(long)]
    pub flows: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// UDP ports of VXLAN: 4789 for Docker and Calico, 8472 for Flannel, K3s and Cilium [default: 4789]
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    pub vxlan_port: Vec<u16>,
    /// Name of the node that saw the packets, for the field `node` of flow records
    #[arg(long, value_name = "NAME", requires = "flows")]
    pub node: Option<String>,
    /// Stop after N packets were printed
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "flows")]
    pub lines: Option<u64>,
    /// Also show packets that tell nothing: without payload, or not IP
    #[arg(long, conflicts_with = "flows")]
    pub all: bool,
    /// Show payload bytes, escaped, NOT redacted: other people's secrets will be on your screen
    #[arg(long, conflicts_with = "flows")]
    pub show_payload: bool,
    /// Configuration file, for ports and names of networks [default: /etc/overlay-monitor/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
