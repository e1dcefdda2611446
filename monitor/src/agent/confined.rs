//! What the agent keeps of its privileges once it is started.

use std::path::PathBuf;

use caps::Capability;

use super::node_agent::Agent;
use crate::base::confinement::{Held, Needs, confine};
use crate::base::failure::Failure;
use crate::kernel::attach;
use crate::kernel::bpf::Command;

/// Attaching to TC before Linux 6.6, and what is read of IPsec and of the firewall.
const KEPT: [Capability; 1] = [Capability::CAP_NET_ADMIN];

/// What the agent reads. In `/boot` is the kernel's configuration, which says whether it can decrypt.
const READ: [&str; 3] = ["/proc", "/sys", "/boot"];

impl Agent {
    /// Loads what may be needed later, and gives up the privileges that only that takes. This thread must be the only one. The
    /// files are read again later.
    ///
    /// # Errors
    /// A kernel failure, if the kernel refuses a step.
    pub fn give_up_privileges(&mut self, read_again: &[PathBuf]) -> Result<(), Failure> {
        attach::load_all(&mut self.kernel, self.hook);
        // Folders, since an editor replaces the file; where a link stands, and where it leads to.
        let given = read_again.iter().map(std::path::absolute);
        let led_to = read_again.iter().map(std::fs::canonicalize);
        let folders = given.chain(led_to).flatten();
        let folders = folders.filter_map(|path| Some(path.parent()?.to_owned()));
        let kernel = &self.kernel;
        let works = || kernel.works_without_privileges();
        let needs = Needs {
            capabilities: KEPT.to_vec(),
            on_trial: (Capability::CAP_BPF, &works),
            bpf_commands: Command::AFTER_START.map(|command| command as u32).to_vec(),
            read: READ.into_iter().map(PathBuf::from).chain(folders).collect(),
        };
        self.held = confine(&needs).map_err(Failure::kernel)?;
        Ok(())
    }

    /// The privileges that the agent holds.
    #[must_use]
    pub fn held(&self) -> &Held {
        &self.held
    }
}
