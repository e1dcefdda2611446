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
/// What some kernels ask for before a map is read: the second one where a container engine knows no other.
const ASKED_FOR: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_SYS_ADMIN];

/// What the agent reads. In `/boot` is the kernel's configuration, which says whether it can decrypt; times are shown as this
/// host's.
const READ: [&str; 5] = [
    "/proc",
    "/sys",
    "/boot",
    "/etc/localtime",
    "/usr/share/zoneinfo",
];

/// Files that a command still needs once it has given up its privileges.
#[derive(Default)]
pub struct FilesLater {
    /// They are read again when they change.
    pub read_again: Vec<PathBuf>,
    /// Each is put in its place under another name of the same folder.
    pub replaced: Vec<PathBuf>,
}

impl Agent {
    /// Loads what may be needed later, and gives up the privileges that only that takes. This thread must be the only one.
    ///
    /// # Errors
    /// A kernel failure, if the kernel refuses a step.
    pub fn give_up_privileges(&mut self, files: &FilesLater) -> Result<(), Failure> {
        attach::load_all(&mut self.kernel, self.hook);
        let mut capabilities = KEPT.to_vec();
        if !files.replaced.is_empty() {
            // As root it writes into a folder of the user who started it, also without being that user.
            capabilities.push(Capability::CAP_DAC_OVERRIDE);
        }
        let kernel = &self.kernel;
        let works = || kernel.works_without_privileges();
        let read = READ.into_iter().map(PathBuf::from);
        let needs = Needs {
            capabilities,
            on_trial: (&ASKED_FOR, &works),
            bpf_commands: Command::AFTER_START.map(|command| command as u32).to_vec(),
            read: read.chain(folders(&files.read_again)).collect(),
            replace: folders(&files.replaced).collect(),
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

/// The folders of files, since a file is replaced there: where a link stands, and where it leads to.
fn folders(files: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let given = files.iter().map(std::path::absolute);
    let led_to = files.iter().map(std::fs::canonicalize);
    let all = given.chain(led_to).flatten();
    all.filter_map(|path| Some(path.parent()?.to_owned()))
}
