//! The subcommands and their help.

use clap::{Parser, Subcommand};

use crate::surface::format::Format;

use super::command_args::{
    AuditArgs, CheckArgs, ConfigArgs, DetachArgs, FleetArgs, ForecastArgs, HealthArgs, ReadArgs,
    RunArgs, TailArgs, TopArgs,
};

const ABOUT: &str =
    "Shows which overlay networks cross this node's wire, and what is readable in them";

const AFTER_HELP: &str = "\
Exit codes: 0 success; 1 a check failed, or a network violates its requirement; 2 usage,
configuration, or no such interface; 3 kernel or privileges; 4 runtime (port in use, input or
output); 5 audit undecided, or a time not proven.

Start here:
  overlay-monitor check          what this machine supports, and what is missing
  overlay-monitor tail -i eth0   print a line for each sampled packet
  overlay-monitor audit -i eth0  watch for a minute, then report the state of each network
  overlay-monitor run -i eth0    run the node agent: http://127.0.0.1:9469/metrics for Prometheus";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "overlay-monitor", version, about = ABOUT, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
    /// Log level on standard error: error, warn, info, debug, trace, or a filter in the syntax of the
    /// environment variable RUST_LOG, which it replaces
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Logging")]
    pub log: Option<String>,
}

impl Cli {
    /// The level of the log. Where there is a screen nothing is logged, unless it is asked for.
    #[must_use]
    pub fn log_level(&self) -> Option<&str> {
        let quiet = matches!(&self.command, Command::Top(args) if args.has_screen());
        self.log.as_deref().or(quiet.then_some("off"))
    }

    /// In which format the log is written.
    #[must_use]
    pub fn log_format(&self) -> Format {
        match &self.command {
            Command::Run(args) => args.log_format,
            _ => Format::Text,
        }
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the node agent: count every packet, and serve the counts to Prometheus
    ///
    /// Attaches to the interfaces, counts every VXLAN and ESP packet in the kernel, and serves /metrics, /networks,
    /// /-/ready and /-/healthy until SIGTERM or SIGINT. Values are read from the kernel at each scrape.
    /// The first plaintext of each protocol in each network is logged.
    Run(RunArgs),
    /// Print a line for each sampled packet: endpoints, network, and what is readable
    ///
    /// Replaces `tcpdump -A port 4789`. Only packets with content are shown: those with a payload, ESP, and those
    /// that could not be parsed. Payload is redacted: keys and paths are shown, values and credentials are not.
    Tail(TailArgs),
    /// Watch for a while, then report the state of each network, whether it meets its requirement, and what is readable
    ///
    /// Lists what is readable, by whom, and what to do about it, for each network and for host traffic outside any
    /// overlay (published ports). Payload is redacted: kinds of credentials are named, never their values. Networks
    /// come from the configuration file, from Docker, and from the wire. Ctrl-C ends it early with what is known by
    /// then. Exit code 1 if a network violates its requirement; 5 if that is undecided: a network that must be
    /// encrypted was idle, or coverage was incomplete.
    Audit(AuditArgs),
    /// Show the networks on a screen: state, rates, what is readable, violations with their causes
    ///
    /// Watches this host as `audit` does, or with --url shows an agent that runs, without privileges. The first line says
    /// whether anything is wrong. Keys: ? shows them, q leaves.
    Top(TopArgs),
    /// Report the networks of all nodes, now or over a time, as Prometheus has stored them
    ///
    /// Asks a Prometheus that scrapes the agents. Without a time: each network on each node with its state and what is
    /// readable, and which nodes are missing. With --since, or --from and --to: how long each required network was
    /// encrypted, in cleartext, idle, unknown or not covered by any agent, and the verdict: proven, violated, or not
    /// proven, which names the holes. Exit code 1 on a violation; 5 if undecided or not proven.
    Fleet(FleetArgs),
    /// Forecast what it would cost to encrypt the networks that are carried in the clear
    ///
    /// Counts the plain VXLAN of this host for some seconds, or asks an agent that runs (--url) or Prometheus (--prometheus). For each
    /// network: CPU cores with an interval, added bytes, and the MTU that it must have. The CPU time follows from a bench of the host:
    /// `overlay-lab bench encryption --docs /etc/overlay-monitor` writes it where it is found.
    Forecast(ForecastArgs),
    /// Report what is readable in capture files: a line for each packet, or a record for each flow
    ///
    /// Decodes as the live commands do, without privileges: pcap and pcapng, plain or encrypted overlays, several in
    /// one file. `tcpdump -w - | overlay-monitor read -` prints packets as they come.
    Read(ReadArgs),
    /// Report what this machine supports, and what is missing
    Check(CheckArgs),
    /// Check the configuration file
    Config(ConfigArgs),
    /// Ask the agent of this host whether it answers
    ///
    /// For probes of containers, in images without curl. Prints the answer; exit code 1 if it is not good, or there is none.
    Health(HealthArgs),
    /// Remove what a killed overlay-monitor left on interfaces
    ///
    /// Only before Linux 6.6 can a program outlive its process. Programs of a running overlay-monitor and of other
    /// software stay.
    Detach(DetachArgs),
}

#[cfg(test)]
mod tests;
