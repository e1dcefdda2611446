//! The arguments of each command.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::shared_args::{
    DockerArgs, FilterArgs, PolicyArgs, WatchArgs, audit_duration, duration, forget_after, label,
    lines, port,
};
use crate::surface::format::Format;
use crate::surface::report::ReportFormat;
use crate::traffic::filter::Since;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub watch: WatchArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub policy: PolicyArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub export: ExportArgs,
    /// Format of the log on standard error; json is one object a line
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        help_heading = "Logging"
    )]
    pub log_format: Format,
    /// Show the names of accounts in evidence
    #[arg(long)]
    pub show_users: bool,
    /// Make the kernel measure the runs of all eBPF programs of this machine, as the sysctl kernel.bpf_stats_enabled does;
    /// takes CAP_SYS_ADMIN
    #[arg(long)]
    pub program_stats: bool,
    /// For debugging: keep all privileges after the start
    #[arg(long)]
    pub keep_privileges: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub docker: DockerArgs,
}

/// What `run` exports.
#[derive(Debug, Default, Args)]
pub struct ExportArgs {
    /// Address to serve /metrics, /networks, /-/ready and /-/healthy on [default: 127.0.0.1:9469]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// File with certificates, users and headers of the endpoint, in the format of Prometheus' exporter-toolkit; read
    /// again when it changes [default: none: cleartext, and no password]
    #[arg(long, value_name = "FILE")]
    pub web_config: Option<PathBuf>,
    /// Forget an undescribed network, association or node after this time without a packet, such as 1h; its counters
    /// restart at 0 if it returns [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = forget_after, allow_negative_numbers = true)]
    pub forget_after: Option<Duration>,
    /// Undescribed networks that are exported apart, at most; the others are summed as "other" [default: 1024]
    #[arg(long, value_name = "N")]
    pub unknown_networks: Option<u32>,
}

/// Arguments of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Ask whether all that should be watched is watched, too
    #[arg(long)]
    pub ready: bool,
    /// Configuration file of the agent, for `listen` and `web_config`
    /// [default: /etc/overlay-monitor/config.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address that the agent listens on [default: 127.0.0.1:9469]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Web configuration file of the agent
    #[arg(long, value_name = "FILE")]
    pub web_config: Option<PathBuf>,
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What `config` does.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check that `run` would take the file, without starting anything
    ///
    /// Prints one line, or the error with its place in the file (exit code 2). Interfaces that it names must exist on this
    /// machine. A running agent takes the file over at SIGHUP (`systemctl reload overlay-monitor`).
    Check(ConfigCheckArgs),
}

/// Arguments of `config check`.
#[derive(Debug, Args)]
pub struct ConfigCheckArgs {
    /// Configuration file [default: /etc/overlay-monitor/config.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub watch: WatchArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub policy: PolicyArgs,
    /// How long to watch, such as 60s or 5m
    #[arg(long, value_name = "TIME", value_parser = audit_duration, allow_negative_numbers = true, default_value = "60s")]
    pub duration: Duration,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Also write the report to this file; the extension selects the format: .html, .json (JSON Lines) or .txt; can
    /// be repeated
    #[arg(long, value_name = "FILE")]
    pub output: Vec<PathBuf>,
    /// Also write every sample to this pcapng file, with the verdict as comment of each packet; payload is NOT
    /// redacted in it
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Show the names of accounts in evidence
    #[arg(long)]
    pub show_users: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub basis: ForecastBasisArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub docker: DockerArgs,
}

/// The credentials for a server that is asked, and the authorities that may vouch for it.
#[derive(Debug, Args)]
pub struct AccessArgs {
    /// File with a bearer token
    #[arg(long, value_name = "FILE", conflicts_with = "user_file", help_heading = SERVER)]
    pub bearer_token_file: Option<PathBuf>,
    /// File with user:password
    #[arg(long, value_name = "FILE", help_heading = SERVER)]
    pub user_file: Option<PathBuf>,
    /// File with the certificates, in PEM, of the authorities that may vouch for the server [default: those of this host]
    #[arg(long, value_name = "FILE", help_heading = SERVER)]
    pub ca_file: Option<PathBuf>,
}

/// Which series of a server are those of agents.
#[derive(Debug, Args)]
pub struct SelectorArgs {
    /// Label job of the agents
    #[arg(long, value_name = "NAME", default_value = "overlay-monitor", help_heading = AGENTS)]
    pub job: String,
    /// Only series with this label, such as cluster=west; can be repeated
    #[arg(long = "match", value_name = "LABEL=VALUE", value_parser = label, help_heading = AGENTS)]
    pub matches: Vec<(String, String)>,
}

/// Arguments of `fleet`.
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// Server with a Prometheus-compatible API (Prometheus, Thanos, Mimir, VictoriaMetrics), with the path before /api/v1
    #[arg(long, value_name = "URL", help_heading = SERVER)]
    pub prometheus: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub access: AccessArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub agents: SelectorArgs,
    /// Label instance of a node that must have an agent, such as node7:9469; can be repeated
    #[arg(long, value_name = "NAME", help_heading = AGENTS)]
    pub expect_node: Vec<String>,
    /// Report on the time from then on: 30d for the last thirty days, or 2026-11-27T09:27:15, with Z for UTC
    /// [default: this moment only]
    #[arg(long, value_name = "TIME", conflicts_with = "from", help_heading = TIMES)]
    pub since: Option<Since>,
    /// The same as --since, with --to
    #[arg(long, value_name = "TIME", requires = "to", help_heading = TIMES)]
    pub from: Option<Since>,
    /// End of the time [default: now]
    #[arg(long, value_name = "TIME", help_heading = TIMES)]
    pub to: Option<Since>,
    /// The verdict is proven although a time of a network on a node is not covered, or unknown, that is no longer than
    /// this, such as the restart of an agent
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s", help_heading = TIMES)]
    pub tolerate: Duration,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Also write the report to this file; the extension selects the format: .html, .json (JSON Lines) or .txt; can
    /// be repeated
    #[arg(long, value_name = "FILE")]
    pub output: Vec<PathBuf>,
}

/// What a forecast of the cost of encryption is computed from, beside the traffic.
#[derive(Debug, Args)]
pub struct ForecastBasisArgs {
    /// JSON of the bench of the host [default: /etc/overlay-monitor/encryption-cost.json, if it exists]
    #[arg(long, value_name = "FILE", help_heading = COST)]
    pub bench: Option<PathBuf>,
    /// MTU of the wire between the nodes in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(576..=65_535), allow_negative_numbers = true, help_heading = COST)]
    pub wire_mtu: u32,
}

/// Arguments of `forecast`.
#[derive(Debug, Args)]
pub struct ForecastArgs {
    /// Ask an agent that runs, such as http://127.0.0.1:9469, without privileges [default: watch this host]
    #[arg(long, value_name = "URL", conflicts_with_all = ["interfaces", "config", "docker", "prometheus"])]
    pub url: Option<String>,
    /// How long to count, such as 10s or 5m
    #[arg(long, value_name = "TIME", value_parser = audit_duration, allow_negative_numbers = true, default_value = "10s")]
    pub duration: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub basis: ForecastBasisArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Ask a server with a Prometheus-compatible API instead, for the mean of each node since --since
    #[arg(long, value_name = "URL", requires = "since", conflicts_with_all = ["interfaces", "config", "docker"], help_heading = SERVER)]
    pub prometheus: Option<String>,
    /// Mean from then on: 1d for the last day, or 2026-11-27T09:27:15, with Z for UTC
    #[arg(long, value_name = "TIME", requires = "prometheus", help_heading = SERVER)]
    pub since: Option<Since>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub access: AccessArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub agents: SelectorArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub watch: WatchArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub policy: PolicyArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub docker: DockerArgs,
}

const SERVER: &str = "Which server to ask";
const AGENTS: &str = "Which agents";
const TIMES: &str = "Which time";
const COST: &str = "Forecast of what encryption costs";

/// Arguments of `tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub watch: WatchArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub filter: FilterArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Stop after N lines
    #[arg(short = 'n', long, value_name = "N", value_parser = lines, allow_negative_numbers = true)]
    pub lines: Option<u64>,
    /// Also show packets without content: without payload, or not IP
    #[arg(long)]
    pub all: bool,
    /// Show payload bytes, escaped but NOT redacted: the output then contains secrets of others
    #[arg(long)]
    pub show_payload: bool,
    /// Show the names of accounts in evidence
    #[arg(long)]
    pub show_users: bool,
    /// Also show the packets of this session's own connection: of SSH, and of standard output
    #[arg(long)]
    pub own_session: bool,
    /// Also write every sample that is shown to this pcapng file, with the verdict as comment of each packet; payload
    /// is NOT redacted in it
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}

/// Arguments of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Show an agent that runs, such as http://127.0.0.1:9469, without privileges [default: watch this host]
    #[arg(long, value_name = "URL", conflicts_with_all = ["interfaces", "config", "docker"])]
    pub url: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub access: AccessArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub watch: WatchArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub policy: PolicyArgs,
    /// Print one frame after a second, and end
    #[arg(long)]
    pub once: bool,
    /// Output format; json prints an object for each network each second
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub docker: DockerArgs,
}

impl TopArgs {
    /// Whether it takes the terminal.
    #[must_use]
    pub fn has_screen(&self) -> bool {
        !self.once && self.format == Format::Text
    }
}

/// Arguments of `check`.
#[derive(Debug, Default, Args)]
pub struct CheckArgs {
    /// Also check this interface (a name, a glob or default): what each hook would do there, and cost; can be
    /// repeated [default: those of the configuration file]
    #[arg(short, long = "interface", value_name = "NAME")]
    pub interfaces: Vec<String>,
    /// UDP ports of VXLAN: 4789 for Docker and Calico, 8472 for Flannel, K3s and Cilium [default: 4789]
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = port, allow_negative_numbers = true)]
    pub vxlan_port: Vec<u16>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub docker: DockerArgs,
    /// Configuration file, for interfaces, ports, networks and the location of Docker [default:
    /// /etc/overlay-monitor/config.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `detach`.
#[derive(Debug, Args)]
pub struct DetachArgs {
    /// Only this interface; can be repeated [default: all]
    #[arg(short, long = "interface", value_name = "NAME")]
    pub interfaces: Vec<String>,
}

/// Arguments of `read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// Capture files, pcap or pcapng, read one after the other; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print a record for each flow, and a summary, instead of a line for each packet
    #[arg(long)]
    pub flows: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub filter: FilterArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// UDP ports of VXLAN: 4789 for Docker and Calico, 8472 for Flannel, K3s and Cilium [default: 4789]
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = port, allow_negative_numbers = true)]
    pub vxlan_port: Vec<u16>,
    /// Name of the node that captured the packets, for the field `node` of flow records
    #[arg(long, value_name = "NAME", requires = "flows")]
    pub node: Option<String>,
    /// Stop after N packets
    #[arg(short = 'n', long, value_name = "N", value_parser = lines, allow_negative_numbers = true, conflicts_with = "flows")]
    pub lines: Option<u64>,
    /// Also show packets without content: without payload, or not IP
    #[arg(long, conflicts_with = "flows")]
    pub all: bool,
    /// Show payload bytes, escaped but NOT redacted: the output then contains secrets of others
    #[arg(long, conflicts_with = "flows")]
    pub show_payload: bool,
    /// Show the names of accounts in evidence
    #[arg(long)]
    pub show_users: bool,
    /// Configuration file, for ports and names of networks [default: /etc/overlay-monitor/config.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
