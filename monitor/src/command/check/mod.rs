//! `overlay-monitor check`: what this machine can and cannot do, and what that breaks.

mod docker;
mod encryption;
mod finding;
mod host;
mod interfaces;
mod programs;

use std::io::{self, Write};

use anyhow::anyhow;

use crate::base::failure::{Failure, FailureKind};
use crate::command::cli::CheckArgs;
use crate::command::settings::{self, Surroundings};
use crate::host::facts::HostFacts;
use crate::policy::{Network, Networks};
use finding::Outcome;

/// Prints the findings.
///
/// # Errors
/// A failure with exit code 3 if programs cannot be loaded, 1 if an interface cannot be watched.
pub async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let selection = settings::select(&args.interfaces)?;
    let surroundings = Surroundings::new(args.config.as_deref())?;
    let place = args.docker.place(surroundings.docker.as_ref())?;
    let mut findings = vec![host::kernel_version()];
    let loaded = programs::programs(&mut findings);
    findings.push(host::jit());
    findings.push(host::esp());
    let watched = if args.interfaces.is_empty() {
        Vec::new()
    } else {
        let has_tcx = loaded.as_ref().is_ok_and(|has| *has);
        interfaces::interfaces(selection, has_tcx, &mut findings)?
    };
    let (said, told) = docker::docker(&place, &surroundings.udp_ports).await;
    findings.extend(said);
    let mut networks = Networks::new(surroundings.networks);
    networks.set_docker(told);
    let networks: Vec<Network> = networks.iter().cloned().collect();
    let host = HostFacts::read(&surroundings.udp_ports, &watched);
    findings.extend(encryption::encryption(&host, &networks));
    let mut out = io::stdout().lock();
    for finding in &findings {
        let line = writeln!(
            out,
            "{:<8} {:<28} {}",
            finding.outcome, finding.what, finding.means
        );
        match line {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Failure::runtime(error)),
        }
    }
    loaded?;
    if findings
        .iter()
        .any(|finding| finding.outcome == Outcome::Missing)
    {
        return Err(Failure {
            kind: FailureKind::Violation,
            error: anyhow!("something that is needed is missing, see above"),
        });
    }
    Ok(())
}
