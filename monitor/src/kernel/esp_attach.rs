//! Attaches the programs that attribute ESP to networks.

use std::os::fd::{AsFd, BorrowedFd};

use aya::Btf as KernelBtf;
use aya::programs::{FEntry, FExit, Program, ProgramError};
use aya::util::KernelVersion;

use super::btf::Reason;
use super::esp_plan::{Attribution, CIPHER, Point, RECEIVED, RECEIVED_V6, SENT_OFFLOAD};
use super::load_errors;
use super::programs::Kernel;
use crate::base::decryption::Decryption;
use crate::base::procfs::read;

/// The reason that no privilege changes, so it comes before the others.
const NO_ESP: &str = "this kernel is built without ESP (CONFIG_INET_ESP, CONFIG_INET6_ESP), so this host neither encrypts nor decrypts it";
/// The reasons for which a kernel refuses these programs but loads others.
const LOCKED_DOWN: &str = "lockdown (confidentiality) forbids tracing programs (fentry, fexit); boot without it, or with lockdown=integrity";
const REFUSED: &str = "this kernel refuses tracing programs (fentry, fexit) with EPERM, though CAP_PERFMON is granted; a security module may forbid them (/sys/kernel/security/lsm and lockdown)";

impl Kernel {
    /// Starts to attribute ESP to networks, in the network namespace in which `self` was created, until `self` is
    /// dropped. If it is not possible, nothing is attached, and the result has the reason.
    pub fn attribute_esp(&mut self) -> Attribution {
        let result = self
            .load_for_xfrm()
            .and_then(|points| self.attach_to_xfrm(&points));
        self.attribution(result)
    }

    /// Loads the programs of [`Kernel::attribute_esp`], and attaches none.
    pub fn load_esp_attribution(&mut self) -> Attribution {
        let result = self.load_for_xfrm().map(drop);
        self.attribution(result)
    }

    fn attribution(&mut self, result: Result<(), Reason>) -> Attribution {
        match result {
            Ok(()) => Attribution::Exact,
            Err(reason) => {
                self.detach_from_xfrm();
                Attribution::Impossible(match Decryption::detect() {
                    Decryption::Never => NO_ESP.to_owned(),
                    Decryption::InUse | Decryption::Loadable => reason,
                })
            }
        }
    }

    /// Loads all programs, up to the first failure.
    fn load_for_xfrm(&mut self) -> Result<Vec<Point>, Reason> {
        let points = self.esp_plan.as_ref().map_err(Clone::clone)?.points.clone();
        let btf = KernelBtf::from_sys_fs()
            .map_err(|error| format!("the kernel's BTF cannot be read: {error}"))?;
        for point in &points {
            self.load_tracing(*point, &btf)?;
        }
        if self.times_packets {
            // Here, as the kernel's BTF is large.
            self.packet_times = self.load_for_packet_times(&btf);
        }
        Ok(points)
    }

    /// Loads the programs that time single packets, up to the first failure.
    fn load_for_packet_times(&mut self, btf: &KernelBtf) -> Result<(), Reason> {
        let plan = self.esp_plan.as_ref().map_err(Clone::clone)?;
        if KernelVersion::current().is_ok_and(|version| version < KernelVersion::new(5, 13, 0)) {
            // "bpf: Allow trampoline re-attach for tracing and lsm programs"
            return Err("before Linux 5.13 a tracing program can be attached only once".to_owned());
        }
        if plan.layout.request_data == 0 {
            return Err("the kernel's structures of ciphers are not as expected".to_owned());
        }
        let mut points = CIPHER.into_iter();
        points.try_for_each(|point| self.load_tracing(point, btf))
    }

    /// Loads a tracing program.
    fn load_tracing(&mut self, point: Point, btf: &KernelBtf) -> Result<(), Reason> {
        let (name, function) = point;
        match self.tracing(name)? {
            Tracing::Exit(program) => loaded(program.load(function, btf)),
            Tracing::Entry(program) => loaded(program.load(function, btf)),
        }
        .map_err(|error| describe(point, "load", error))
    }

    /// Attaches loaded programs, up to the first failure.
    fn attach_to_xfrm(&mut self, points: &[Point]) -> Result<(), Reason> {
        for point in points {
            match self.tracing(point.0)? {
                Tracing::Exit(program) => program.attach().map(drop),
                Tracing::Entry(program) => program.attach().map(drop),
            }
            .map_err(|error| describe(*point, "attach", error))?;
        }
        Ok(())
    }

    /// A tracing program by its name.
    pub(super) fn tracing(&mut self, name: &str) -> Result<Tracing<'_>, Reason> {
        match self
            .program_mut(name)
            .map_err(|failure| failure.to_string())?
        {
            Program::FExit(program) => Ok(Tracing::Exit(program)),
            Program::FEntry(program) => Ok(Tracing::Entry(program)),
            _ => Err(format!(
                "program {name} of the object has an unexpected type"
            )),
        }
    }

    /// Detaches all programs: after a failure the counts of the others would be incomplete.
    fn detach_from_xfrm(&mut self) {
        let all = SENT_OFFLOAD.iter().chain([&RECEIVED, &RECEIVED_V6]);
        let all = all.chain(&CIPHER);
        for (name, _) in all {
            let unloaded = match self.tracing(name) {
                Ok(Tracing::Exit(program)) => program.unload(),
                Ok(Tracing::Entry(program)) => program.unload(),
                Err(_) => continue,
            };
            // An error means that it was not loaded, so it is not attached.
            drop(unloaded);
        }
    }
}

/// A program that traces a function of the kernel.
pub(super) enum Tracing<'a> {
    Entry(&'a mut FEntry),
    Exit(&'a mut FExit),
}

impl Tracing<'_> {
    /// The descriptor of the loaded program.
    pub(super) fn fd(&self) -> Result<BorrowedFd<'_>, ProgramError> {
        match self {
            Tracing::Entry(program) => program.fd(),
            Tracing::Exit(program) => program.fd(),
        }
        .map(AsFd::as_fd)
    }
}

/// Why a program cannot trace its function, with what was tried.
fn describe((name, function): Point, tried: &str, error: ProgramError) -> Reason {
    if read("/sys/kernel/security/lockdown").contains("[confidentiality]") {
        LOCKED_DOWN.to_owned()
    } else if load_errors::io_cause(&error) == Some(libc::EPERM) && load_errors::has_perfmon() {
        REFUSED.to_owned()
    } else {
        let why = load_errors::program(tried, name, error);
        format!("the kernel function {function} cannot be traced: {why}")
    }
}

/// Whether a program is loaded after an attempt to load it.
fn loaded(result: Result<(), ProgramError>) -> Result<(), ProgramError> {
    match result {
        Err(ProgramError::AlreadyLoaded) => Ok(()),
        other => other,
    }
}
