//! The system calls that this process gives up (`seccomp(2)`).

use std::collections::BTreeMap;

use anyhow::Context;
use libc::c_long;
#[cfg(target_arch = "x86_64")]
use seccompiler::sock_filter;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Rules of a filter: any of a call's rules refuses it, and none of them refuses all of its calls.
type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Calls that the agent never makes once it is started.
const REFUSED: &[c_long] = &[
    // Programs, and processes to run them in; clone(2) is below.
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_tkill,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // Other namespaces and mounts.
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // Ways into the kernel that are often its faults.
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_personality,
];

/// Calls whose first argument is a process: only this one, or none (0) where that means this one.
const OF_A_PROCESS: [(c_long, bool); 3] = [
    (libc::SYS_kill, false),
    (libc::SYS_tgkill, false),
    (libc::SYS_prlimit64, true),
];

/// The kind of request of ioctl(2) for events of `perf_event_open(2)`: the second byte of its number.
const EVENT_REQUESTS: u64 = 0x2400;
/// Starts and stops an event that is open. The other requests give it a program, a filter or an output.
const EVENT_START_AND_STOP: [u64; 2] = [0x2400, 0x2401];

/// Flags of clone(2) that make a namespace.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Filters the calls of all threads. Of bpf(2) these commands are left, of clone(2) what makes a thread.
///
/// # Errors
/// If the kernel has no seccomp.
pub(super) fn filter(bpf_commands: &[u32]) -> anyhow::Result<()> {
    // clone3(2) has its flags in memory, where no filter can see them. The libraries then use clone(2).
    let missing = Rules::from([(libc::SYS_clone3, Vec::new())]);
    for (rules, error) in [
        (refused(bpf_commands)?, libc::EPERM),
        (missing, libc::ENOSYS),
    ] {
        apply(&compile(rules, error)?)?;
    }
    #[cfg(target_arch = "x86_64")]
    apply(&NO_X32)?;
    Ok(())
}

fn apply(program: &[seccompiler::sock_filter]) -> anyhow::Result<()> {
    seccompiler::apply_filter_all_threads(program).context("cannot filter system calls")
}

/// Refuses the calls of the x32 interface. They have the architecture of all others and numbers of their own
/// (`__X32_SYSCALL_BIT` in arch/x86/include/uapi/asm/unistd.h), so that no rule by number sees them.
#[cfg(target_arch = "x86_64")]
const NO_X32: [sock_filter; 4] = {
    const fn statement(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
        sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        }
    }
    [
        // The number of the call is the first field of `struct seccomp_data`.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(
            libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K,
            0,
            1,
            0x4000_0000,
        ),
        statement(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        ),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
};

fn refused(bpf_commands: &[u32]) -> anyhow::Result<Rules> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let other_command = bpf_commands
        .iter()
        .map(|command| condition(SeccompCmpOp::Ne, u64::from(*command)))
        .collect::<anyhow::Result<_>>()?;
    rules.insert(libc::SYS_bpf, vec![SeccompRule::new(other_command)?]);
    for (call, is_own_with_0) in OF_A_PROCESS {
        let mut another = vec![condition(SeccompCmpOp::Ne, u64::from(std::process::id()))?];
        if is_own_with_0 {
            another.push(condition(SeccompCmpOp::Ne, 0)?);
        }
        rules.insert(call, vec![SeccompRule::new(another)?]);
    }
    let is_of_event = SeccompCmpOp::MaskedEq(0xff00);
    let mut event_request = vec![condition_on(1, is_of_event, EVENT_REQUESTS)?];
    for request in EVENT_START_AND_STOP {
        event_request.push(condition_on(1, SeccompCmpOp::Ne, request)?);
    }
    rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(event_request)?]);
    let clone = |flag: i32, value: u64| {
        let mask = u64::from(flag.cast_unsigned());
        let is_so = condition(SeccompCmpOp::MaskedEq(mask), mask * value)?;
        Ok(SeccompRule::new(vec![is_so])?)
    };
    let namespaces = NAMESPACES.map(|flag| clone(flag, 1));
    let makes_process = clone(libc::CLONE_THREAD, 0);
    let refused = namespaces.into_iter().chain([makes_process]);
    rules.insert(libc::SYS_clone, refused.collect::<anyhow::Result<_>>()?);
    Ok(rules)
}

/// A condition on the first argument.
fn condition(operator: SeccompCmpOp, value: u64) -> anyhow::Result<SeccompCondition> {
    condition_on(0, operator, value)
}

/// A condition on an argument by its index.
fn condition_on(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> anyhow::Result<SeccompCondition> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value);
    condition.context("cannot make the filter of system calls")
}

fn compile(rules: Rules, error: i32) -> anyhow::Result<BpfProgram> {
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(error.cast_unsigned()),
        std::env::consts::ARCH.try_into()?,
    );
    let program = filter.and_then(BpfProgram::try_from);
    program.context("cannot make the filter of system calls")
}
