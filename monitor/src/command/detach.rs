//! `overlay-monitor detach`: removes TC filters that a killed process left.

use anyhow::anyhow;

use crate::base::failure::Failure;
use crate::base::interface::Interface;
use crate::base::output::Output;
use crate::command::cli::DetachArgs;
use crate::host::interface::{self, Link};
use crate::kernel::attach::clsact;

pub(super) fn run(args: &DetachArgs) -> Result<(), Failure> {
    let interfaces: Vec<Interface> = if args.interfaces.is_empty() {
        interface::list()?
            .iter()
            .filter_map(Link::interface)
            .collect()
    } else {
        args.interfaces
            .iter()
            .map(|name| Interface::by_name(name))
            .collect::<Result<_, _>>()?
    };
    let mut out = Output::stdout();
    let (mut removed, mut in_use) = (0, 0);
    for interface in &interfaces {
        let found = clsact::detach(interface).map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM) => Failure::kernel(anyhow!(
                "removing TC filters needs root, or the capability CAP_NET_ADMIN ({}: {error})",
                interface.name
            )),
            _ => Failure::runtime(
                anyhow!(error).context(format!("cannot list the TC filters of {}", interface.name)),
            ),
        })?;
        if found.removed != 0 {
            out.print(format_args!(
                "{}: removed {} left by a killed overlay-monitor\n",
                interface.name,
                count(found.removed)
            ))?;
        }
        if found.in_use != 0 {
            out.print(format_args!(
                "{}: kept {} of a running overlay-monitor\n",
                interface.name,
                count(found.in_use)
            ))?;
        }
        removed += found.removed;
        in_use += found.in_use;
    }
    if removed == 0 && in_use == 0 {
        out.print(format_args!(
            "nothing of ours is attached to {} interfaces\n",
            interfaces.len()
        ))?;
    }
    Ok(())
}

fn count(filters: usize) -> String {
    if filters == 1 {
        "1 TC filter".to_owned()
    } else {
        format!("{filters} TC filters")
    }
}
