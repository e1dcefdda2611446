//! `overlay-monitor check`: what this machine supports, what is missing, and what that breaks.

mod docker;
mod encryption;
mod finding;
mod interfaces;
mod kernel_features;
mod programs;

use anyhow::anyhow;

use crate::base::failure::{Failure, FailureKind};
use crate::base::output::Output;
use crate::command::cli::CheckArgs;
use crate::command::settings::{self, Surroundings};
use crate::host::facts::HostFacts;
use crate::policy::{Network, Networks};
use finding::Outcome;

/// Prints the findings.
///
/// # Errors
/// A failure with exit code 3 if programs cannot be loaded, 1 if a requirement is missing.
pub async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let selection = settings::select(&args.interfaces)?;
    let surroundings = Surroundings::new(args.config.as_deref())?;
    let place = args.docker.place(surroundings.docker.as_ref())?;
    let mut findings = vec![kernel_features::kernel_version()];
    let loaded = programs::programs(&mut findings);
    findings.push(kernel_features::jit());
    findings.push(kernel_features::esp());
    let watched = if args.interfaces.is_empty() {
        Vec::new()
    } else {
        let has_tcx = loaded.as_ref().is_ok_and(|has| *has);
        interfaces::interfaces(selection, has_tcx, &mut findings)?
    };
    let (said, answer) = docker::docker(&place, &surroundings.udp_ports).await;
    findings.extend(said);
    let mut networks = Networks::new(surroundings.networks);
    networks.set_docker(answer);
    let networks: Vec<Network> = networks.iter().cloned().collect();
    let host = HostFacts::read(&surroundings.udp_ports, &watched);
    findings.extend(encryption::encryption(&host, &networks));
    let mut out = Output::stdout();
    for finding in &findings {
        out.print(format_args!("{finding}\n"))?;
    }
    loaded?;
    if findings
        .iter()
        .any(|finding| finding.outcome == Outcome::Missing)
    {
        return Err(Failure {
            kind: FailureKind::Violation,
            error: anyhow!("a requirement is missing: see the lines above marked MISSING"),
        });
    }
    Ok(())
}
