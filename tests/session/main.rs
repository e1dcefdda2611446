//! A stranger's first ten minutes with the agent, on a Flannel-like and a Swarm-like set-up with real servers: what each
//! command prints, as a reviewed snapshot.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod mask;

use std::fmt::Write;
use std::process::{Child, Stdio};

use monitor_lab::{Lab, Publish};
use overlay_tests::agent::Agent;
use overlay_tests::attached::attached;
use overlay_tests::flannel::Flannel;
use overlay_tests::process::{Monitor, command, run};
use overlay_tests::session::{connection, output, read_until, read_until_quiet};

use mask::{mask, sorted};

/// Arguments of one step, with what every command takes.
fn with<'a>(command: &'a [&'a str], common: &'a [&'a str]) -> Vec<&'a str> {
    [command, &["-i", "eth0"], common].concat()
}

/// One step of the session: the command line, its output, and its exit code.
fn step(page: &mut String, arguments: &[&str], text: &str, code: Option<i32>) {
    writeln!(page, "$ overlay-monitor {}", arguments.join(" ")).unwrap();
    page.push_str(&mask(text));
    if !text.ends_with('\n') {
        page.push('\n');
    }
    writeln!(page, "[exit code {}]\n", code.unwrap()).unwrap();
}

fn terminate(child: &Child) {
    // SAFETY: a child that is not waited for yet, so the number is still its own.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGTERM) }, 0);
}

/// `tail` as in a session over SSH: input, output and errors are one connection across the watched interface.
fn tail(page: &mut String, lab: &Lab, common: &[&str], talk: impl Fn(), last: &str) {
    let (session, mut user) = connection(lab);
    let arguments = with(&["tail"], common);
    let mut tail = command(lab.node1(), &arguments);
    tail.stdin(Stdio::null())
        .stdout(output(&session))
        .stderr(output(&session));
    let mut child = tail.spawn().unwrap();
    let mut text = read_until(&mut user, &["watching", "--own-session shows it\n"]);
    talk();
    text += &read_until(&mut user, &[last]);
    // Packets that crossed before it may be printed after it.
    text += &read_until_quiet(&mut user);
    terminate(&child);
    let code = child.wait().unwrap().code();
    text += &read_until(&mut user, &["shown"]);
    // One packet more or less of an answer is the server's choice.
    step(page, &arguments, &sorted(&text), code);
}

/// Check, tail, audit, run, scrape, HUP, TERM. `talk` makes the traffic, of which `last` is printed last.
fn session(lab: &Lab, port: &[&str], require: [&str; 2], talk: impl Fn(), last: &str) -> String {
    let mut page = String::new();
    let off = ["--docker", "off"];
    let docker = [&off[..], port].concat();

    // Which overlay is here, and which flag is missing?
    let check = with(&["check"], &off);
    let ended = run(lab.node1(), &check);
    step(&mut page, &check, &mask::own_kernel(&ended.out), ended.code);

    tail(&mut page, lab, port, &talk, last);

    // A requirement that is broken, and one that cannot be judged.
    let required = ["--require", require[0], "--require", require[1]];
    let common = [&docker[..], &required].concat();
    let arguments = with(&["audit", "--duration", "1h"], &common);
    let mut audit = Monitor::start(lab.node1(), &arguments);
    audit.wait_for("it watches", |audit| audit.err().contains("watching"));
    talk();
    audit.wait_for("the cause", |audit| {
        audit.err().matches("Likely cause").count() == 2
    });
    audit.signal(libc::SIGINT);
    let (status, _) = audit.wait();
    let text = sorted(&audit.err()) + &audit.out();
    step(&mut page, &arguments, &text, status.code());

    let common = [&docker[..], &required[..2]].concat();
    let mut agent = Agent::start(lab.node1(), &common);
    talk();
    let (log, err) = ("Likely cause", |agent: &Agent| agent.monitor.err());
    agent.monitor.wait_for("the cause", |monitor| {
        monitor.err().matches(log).count() == 2
    });
    let metrics: String = agent
        .metrics()
        .lines()
        .filter(|line| {
            [
                "overlay_violation_active",
                "overlay_network_state{",
                "overlay_port_unwatched",
            ]
            .iter()
            .any(|name| line.starts_with(name))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    agent.monitor.signal(libc::SIGHUP);
    agent.monitor.wait_for("it logs the reload", |monitor| {
        monitor.err().contains("reload")
    });
    agent.monitor.signal(libc::SIGTERM);
    let (status, _) = agent.monitor.wait();
    step(
        &mut page,
        &with(&["run"], &common),
        &sorted(&err(&agent)),
        status.code(),
    );
    page.push_str("$ curl -s 127.0.0.1:9469/metrics\n");
    page.push_str(&metrics);
    assert_eq!(attached(lab.node1()), [""; 0], "nothing stays attached");
    for secret in ["correct-horse-battery", "YWRtaW46"] {
        assert!(!page.contains(secret), "{secret}: {page}");
    }
    page
}

#[test]
fn flannel() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let flannel = Flannel::start(&lab);
    let port = ["--vxlan-port", "8472,4789"];
    let page = session(
        &lab,
        &port,
        ["1", "7"],
        || flannel.talk(&lab),
        "SET session",
    );
    insta::assert_snapshot!("flannel", page);
}

#[test]
fn swarm() {
    let mut lab = Lab::builder().quiet(true).build().unwrap();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    lab.publish(Publish::Plain).unwrap();
    let talk = || {
        assert_eq!(lab.http_get(1).unwrap()[0].status, 200);
    };
    let page = session(&lab, &[], ["4096", "4097"], talk, "200 OK text/html");
    insta::assert_snapshot!("swarm", page);
}
