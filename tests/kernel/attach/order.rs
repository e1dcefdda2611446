//! A program before ours is reported; one of ours that another process detaches is reported and attached again.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use aya::programs::tc::{NlOptions, TcAttachOptions, qdisc_add_clsact};
use aya::programs::{LinkOrder, SchedClassifier, TcAttachType};
use monitor_lab::Host;
use overlay_tests::agent::Agent;
use overlay_tests::attached::has_tcx;
use overlay_tests::process::wait_until;

use super::others::Foreign;
use super::{assert_counted, exchange, quiet};

const FIRST: &str = r#"overlay_hook_first{interface="eth0",direction="rx"}"#;
const UP: &str = r#"overlay_hook_up{interface="eth0",direction="rx"}"#;

#[test]
fn a_program_before_ours_is_said() {
    let lab = quiet();
    let node = lab.node1();
    let attach = || {
        Foreign::attach(node, || {
            if has_tcx() {
                return TcAttachOptions::TcxOrder(LinkOrder::first());
            }
            qdisc_add_clsact("eth0").unwrap();
            let options = NlOptions {
                priority: 1,
                ..NlOptions::default()
            };
            TcAttachOptions::Netlink(options)
        })
        .unwrap()
    };
    // A link may come before ours at any time; a filter only where it was there before.
    let (agent, foreign) = if has_tcx() {
        let agent = Agent::start(node, &[]);
        assert_eq!(agent.metric(FIRST), 1);
        (agent, attach())
    } else {
        let foreign = attach();
        (Agent::start(node, &[]), foreign)
    };
    wait_until("it is said", || agent.metric(FIRST) == 0);
    assert_eq!(agent.metric(UP), 1);
    let said = agent.monitor.err();
    assert!(said.contains("come before ours (rx)"), "{said}");
    assert!(!said.contains("come before ours (tx)"), "{said}");
    exchange(&lab, 10);
    assert_counted(&agent, 10);
    foreign.assert_counted(10);
}

#[test]
fn a_program_of_ours_that_somebody_detaches_comes_back() {
    let lab = quiet();
    let agent = Agent::start(lab.node1(), &[]);
    exchange(&lab, 10);
    assert_counted(&agent, 10);
    detach_ours(lab.node1());
    wait_until("it is said and undone", || {
        let said = agent.monitor.err();
        said.contains("our program (rx, ") && said.contains("eth0: attached again: rx")
    });
    assert_eq!(agent.metric(UP), 1);
    exchange(&lab, 10);
    assert_counted(&agent, 20);
}

/// Takes the agent's program for what is received away from `eth0`, as an administrator could.
fn detach_ours(host: &Host) {
    if !has_tcx() {
        let del = ["filter", "del", "dev", "eth0", "ingress"];
        host.run("tc", &del).unwrap();
        return;
    }
    let query = || SchedClassifier::query_tcx("eth0", TcAttachType::Ingress);
    let (_, programs) = host.enter(query).unwrap().unwrap();
    assert_eq!(programs.len(), 1);
    let mut id = 0;
    loop {
        id = next_link(id).expect("the program has a link");
        // A link that has just gone belonged to another process.
        let Ok(link) = open_link(id) else { continue };
        if program_of(&link) == programs[0].id() {
            bpf(LINK_DETACH, &mut [link.as_raw_fd().cast_unsigned()]).unwrap();
            return;
        }
    }
}

/// Commands of bpf(2) (`include/uapi/linux/bpf.h`); their attributes are words.
const OBJECT_INFO: libc::c_long = 15;
const LINK_BY_ID: libc::c_long = 30;
const LINK_NEXT_ID: libc::c_long = 31;
const LINK_DETACH: libc::c_long = 34;

fn next_link(id: u32) -> io::Result<u32> {
    let mut attr = [id, 0, 0];
    bpf(LINK_NEXT_ID, &mut attr)?;
    Ok(attr[1])
}

fn open_link(id: u32) -> io::Result<OwnedFd> {
    let fd = bpf(LINK_BY_ID, &mut [id, 0, 0])?;
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn program_of(link: &OwnedFd) -> u32 {
    // struct bpf_link_info: type, id, program, …
    let mut info = [0u32; 4];
    let address = (&raw mut info).addr() as u64;
    let mut attr = [
        link.as_raw_fd().cast_unsigned(),
        size_of_val(&info) as u32,
        address as u32,
        (address >> 32) as u32,
    ];
    bpf(OBJECT_INFO, &mut attr).unwrap();
    std::hint::black_box(&info)[2]
}

fn bpf(command: libc::c_long, attr: &mut [u32]) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes the words; where one is an address, its target lives with the caller.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), size_of_val(attr)) };
    match i32::try_from(done).unwrap() {
        ..0 => Err(io::Error::last_os_error()),
        done => Ok(done),
    }
}
