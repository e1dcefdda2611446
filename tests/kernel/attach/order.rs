//! A program before ours is reported; one of ours that another process detaches is reported and attached again.

use std::io;
use std::os::fd::AsRawFd;

use aya::programs::links::LinkInfo;
use aya::programs::tc::{NlOptions, TcAttachOptions, qdisc_add_clsact};
use aya::programs::{LinkOrder, SchedClassifier, TcAttachType, loaded_links};
use monitor::kernel::bpf::{self, Command};
use monitor_lab::Host;
use overlay_tests::agent::Agent;
use overlay_tests::attached::has_tcx;
use overlay_tests::foreign::Foreign;
use overlay_tests::process::wait_until;

use super::others::assert_foreign;
use super::{assert_counted, exchange, quiet};

const FIRST: &str = r#"overlay_hook_first{interface="eth0",direction="rx"}"#;
const UP: &str = r#"overlay_hook_up{interface="eth0",direction="rx"}"#;

#[test]
fn a_program_before_ours_is_reported() {
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
    wait_until("it is logged", || agent.metric(FIRST) == 0);
    assert_eq!(agent.metric(UP), 1);
    let said = agent.monitor.err();
    assert!(said.contains("come before ours (rx)"), "{said}");
    assert!(!said.contains("come before ours (tx)"), "{said}");
    exchange(&lab, 10);
    assert_counted(&agent, 10);
    assert_foreign(&foreign, 10);
}

#[test]
fn a_detached_program_of_ours_is_attached_again() {
    let lab = quiet();
    let agent = Agent::start(lab.node1(), &["--docker", "off", "--require", "5000"]);
    let state = |state: &str| format!(r#"overlay_network_state{{vni="5000",state="{state}"}}"#);
    wait_until("nothing is seen of a network", || {
        agent.metric(&state("idle")) == 1
    });
    exchange(&lab, 10);
    assert_counted(&agent, 10);
    detach_ours(lab.node1());
    wait_until("it is logged and attached again", || {
        let said = agent.monitor.err();
        said.contains("our program (rx, ") && said.contains("eth0: attached again: rx")
    });
    assert_eq!(agent.metric(UP), 1);
    wait_until("the moment without it is a hole in what is known", || {
        agent.metric(&state("unknown")) == 1
    });
    exchange(&lab, 10);
    assert_counted(&agent, 20);
}

/// Detaches the agent's ingress program from `eth0`, as an administrator could.
fn detach_ours(host: &Host) {
    if !has_tcx() {
        let del = ["filter", "del", "dev", "eth0", "ingress"];
        host.run("tc", &del).unwrap();
        return;
    }
    let query = || SchedClassifier::query_tcx("eth0", TcAttachType::Ingress);
    let (_, programs) = host.enter(query).unwrap().unwrap();
    assert_eq!(programs.len(), 1);
    // Links of other processes come and go meanwhile.
    let ours = |link: &LinkInfo| link.program_id() == programs[0].id();
    let link = loaded_links().filter_map(Result::ok).find(ours);
    detach(link.expect("the program has a link").id()).unwrap();
}

/// Detaches a link, which stays open in the process that holds it.
fn detach(id: u32) -> io::Result<()> {
    // SAFETY: the attributes of `BPF_LINK_GET_FD_BY_ID`: an id.
    let link = unsafe { bpf::call_for_fd(Command::LinkById, &mut [id])? };
    let mut attributes = [link.as_raw_fd().cast_unsigned()];
    // SAFETY: the attributes of `BPF_LINK_DETACH`: a descriptor, which is open.
    unsafe { bpf::call(Command::LinkDetach, &mut attributes) }.map(drop)
}
