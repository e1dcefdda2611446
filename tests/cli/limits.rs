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
use overlay_tests::seccomp::without_bpf;

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
    // The verifier refuses the programs by other words then.
    let no_perfmon = ["--bounding-set=-perfmon,-sys_admin"];
    let strangers = [&stranger[..], &without[..]].concat();
    for who in [&without[..], &strangers, &no_perfmon] {
        for what in [
            &["run", "-i", "eth0"][..],
            &["tail", "-i", "eth0"],
            &["check", "-i", "eth0"],
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
            let missing: &[&str] = if who == no_perfmon {
                &["root", "CAP_PERFMON is missing"]
            } else {
                &["root", "CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]
            };
            for part in missing {
                assert!(said.contains(part), "{who:?} {what:?}: no {part} in {said}");
            }
            if what[0] == "check" && who != no_perfmon {
                // Which hook the kernel has cannot be tested, so none is claimed.
                let mut lines = ended.out.lines();
                let hook = lines
                    .find(|line| line.contains("--hook auto on eth0"))
                    .unwrap();
                assert!(
                    hook.starts_with("limited ") && hook.contains("cannot be determined"),
                    "{hook}"
                );
                for claim in ["in both directions", "ESP by network"] {
                    assert!(!ended.out.contains(claim), "{}", ended.out);
                }
            }
        }
    }
    assert_eq!(attached(node), [""; 0]);
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
        without_bpf(&mut command, None, libc::ENOSYS);
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
