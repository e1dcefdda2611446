//! What the machine does not give: a port, privileges, a kernel with BPF.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use overlay_tests::agent::Agent;
use overlay_tests::attached::{attached, put_foreign_xdp, xdp};
use overlay_tests::process::{command, finish, program, run};

use super::quiet;

#[test]
fn a_port_in_use() {
    let lab = quiet();
    let node = lab.node1();
    let taken = node
        .enter(|| TcpListener::bind("127.0.0.1:9469"))
        .unwrap()
        .unwrap();
    for hook in ["auto", "xdp"] {
        let ended = run(node, &["run", "-i", "eth0", "--hook", hook]);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        for part in [
            "cannot listen on 127.0.0.1:9469",
            "another process listens there",
            "--listen",
        ] {
            assert!(ended.err.contains(part), "{ended:?}");
        }
        assert_eq!(attached(node), [""; 0]);
    }
    // The program of an agent that was killed may hold its port for a moment.
    let mut agent = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            drop(taken);
        });
        Agent::start(node, &[])
    });
    agent.monitor.stop();

    let ended = run(node, &["run", "-i", "eth0", "--listen", "192.0.2.1:9469"]);
    assert!(
        ended.code == Some(4) && ended.err.contains("no such address"),
        "{ended:?}"
    );
    assert_eq!(attached(node), [""; 0]);
}

#[test]
fn no_privileges() {
    let lab = quiet();
    let node = lab.node1();
    let binary = File::open(program()).unwrap();
    // By its descriptor: the folder that it lies in may be closed to others.
    const AT: i32 = 100;
    let path = format!("/proc/self/fd/{AT}");
    let without = ["--bounding-set=-all", "--inh-caps=-all"];
    let stranger = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    for who in [&without[..], &[&stranger[..], &without[..]].concat()] {
        for what in [
            &["run", "-i", "eth0"][..],
            &["tail", "-i", "eth0"],
            &["check"],
        ] {
            let mut command = node.command("setpriv").unwrap();
            command.args(who).arg("--").arg(&path).args(what);
            let fd = binary.as_raw_fd();
            // SAFETY: between fork and exec only one system call is made.
            unsafe {
                command.pre_exec(move || match libc::dup2(fd, AT) {
                    AT => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                });
            }
            let ended = finish(command);
            assert_eq!(ended.code, Some(3), "{who:?} {what:?}: {ended:?}");
            let said = format!("{}{}", ended.out, ended.err);
            for part in ["root", "CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"] {
                assert!(said.contains(part), "{who:?} {what:?}: no {part} in {said}");
            }
        }
    }
    assert_eq!(attached(node), [""; 0]);
}

/// A seccomp filter under which bpf(2) answers as a kernel without it does (`seccomp(2)`).
fn without_bpf() -> io::Result<()> {
    let errno = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    let number = libc::SYS_bpf as u32;
    let statement = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let filter = [
        // The number of the system call is the first word of `struct seccomp_data`.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, errno),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
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

#[test]
fn a_kernel_without_bpf() {
    let lab = quiet();
    for what in [
        &["run", "-i", "eth0"][..],
        &["tail", "-i", "eth0"],
        &["check"],
    ] {
        let mut command = command(lab.node1(), what);
        // SAFETY: between fork and exec only system calls are made.
        unsafe { command.pre_exec(without_bpf) };
        let ended = finish(command);
        assert_eq!(ended.code, Some(3), "{what:?}: {ended:?}");
        let said = format!("{}{}", ended.out, ended.err);
        assert!(
            said.contains("this kernel has no bpf system call (CONFIG_BPF_SYSCALL)"),
            "{what:?}: {said}"
        );
    }
    assert_eq!(attached(lab.node1()), [""; 0]);
}

#[test]
fn check_of_this_machine() {
    let lab = quiet();
    let ended = run(lab.node1(), &["check", "-i", "eth0"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for part in [
        "Linux ",
        "eBPF programs for TC",
        "eBPF programs for XDP",
        "interface eth0",
    ] {
        let line = ended.out.lines().find(|line| line.contains(part));
        assert!(
            line.is_some_and(|line| line.starts_with("ok ")),
            "{part}: {}",
            ended.out
        );
    }
    // Not every kernel permits it; where it does not, the reason is printed.
    let line = ended
        .out
        .lines()
        .find(|line| line.contains("ESP by network"));
    let line = line.unwrap_or_else(|| panic!("nothing of ESP: {}", ended.out));
    assert!(
        line.starts_with("ok ") || line.starts_with("limited ") && line.contains("is unknown: "),
        "{line}"
    );
    assert_eq!(attached(lab.node1()), [""; 0]);
}

#[test]
fn check_tells_of_another_xdp_program() {
    let lab = quiet();
    put_foreign_xdp(lab.node1());
    let id = xdp(lab.node1()).unwrap();
    let ended = run(lab.node1(), &["check", "-i", "eth0"]);
    for (about, says) in [
        ("--hook xdp on eth0", "falls back to TC"),
        (
            "--hook auto on eth0",
            "packets that it drops are not counted",
        ),
    ] {
        let line = ended.out.lines().find(|line| line.contains(about)).unwrap();
        let program = format!("XDP program {id}");
        assert!(
            line.starts_with("limited ") && line.contains(&program) && line.contains(says),
            "{line}"
        );
    }
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(xdp(lab.node1()), Some(id));
}
