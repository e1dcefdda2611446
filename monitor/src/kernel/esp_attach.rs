//! Attaches the programs that attribute ESP to networks.

use aya::Btf as KernelBtf;
use aya::programs::{FEntry, FExit, Program, ProgramError};

use super::btf::Reason;
use super::esp_plan::{Attribution, RECEIVED, RECEIVED_V6, SENT_OFFLOAD};
use super::load_errors;
use super::programs::Kernel;
use crate::base::procfs::read;

/// The reason if the kernel refuses these programs but loads others.
const REFUSED: &str = "the kernel refuses tracing programs (fentry, fexit): CAP_PERFMON is missing, lockdown forbids them, or \
                       the kernel has none; grant CAP_PERFMON, or run as root on a kernel that permits them";

impl Kernel {
    /// Starts to attribute ESP to networks, in the network namespace in which `self` was created, until `self` is
    /// dropped. If it is not possible, nothing is attached, and the result has the reason.
    pub fn attribute_esp(&mut self) -> Attribution {
        match self.attach_to_xfrm() {
            Ok(()) => Attribution::Exact,
            Err(reason) => {
                self.detach_from_xfrm();
                Attribution::Impossible(reason)
            }
        }
    }

    /// Attaches all programs, up to the first failure.
    fn attach_to_xfrm(&mut self) -> Result<(), Reason> {
        let points = self.esp_plan.as_ref().map_err(Clone::clone)?.points.clone();
        let btf = KernelBtf::from_sys_fs()
            .map_err(|error| format!("the kernel's BTF cannot be read: {error}"))?;
        for (name, function) in points {
            let program = self
                .program_mut(name)
                .map_err(|failure| failure.to_string())?;
            let describe = |error: ProgramError| {
                let is_locked = read("/sys/kernel/security/lockdown").contains("[confidentiality]");
                if is_locked || load_errors::io_cause(&error) == Some(libc::EPERM) {
                    REFUSED.to_owned()
                } else {
                    let why = load_errors::program(name, error);
                    format!("the kernel function {function} cannot be traced: {why}")
                }
            };
            match program {
                Program::FExit(program) => {
                    loaded(program.load(function, &btf)).map_err(describe)?;
                    program.attach().map_err(describe)?;
                }
                Program::FEntry(program) => {
                    loaded(program.load(function, &btf)).map_err(describe)?;
                    program.attach().map_err(describe)?;
                }
                _ => {
                    return Err(format!(
                        "program {name} of the object has an unexpected type"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Detaches all programs: after a failure the counts of the others would be incomplete.
    fn detach_from_xfrm(&mut self) {
        let all = SENT_OFFLOAD.iter().chain([&RECEIVED, &RECEIVED_V6]);
        for (name, _) in all {
            let unloaded = match self.program_mut(name) {
                Ok(Program::FExit(program)) => FExit::unload(program),
                Ok(Program::FEntry(program)) => FEntry::unload(program),
                Ok(_) | Err(_) => continue,
            };
            // An error means that it was not loaded, so it is not attached.
            drop(unloaded);
        }
    }
}

/// Whether a program is loaded after an attempt to load it.
fn loaded(result: Result<(), ProgramError>) -> Result<(), ProgramError> {
    match result {
        Err(ProgramError::AlreadyLoaded) => Ok(()),
        other => other,
    }
}
