//! What is on the command line, as it was typed; [`crate::command::settings`] checks it.

mod read;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::kernel::attach::HookChoice;

use crate::base::failure::Failure;
use crate::host::docker::DockerSocket;
use crate::surface::format::Format;
use crate::surface::report::Form;
pub use read::ReadArgs;

const ABOUT: &str =
    "Shows which overlay networks cross this node's wire, and what can be read in them";

const AFTER_HELP: &str = "\
Exit codes: 0 fine; 1 a check failed, or a network has what it must not have; 2 usage,
configuration or no such interface; 3 kernel or privileges; 4 run time (port in use, input or
output); 5 audit could not tell.

Start here:
  overlay-monitor check          what this machine can and cannot do
  overlay-monitor tail -i eth0   watch what can be read, a line for each sampled packet
  overlay-monitor audit -i eth0  watch for a minute, and say what each network is
  overlay-monitor run -i eth0    the node agent: http://127.0.0.1:9469/metrics for Prometheus";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "overlay-monitor", version, about = ABOUT, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What to log on standard error: error, warn, info, debug, trace, or a filter as of the
    /// environment variable RUST_LOG, which this replaces.
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Logging")]
    pub log: Option<String>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run as node agent: count every packet, and serve the counts to Prometheus
    ///
    /// Attaches to the interfaces, counts every VXLAN and ESP packet in the kernel and serves /metrics
    /// and /healthz until SIGTERM or SIGINT. A value is read from the kernel at the moment of the scrape.
    /// What can be read in plaintext is logged when it is first seen.
    Run(RunArgs),
    /// Print a line for each sampled packet: who talks to whom in which network, and what can be read
    ///
    /// What `tcpdump -A port 4789` was used for. Only packets that tell something are shown: with a payload,
    /// ESP, or not understood. Everything is redacted: keys and paths are shown, values and credentials are not.
    Tail(TailArgs),
    /// Watch for a while, then say of each network what it is, whether that is what it should be, and what can be read
    ///
    /// What can be read, by whom and what to do about it is said of each network and of the host's own wire (published
    /// ports). Everything is redacted: kinds of credentials are named, never their values. Networks are those of the configuration file and of Docker, and whatever is on the wire beside them. Ctrl-C
    /// ends it early, with what is known by then. Exit code 1 if a network has what it must not have, 5 if nobody
    /// can tell: a network that must be encrypted was idle, or the sight was lost.
    Audit(AuditArgs),
    /// Say what can be read in capture files: a line for each packet, or a record for each flow
    ///
    /// The same decoding as live, without privileges: pcap and pcapng, plain or encrypted overlays, several in one
    /// file. `tcpdump -w - | overlay-monitor read -` works as packets come.
    Read(ReadArgs),
    /// Say what this machine can and cannot do, and what is missing for it
    Check(CheckArgs),
    /// Remove what an overlay-monitor that was killed left on its interfaces
    ///
    /// Only kernels before 6.6 let a program outlive its process. What a running overlay-monitor uses is
    /// left alone, and so is everything that is not ours.
    Detach(DetachArgs),
}

/// What and how to watch.
#[derive(Debug, Default, Args)]
pub struct WatchArgs {
    /// Interface that carries the traffic between the nodes: a name, a glob such as 'eth*', or default (the
    /// default route's); may be given more than once
    #[arg(
        short,
        long = "interface",
        value_name = "NAME",
        help_heading = "What to watch"
    )]
    pub interfaces: Vec<String>,
    /// Also watch traffic outside any overlay, such as published ports: off, all, or ports=80,443
    #[arg(long, value_name = "WHICH", help_heading = "What to watch")]
    pub host_flows: Option<String>,
    /// UDP ports of VXLAN: 4789 for Docker and Calico, 8472 for Flannel, K3s and Cilium [default: 4789]
    #[arg(
        long,
        value_name = "PORT",
        value_delimiter = ',',
        help_heading = "What to watch"
    )]
    pub vxlan_port: Vec<u16>,
    /// Where to see the packets [default: auto]
    #[arg(long, value_enum, help_heading = "How to watch")]
    pub hook: Option<HookChoice>,
    /// Sample one packet in N, at random distances; 1 is every packet, 0 none
    #[arg(long, value_name = "N", help_heading = "How to watch")]
    pub sample_every: Option<u32>,
    /// Sample the first N packets with payload of each inner flow and direction; 0 none
    #[arg(long, value_name = "N", help_heading = "How to watch")]
    pub flow_samples: Option<u32>,
    /// Count packets by what can be read of their flow; takes flow samples [default for run: true]
    #[arg(long, value_name = "BOOL", help_heading = "How to watch")]
    pub exposure: Option<bool>,
    /// Bytes to keep of each sampled frame, 128 to 1536
    #[arg(long, value_name = "BYTES", help_heading = "How to watch")]
    pub snap: Option<u32>,
    /// Configuration file [default: /etc/overlay-monitor/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What networks should be.
#[derive(Debug, Default, Args)]
pub struct PolicyArgs {
    /// This network must be encrypted, whatever the configuration file says: its VNI; may be given more than once
    #[arg(
        long,
        value_name = "VNI",
        value_delimiter = ',',
        help_heading = "What networks should be"
    )]
    pub require: Vec<u32>,
    /// Time that the state of a network is judged over, such as 60s or 5m; a violation ends after such a time
    /// without another packet [default: 60s]
    #[arg(
        long,
        value_name = "TIME",
        value_parser = duration,
        help_heading = "What networks should be"
    )]
    pub window: Option<Duration>,
}

/// A length of time as people write it: `60s`, `5m`, `1h 30m`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "give a time such as 60s, 5m or 1h30m".to_owned();
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| bad())?;
    Duration::try_from(parsed).map_err(|_| bad())
}

/// Where Docker is.
#[derive(Debug, Default, Args)]
pub struct DockerArgs {
    /// Docker's Unix socket, which is asked which networks there are and which must be encrypted; auto is
    /// /var/run/docker.sock once it is there, off asks nobody [default: auto]
    #[arg(long, value_name = "SOCKET", help_heading = "What to watch")]
    pub docker: Option<String>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub watch: WatchArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub policy: PolicyArgs,
    /// Address to serve /metrics and /healthz on [default: 127.0.0.1:9469]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub docker: DockerArgs,
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
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub duration: Duration,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Form,
    /// Also write the report to this file: a page for a browser (.html), JSON Lines (.json) or text (.txt); may be given
    /// more than once
    #[arg(long, value_name = "FILE")]
    pub output: Vec<PathBuf>,
    /// Also save every sample to this file, as pcapng with the verdict as comment of each packet; payloads are NOT
    /// redacted in it
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub docker: DockerArgs,
}

/// Arguments of `tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub watch: WatchArgs,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Stop after N lines
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<u64>,
    /// Also show packets that tell nothing: without payload, or not IP
    #[arg(long)]
    pub all: bool,
    /// Show payload bytes, escaped, NOT redacted: other people's secrets will be on your screen
    #[arg(long)]
    pub show_payload: bool,
    /// Also save every sample to this file, as pcapng with the verdict as comment of each packet; payloads are NOT
    /// redacted in it
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Also look at this interface (a name, a glob or default): what each hook would do there, and cost; may be
    /// given more than once
    #[arg(short, long = "interface", value_name = "NAME")]
    pub interfaces: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would take a comment as help")]
    pub docker: DockerArgs,
    /// Configuration file, for its ports and where Docker is [default: /etc/overlay-monitor/config.toml, if it is
    /// there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `detach`.
#[derive(Debug, Args)]
pub struct DetachArgs {
    /// Only this interface; may be given more than once [default: all]
    #[arg(short, long = "interface", value_name = "NAME")]
    pub interfaces: Vec<String>,
}

impl DockerArgs {
    /// Where Docker is: the flag over the configuration file over the environment.
    ///
    /// # Errors
    /// A usage failure that says what the flag takes.
    pub fn place(&self, file: Option<&DockerSocket>) -> Result<DockerSocket, Failure> {
        let environment = std::env::var("DOCKER_HOST").ok();
        DockerSocket::choose(self.docker.as_deref(), file, environment.as_deref())
            .map_err(Failure::usage)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_is_read_as_people_write_it() {
        for (text, seconds) in [("60s", 60), ("5m", 300), ("1h30m", 5400), ("60", 60)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        for bad in [
            "",
            "s",
            "-5s",
            "5 parsecs",
            "1 month",
            "99999999999999999999",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
