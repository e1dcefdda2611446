//! Other programs on the same interface: they stay, they run, and ours counts all the same.

use aya::programs::LinkOrder;
use aya::programs::tc::{NlOptions, TcAttachOptions, qdisc_add_clsact};
use monitor_common::count::Count;
use monitor_lab::Lab;
use overlay_tests::agent::Agent;
use overlay_tests::attached::{attached, has_tcx, put_foreign_xdp, tc, xdp};
use overlay_tests::foreign::Foreign;
use overlay_tests::offload::has_esp;
use overlay_tests::process::{run, wait_until};

use super::{FRAME, VNI, assert_counted, exchange, quiet, shape};

#[test]
fn two_agents_count_the_same_and_go_one_by_one() {
    let lab = quiet();
    let node = lab.node1();
    let mut one = Agent::start(node, &[]);
    let two = Agent::start_at(node, 9470, &[]);
    exchange(&lab, 10);
    assert_counted(&one, 10);
    assert_counted(&two, 10);
    assert_eq!(
        two.monitor
            .err()
            .contains("other TC filters come before ours"),
        !has_tcx()
    );
    one.monitor.stop();
    exchange(&lab, 10);
    assert_counted(&two, 20);

    // And one that is killed, while the other stays.
    let mut three = Agent::start_at(node, 9471, &[]);
    exchange(&lab, 10);
    assert_counted(&three, 10);
    three.monitor.kill();
    let detach = run(node, &["detach"]);
    assert_eq!(detach.code, Some(0), "{detach:?}");
    let says: &[&str] = if has_tcx() {
        &["nothing of ours is attached to 2 interfaces"]
    } else {
        &[
            "eth0: removed 2 TC filters",
            "eth0: kept 2 TC filters of a running overlay-monitor",
        ]
    };
    assert!(
        says.iter().all(|part| detach.out.contains(part)),
        "{detach:?}"
    );
    let alone = |hook: &str| {
        shape(node)
            .iter()
            .filter(|line| line.contains(hook))
            .count()
            == 1
    };
    wait_until("only one is left", || alone("ingress") && alone("egress"));
    exchange(&lab, 10);
    assert_counted(&two, 40);
    let mut two = two;
    two.monitor.stop();
    assert_eq!(attached(node), [""; 0]);
}

/// Insists that a foreign program has counted so many datagrams.
pub(super) fn assert_foreign(foreign: &Foreign, packets: u64) {
    let expected = Count {
        packets,
        bytes: packets * FRAME,
    };
    assert_eq!(foreign.received(VNI), expected);
}

fn beside(lab: &Lab, foreign: &Foreign) {
    let node = lab.node1();
    let before = attached(node);
    exchange(lab, 10);
    assert_foreign(foreign, 10);
    let mut agent = Agent::start(node, &[]);
    assert!(
        !agent.monitor.err().contains("come before ours"),
        "it is not first"
    );
    exchange(lab, 10);
    assert_counted(&agent, 10);
    assert_foreign(foreign, 20);
    assert_eq!(run(node, &["detach"]).code, Some(0));
    exchange(lab, 10);
    assert_counted(&agent, 20);
    assert_foreign(foreign, 30);
    agent.monitor.stop();
    assert_eq!(attached(node), before);
    exchange(lab, 10);
    assert_foreign(foreign, 40);
}

#[test]
fn a_foreign_tc_filter_works_before_beside_and_after_ours() {
    let lab = quiet();
    let foreign = Foreign::attach(lab.node1(), || {
        qdisc_add_clsact("eth0").unwrap();
        let options = NlOptions {
            priority: 7,
            ..NlOptions::default()
        };
        TcAttachOptions::Netlink(options)
    });
    beside(&lab, &foreign.unwrap());
}

#[test]
fn a_foreign_tcx_program_works_before_beside_and_after_ours() {
    let lab = quiet();
    let first = || TcAttachOptions::TcxOrder(LinkOrder::first());
    match Foreign::attach(lab.node1(), first) {
        Ok(foreign) => beside(&lab, &foreign),
        // A kernel without TCX has no other owner's program there either.
        Err(error) => assert!(!has_tcx(), "{error}"),
    }
}

#[test]
fn a_foreign_xdp_program_stays_and_tc_counts_instead() {
    let lab = quiet();
    let node = lab.node1();
    put_foreign_xdp(node);
    let foreign = xdp(node);
    assert!(foreign.is_some());
    for hook in ["xdp", "xdp-generic"] {
        let mut agent = Agent::start(node, &["--hook", hook]);
        assert_eq!(agent.hooks(), [tc(), tc()]);
        let said = agent.monitor.err();
        // The kernel's ability comes first: it is the same on every interface.
        let warning = if hook == "xdp-generic" && has_esp() {
            "no xdp-generic: the kernel can decrypt ESP".to_owned()
        } else {
            format!("eth0: no {hook}: another XDP program is attached, and stays in place")
        };
        assert!(said.contains(&warning) && said.contains("WARN"), "{said}");
        exchange(&lab, 10);
        assert_counted(&agent, 10);
        assert_eq!(xdp(node), foreign);
        agent.monitor.stop();
        assert_eq!(xdp(node), foreign);
    }
}

#[test]
fn of_two_agents_with_xdp_the_second_takes_tc() {
    let lab = quiet();
    let mut one = Agent::start(lab.node1(), &["--hook", "xdp"]);
    let mut two = Agent::start_at(lab.node1(), 9470, &["--hook", "xdp"]);
    assert_eq!(one.hooks(), ["xdp", tc()]);
    assert_eq!(two.hooks(), [tc(), tc()]);
    assert!(
        two.monitor
            .err()
            .contains("another XDP program is attached"),
        "{}",
        two.monitor.err()
    );
    exchange(&lab, 10);
    assert_counted(&one, 10);
    assert_counted(&two, 10);
    one.monitor.stop();
    exchange(&lab, 10);
    assert_counted(&two, 20);
    two.monitor.stop();
    assert_eq!(attached(lab.node1()), [""; 0]);
}

#[test]
fn generic_xdp_is_generic_though_the_driver_has_native_xdp() {
    let lab = quiet();
    let node = lab.node1();
    let mut agent = Agent::start(node, &["--hook", "xdp-generic"]);
    let link = node.run("ip", &["-details", "link", "show", "dev", "eth0"]);
    let link = link.unwrap();
    // Where the kernel can decrypt, TC is used instead: `vm_decrypted`.
    let (hook, is_generic) = if has_esp() {
        (tc(), false)
    } else {
        ("xdp-generic", true)
    };
    assert_eq!(agent.hooks(), [hook, tc()]);
    assert_eq!(link.contains(" xdpgeneric "), is_generic, "{link}");
    assert!(!link.contains(" xdp "), "{link}");
    exchange(&lab, 10);
    assert_counted(&agent, 10);
    agent.monitor.stop();
    assert_eq!(attached(node), [""; 0]);
}
