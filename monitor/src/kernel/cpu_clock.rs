//! Events that interrupt a CPU at a fixed period and run a program (`perf_event_open(2)`).
//!
//! aya is not used because it starts an event when it opens it, and attaches the program through a link, which Linux before
//! 5.15 does not have.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `PERF_TYPE_SOFTWARE` (`include/uapi/linux/perf_event.h`, as all below).
const TYPE_SOFTWARE: u32 = 1;
/// `PERF_COUNT_SW_CPU_CLOCK`: a timer of the CPU.
const CPU_CLOCK: u64 = 0;
/// `PERF_FLAG_FD_CLOEXEC`.
const FLAG_CLOEXEC: libc::c_ulong = 8;

/// `disabled`: it starts with [`CpuClock::start`].
const DISABLED: u64 = 1 << 0;
/// `exclude_user`: no program runs where the CPU was in user space.
const EXCLUDE_USER: u64 = 1 << 4;
/// `exclude_hv`.
const EXCLUDE_HYPERVISOR: u64 = 1 << 6;

/// `PERF_EVENT_IOC_ENABLE`: `_IO('$', 0)`.
const ENABLE: libc::c_ulong = 0x2400;
/// `PERF_EVENT_IOC_DISABLE`: `_IO('$', 1)`.
const DISABLE: libc::c_ulong = 0x2401;
/// `PERF_EVENT_IOC_SET_BPF`: `_IOW('$', 8, __u32)`.
const SET_PROGRAM: libc::c_ulong = 0x4004_2408;

/// `struct perf_event_attr`, its first version.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    bp_addr: u64,
}

/// The event of one CPU; it ends when it is dropped.
pub(super) struct CpuClock(OwnedFd);

impl CpuClock {
    /// Opens an event of a CPU with a period in nanoseconds, stopped, that runs this program.
    ///
    /// # Errors
    /// The error number of the kernel; `ENODEV` where the CPU is offline.
    pub(super) fn open(cpu: u32, period: u64, program: BorrowedFd<'_>) -> io::Result<CpuClock> {
        let attributes = Attributes {
            kind: TYPE_SOFTWARE,
            size: size_of::<Attributes>() as u32,
            config: CPU_CLOCK,
            sample_period: period,
            // Not `exclude_idle`: soft interrupts that decrypt on a CPU without other work run in its idle task.
            flags: DISABLED | EXCLUDE_USER | EXCLUDE_HYPERVISOR,
            ..Attributes::default()
        };
        // SAFETY: the kernel reads the attributes, which have the size that they say.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                -1 as libc::pid_t,
                cpu as libc::c_int,
                -1 as libc::c_int,
                FLAG_CLOEXEC,
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: a descriptor that the kernel has just opened for this process.
        let clock = CpuClock(unsafe { OwnedFd::from_raw_fd(fd) });
        clock.control(SET_PROGRAM, program.as_raw_fd())?;
        Ok(clock)
    }

    /// Starts the event. It takes no privilege.
    ///
    /// # Errors
    /// The error number of the kernel.
    pub(super) fn start(&self) -> io::Result<()> {
        self.control(ENABLE, 0)
    }

    /// Stops the event. It takes no privilege.
    ///
    /// # Errors
    /// The error number of the kernel.
    pub(super) fn stop(&self) -> io::Result<()> {
        self.control(DISABLE, 0)
    }

    fn control(&self, request: libc::c_ulong, argument: libc::c_int) -> io::Result<()> {
        // The type of a request differs between C libraries.
        let request = request as _;
        // SAFETY: these requests take a number.
        match unsafe { libc::ioctl(self.0.as_raw_fd(), request, argument) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
