//! A process that is confined, and then tries what it gave up.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::*;

/// `BPF_PROG_LOAD`; `BPF_OBJ_GET_INFO_BY_FD`, which takes no capability; and `BPF_MAP_LOOKUP_ELEM`, the command that is left.
const PROGRAM_LOAD: u32 = 5;
const OBJECT_INFO: u32 = 15;
const LOOK_UP: u32 = 1;

/// Confines a process, lets it try things, and then has it become a program. Returns the error that ends it.
fn confined() -> i32 {
    let mut command = Command::new("/bin/true");
    // SAFETY: after the fork this is the only thread, and the allocator of glibc works there.
    unsafe { command.pre_exec(confine_and_try) };
    let error = command.status().err();
    error.and_then(|error| error.raw_os_error()).unwrap_or(0)
}

/// The number of the step that went wrong becomes an error.
fn confine_and_try() -> io::Result<()> {
    let works = || true;
    let needs = Needs {
        capabilities: vec![Capability::CAP_NET_ADMIN],
        on_trial: (&[Capability::CAP_BPF], &works),
        bpf_commands: vec![LOOK_UP],
        read: vec![PathBuf::from("/proc")],
        replace: Vec::new(),
    };
    let step = |number: i32, holds: bool| match holds {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(200 + number)),
    };
    let held = confine(&needs).map_err(|_| io::Error::from_raw_os_error(200))?;
    step(1, held.filtered)?;
    step(2, !held.capabilities.has(Capability::CAP_SYS_ADMIN))?;
    step(3, !held.capabilities.has(Capability::CAP_BPF))?;
    step(4, (held.files == Files::Unrestricted) != has_landlock())?;
    step(5, [PROGRAM_LOAD, OBJECT_INFO].map(bpf) == [libc::EPERM; 2])?;
    // It gets through to the kernel, which finds no map there.
    step(6, bpf(LOOK_UP) == libc::EBADF)?;
    // SAFETY: these calls take no pointer.
    let refused = unsafe {
        [
            libc::syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0),
            libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER),
            libc::syscall(libc::SYS_perf_event_open, 0, 0, 0, 0, 0),
        ]
    };
    step(7, refused == [-1; 3] && errno() == libc::EPERM)?;
    if has_landlock() {
        let denied = |path: &str| {
            File::open(path).is_err_and(|error| error.raw_os_error() == Some(libc::EACCES))
        };
        step(
            8,
            denied("/etc/passwd") && File::create("/tmp/overlay-confined").is_err(),
        )?;
    }
    step(9, File::open("/proc/self/status").is_ok())?;
    // No process is made, whichever call would make it.
    let refused = |error: io::Error| error.raw_os_error() == Some(libc::EPERM);
    let started = Command::new("/bin/true").spawn();
    step(10, started.is_err_and(refused))?;
    // SAFETY: the call takes a flag only, and no process comes of it.
    let forked = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    step(12, forked == -1 && errno() == libc::EPERM)?;
    step(13, reaches_no_other_process())?;
    step(14, only_starts_and_stops_events())?;
    // A thread takes clone(2), since clone3(2) is hidden.
    step(
        11,
        std::thread::spawn(|| 7)
            .join()
            .is_ok_and(|seven| seven == 7),
    )
}

/// Whether signals and limits are those of this process only, also by the numbers of x32.
fn reaches_no_other_process() -> bool {
    let none = std::ptr::null::<libc::rlimit>();
    // SAFETY: signal 0 is sent to no process, and nothing is read or written where there is no pointer.
    let call = |call, first: i32, second: i32, third: i64| unsafe {
        match libc::syscall(call, first, second, third, none) {
            -1 => errno(),
            _ => 0,
        }
    };
    // SAFETY: the calls take nothing.
    let (own, parent) = unsafe { (libc::getpid(), libc::getppid()) };
    let of = |process: i32| {
        [
            call(libc::SYS_kill, process, 0, 0),
            call(libc::SYS_tgkill, process, process, 0),
            call(libc::SYS_prlimit64, process, 7, 0),
        ]
    };
    let is_x32_refused = cfg!(not(target_arch = "x86_64"))
        || call(0x4000_0000 | libc::SYS_getpid, 0, 0, 0) == libc::EPERM;
    of(own) == [0; 3]
        && of(parent) == [libc::EPERM; 3]
        && call(libc::SYS_prlimit64, 0, 7, 0) == 0
        && is_x32_refused
}

/// Whether ioctl(2) on an event starts and stops it, and does nothing else. There is no event here: what gets through finds no
/// descriptor.
fn only_starts_and_stops_events() -> bool {
    let request = |number: u64| {
        // SAFETY: the descriptor is none, so nothing is read or written.
        unsafe { libc::syscall(libc::SYS_ioctl, -1, number, 0) };
        errno()
    };
    // `PERF_EVENT_IOC_ENABLE`, `_DISABLE`, and an unrelated one; then `_REFRESH`, `_SET_FILTER` and `_SET_BPF`.
    [0x2400, 0x2401, 0x541b].map(request) == [libc::EBADF; 3]
        && [0x2402, 0x4008_2406, 0x4004_2408].map(request) == [libc::EPERM; 3]
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// The error of a command of bpf(2) on a descriptor that is not open.
fn bpf(command: u32) -> i32 {
    let mut attributes = [0u32; 8];
    attributes[0] = u32::MAX;
    // SAFETY: the kernel reads the attributes, which outlive the call; no map has this descriptor.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    };
    if result < 0 { errno() } else { 0 }
}

fn has_landlock() -> bool {
    const VERSION: u32 = 1;
    let none = std::ptr::null::<u8>();
    // SAFETY: with this flag the call takes no attributes, and only answers.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0, VERSION) > 0 }
}

#[test]
fn a_confined_process_is_refused_what_it_gave_up_and_keeps_what_it_needs() {
    assert_eq!(confined(), libc::EPERM);
}

#[test]
fn nothing_is_given_up_where_another_thread_would_keep_it() {
    let works = || true;
    let needs = Needs {
        capabilities: Vec::new(),
        on_trial: (&[Capability::CAP_BPF], &works),
        bpf_commands: Vec::new(),
        read: Vec::new(),
        replace: Vec::new(),
    };
    // The tests run in threads.
    assert!(confine(&needs).is_err());
}
