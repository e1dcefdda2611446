//! `overlay-monitor check`: what this machine supports, what is missing, and what that breaks.

mod docker;
mod encryption;
mod finding;
mod interfaces;
mod kernel_features;
mod privileges;
mod programs;

use anyhow::anyhow;

use crate::base::failure::Failure;
use crate::base::output::Output;
use crate::base::privileges::Capabilities;
use crate::command::cli::CheckArgs;
use crate::command::settings::{self, Surroundings};
use crate::host::facts::HostFacts;
use crate::policy::{Network, Networks};
use crate::surface::format::Format;

pub use finding::Check;

/// Prints the findings.
///
/// # Errors
/// A failure with exit code 3 if programs cannot be loaded, 1 if a requirement is missing, or a network that must be
/// encrypted is not marked for IPsec.
pub async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let surroundings = Surroundings::new(args)?;
    let selection = settings::select(&surroundings.interfaces)?;
    let place = args.docker.place(surroundings.docker.as_ref())?;
    let mut findings = vec![kernel_features::kernel_version()];
    findings.push(privileges::privileges(&Capabilities::read()));
    let loaded = programs::programs(&mut findings);
    findings.push(kernel_features::jit());
    findings.push(kernel_features::esp());
    let watched = if surroundings.interfaces.is_empty() {
        Vec::new()
    } else {
        let has_tcx = loaded.as_ref().ok().copied();
        interfaces::interfaces(selection, has_tcx, &mut findings)?
    };
    let (said, answer) = docker::docker(&place).await;
    findings.push(said);
    findings.extend(interfaces::overlay_ports(&answer, &surroundings.udp_ports)?);
    let idle = docker::idle(&place, &answer.networks).await;
    let mut networks = Networks::new(surroundings.networks);
    networks.set_docker(answer.networks);
    let networks: Vec<Network> = networks.iter().cloned().collect();
    let host = HostFacts::read(&surroundings.udp_ports, &watched);
    let limit = match args.format {
        Format::Text => encryption::SHOWN,
        Format::Json => usize::MAX,
    };
    findings.extend(encryption::encryption(&host, &networks, &idle, limit));
    let mut out = Output::stdout();
    for finding in &findings {
        match args.format {
            Format::Text => out.print(format_args!("{finding}\n"))?,
            Format::Json => {
                let object = finding.json().map_err(Failure::runtime)?;
                out.print(format_args!("{object}\n"))?;
            }
        }
    }
    loaded?;
    if findings.iter().any(|finding| finding.outcome.fails()) {
        return Err(Failure::violation(anyhow!(
            "a check failed: see what is marked MISSING or FAILED"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
