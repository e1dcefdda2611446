//! What an audit of networks that must be encrypted ends with.

use super::*;

#[test]
fn an_audit_ends_with_what_it_found_as_its_exit_code() {
    let lab = lab();
    let config = networks("audit");
    let only_optional = Config::new(
        "audit-optional",
        &format!("[[network]]\nvni = {OPTIONAL}\nencrypted = \"optional\"\n"),
    );
    let audit = |config: &Config, more: &[&str], traffic: &dyn Fn()| {
        let arguments = [
            &["audit", "-i", "eth0", "--duration", "5s"],
            &config.arguments()[..],
            more,
        ]
        .concat();
        let mut monitor = Monitor::start(lab.node1(), &arguments);
        monitor.wait_for("it watches", |monitor| monitor.err().contains("watching"));
        traffic();
        let (status, _) = monitor.wait();
        (status.code().unwrap(), monitor.out(), monitor.err())
    };
    let (code, out, err) = audit(&config, &[], &|| required(&lab).send(0, [100; 7]));
    assert_eq!(code, 1, "{err}");
    for part in [
        "    4096  app1\\x1b[2J\\x0a",
        "VIOLATION  app1\\x1b[2J\\x0a (VNI 4096) must be encrypted, but is in cleartext",
        "sent to 192.168.77.2: 7 packets",
    ] {
        assert!(out.contains(part), "no {part:?} in\n{out}");
    }
    assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out}");
    assert!(
        err.contains("must be encrypted, but cleartext was sent"),
        "{err}"
    );

    // Idle is no proof.
    let (code, out, err) = audit(&config, &["--format", "json"], &|| ());
    assert_eq!(code, 5, "{err}");
    assert!(
        err.contains("undecided: app1") && err.contains("was idle"),
        "{err}"
    );
    let last: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["type"], &last["exit_code"]),
        (&"audit_summary".into(), &5.into()),
        "{out}"
    );

    let both = |from: usize| {
        let ends = ["app2-network.1", "app2-network.2"].map(|name| lab.container(name).unwrap());
        Pair::new(ends[0], ends[1], 5000).send(from, [100; 5]);
    };
    let (code, out, err) = audit(&only_optional, &[], &|| both(1));
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("70000") && out.contains("optional") && out.contains("cleartext"),
        "{out}"
    );
    // The command line goes over the file.
    let (code, _, err) = audit(&only_optional, &["--require", "70000"], &|| both(0));
    assert_eq!(code, 1, "{err}");
}

#[test]
fn an_audit_that_is_stopped_says_what_is_known_by_then() {
    let lab = lab();
    let config = networks("stopped");
    let arguments = [
        &["audit", "-i", "eth0", "--duration", "1h"],
        &config.arguments()[..],
    ]
    .concat();
    let mut monitor = Monitor::start(lab.node1(), &arguments);
    monitor.wait_for("it watches", |monitor| monitor.err().contains("watching"));
    required(&lab).send(1, [100; 3]);
    monitor.wait_for("the violation is logged", |monitor| {
        monitor.err().contains("violation")
    });
    monitor.signal(libc::SIGINT);
    let (status, took) = monitor.wait();
    assert_eq!(status.code(), Some(1), "{}", monitor.err());
    assert!(took < Duration::from_secs(5));
    let out = monitor.out();
    assert!(
        out.contains("Partial") && out.contains("received from 192.168.77.2: 3 packets"),
        "{out}"
    );
}

#[test]
fn an_audit_of_nonsense_is_refused() {
    let lab = lab();
    for (arguments, says) in [
        (["--duration", "0s"], "from 1s to 168h (7 days)"),
        (["--duration", "soon"], "60s, 5m or 1h30m"),
        (["--require", "16777216"], "0 to 16777215"),
        (["--window", "0s"], "from 1s to 24h"),
    ] {
        let ended = run(
            lab.node1(),
            &[&["audit", "-i", "eth0"], &arguments[..]].concat(),
        );
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(says), "{ended:?}");
    }
}
