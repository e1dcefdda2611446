//! System calls that the kernel refuses to a process, as a kernel does that lacks them (`seccomp(2)`).

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// `BPF_RAW_TRACEPOINT_OPEN`, by which tracing programs are attached (`linux/bpf.h`).
pub const RAW_TRACEPOINT_OPEN: u32 = 17;

/// Makes bpf(2) fail with an error number in this command: every call, or only those with this first argument.
pub fn without_bpf(command: &mut Command, only: Option<u32>, error: i32) {
    // SAFETY: between fork and exec only system calls are made.
    unsafe { command.pre_exec(move || refuse_bpf(only, error)) };
}

fn refuse_bpf(only: Option<u32>, error: i32) -> io::Result<()> {
    // Offsets in `struct seccomp_data`: the number of the call, and the lower half of its first argument.
    const NUMBER: u32 = 0;
    const FIRST: u32 = if cfg!(target_endian = "little") {
        16
    } else {
        20
    };
    let statement = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let equal = |to, jt, jf| statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, to);
    let give = |verdict| statement(libc::BPF_RET | libc::BPF_K, 0, 0, verdict);
    let filter = [
        load(NUMBER),
        equal(libc::SYS_bpf as u32, 0, 3),
        load(FIRST),
        // Without a first argument to look for, both ways lead to the error.
        equal(only.unwrap_or(0), 0, u8::from(only.is_some())),
        give(libc::SECCOMP_RET_ERRNO | error.cast_unsigned()),
        give(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, which lives until the call returns.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0,
                &raw const program,
            ) == 0
    };
    if done {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
