//! Causes, from a real kernel's state and the distribution's own firewall programs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use monitor::host::firewall::{self, Firewall, MARK};
use monitor::host::ipsec::{self, Mark, Mode, PolicyDirection};
use monitor_lab::{Host, Lab};
use overlay_tests::agent::Agent;
use overlay_tests::process::{finish, program, run};
use overlay_tests::schema::{Output, Validator};
use serde_json::Value;

fn quiet() -> Lab {
    Lab::builder().quiet(true).build().unwrap()
}

/// What is read of the firewall on a host; all of it.
fn read(host: &Host) -> Firewall {
    let firewall = host.enter(firewall::read).unwrap();
    assert_eq!(firewall.unread, [""; 0]);
    firewall
}

/// Runs a command line, the parts of which have no spaces but for those between quotes.
fn shell(host: &Host, line: &str) -> String {
    host.run("sh", &["-c", line]).unwrap()
}

/// The match of Docker's rules for a VNI: 20.10 to 24 make the first form, later ones the second.
fn u32_match(vni: u32) -> String {
    format!(
        "-p udp --dport 4789 -m u32 --u32 '0>>22&0x3C@12&0xFFFFFF00={}'",
        vni << 8
    )
}

fn bpf_match(vni: u32) -> String {
    format!(
        "-p udp --dport 4789 -m bpf --bytecode \
         '7,32 0 0 4294963252,7 0 0 0,64 0 0 4,116 0 0 8,21 1 0 {vni},6 0 0 0,6 0 0 4294967295'"
    )
}

#[test]
fn dockers_rules_are_found_in_all_their_forms() {
    let lab = quiet();
    let host = lab.node1();
    let empty = read(host);
    assert!(empty.rules.marked.is_empty() && empty.rules.refused.is_empty());
    for (program, vni, rule) in [
        ("iptables-nft", 4096, u32_match(4096)),
        ("iptables-nft", 4097, bpf_match(4097)),
        ("iptables-legacy", 4098, u32_match(4098)),
        ("iptables-legacy", 4099, bpf_match(4099)),
        ("ip6tables-nft", 4100, bpf_match(4100)),
    ] {
        let mark = format!("OUTPUT {rule} -j MARK --set-mark {MARK}");
        let drop = format!("INPUT -m policy --dir in --pol none {rule} -j DROP");
        shell(host, &format!("{program} -t mangle -A {mark}"));
        shell(host, &format!("{program} -I {drop}"));
        let found = read(host).rules;
        assert!(found.marked.has(vni), "{program}: {found:?}");
        assert!(found.refused.has(vni), "{program}: {found:?}");
        shell(host, &format!("{program} -t mangle -D {mark}"));
        let found = read(host).rules;
        assert!(!found.marked.has(vni), "{program}: {found:?}");
        assert!(found.refused.has(vni), "{program}: {found:?}");
    }
}

/// The table that Docker 29 makes, without its counters.
#[test]
fn the_table_of_the_newest_docker_is_found() {
    let lab = quiet();
    let host = lab.node1();
    let table = "table ip docker-overlay {
        set encrypted-vnis { typeof @th,96,24; elements = { 0x001000, 0x001002 }; }
        chain enc-in { type filter hook input priority raw; policy accept;
            meta secpath missing udp dport 4789 @th,96,24 @encrypted-vnis counter drop; }
        chain enc-out { type route hook output priority mangle; policy accept;
            udp dport 4789 @th,96,24 @encrypted-vnis counter meta mark set 0xd0c4e3; }
    }";
    shell(host, &format!("nft '{table}'"));
    let found = read(host).rules;
    for set in [&found.marked, &found.refused] {
        assert!(
            set.has(4096) && !set.has(4097) && set.has(4098),
            "{found:?}"
        );
    }
    shell(
        host,
        "nft 'delete element ip docker-overlay encrypted-vnis { 0x001000 }'",
    );
    let found = read(host).rules;
    assert!(
        !found.marked.has(4096) && found.marked.has(4098),
        "{found:?}"
    );
}

/// A kind that cannot be read may have the rule; one that has no rules need not be read. A file that is no program,
/// such as a device in its place, is not run.
#[test]
fn a_rule_is_called_missing_only_where_both_kinds_of_iptables_were_read() {
    let lab = quiet();
    let host = lab.node1();
    let config = std::env::temp_dir().join(format!("overlay-kinds-{}.toml", std::process::id()));
    std::fs::write(&config, "[[network]]\nvni = 4096\nencrypted = 'required'\n").unwrap();
    let check = |hidden: &[&str]| {
        let hide = hidden
            .iter()
            .map(|name| format!("mount --bind /dev/null /usr/sbin/{name} && "));
        let script = format!(
            "{}exec {} check --docker off --config {}",
            hide.collect::<String>(),
            program().display(),
            config.display()
        );
        let mut command = host.command("unshare").unwrap();
        command.args(["-m", "sh", "-c", &script]);
        finish(command)
    };
    let (nft, legacy) = ("xtables-nft-multi", "xtables-legacy-multi");
    let rules_of = |kind: &str, action: &str| {
        let rule = format!("OUTPUT {} -j MARK --set-mark {MARK}", u32_match(4096));
        shell(host, &format!("{kind} -t mangle {action} {rule}"));
    };
    // Nothing is anywhere: one kind, or nft alone, is enough.
    for hidden in [&[][..], &[nft], &[legacy], &[nft, legacy]] {
        let check = check(hidden);
        assert_eq!(check.code, Some(1), "{hidden:?}: {check:?}");
        assert!(check.out.contains("NOT marked for IPsec"), "{check:?}");
    }
    for (kind, program) in [("iptables-nft", nft), ("iptables-legacy", legacy)] {
        rules_of(kind, "-A");
        let read = check(&[]);
        assert_eq!(read.code, Some(0), "{kind}: {read:?}");
        let unread = check(&[program]);
        assert_eq!(unread.code, Some(0), "{kind}: {unread:?}");
        let says =
            format!("a missing rule cannot be detected with certainty: {kind}-save: not installed");
        assert!(unread.out.contains(&says), "{says}: {unread:?}");
        assert!(
            unread
                .out
                .contains("whether it is marked for IPsec is unknown")
        );
        rules_of(kind, "-D");
        if kind == "iptables-nft" {
            shell(host, "nft delete table ip mangle");
        }
    }
    std::fs::remove_file(&config).unwrap();
}

#[test]
fn reading_changes_nothing() {
    let lab = quiet();
    let host = lab.node1();
    let rules = |host: &Host| {
        let legacy = host.run("cat", &["/proc/thread-self/net/ip_tables_names"]);
        (shell(host, "nft list ruleset"), legacy.unwrap_or_default())
    };
    let before = rules(host);
    read(host);
    let check = run(host, &["check", "-i", "eth0"]);
    assert_eq!(check.code, Some(0), "{check:?}");
    assert_eq!(rules(host), before);
}

#[test]
fn policies_are_read_as_the_kernel_has_them() {
    let lab = quiet();
    let host = lab.node1();
    shell(
        host,
        "ip xfrm policy add src 192.168.77.1 dst 192.168.77.2 proto udp dport 4789 dir out \
         mark 0xd0c4e3 mask 0xffffffff tmpl src 192.168.77.1 dst 192.168.77.2 proto esp spi 0x12345678 \
         reqid 13681891 mode transport",
    );
    shell(
        host,
        "ip xfrm policy add src fd00::/64 dst fd01::1 dir fwd action block",
    );
    let all = host.enter(ipsec::policies).unwrap().unwrap();
    let docker = all
        .iter()
        .find(|policy| policy.direction == PolicyDirection::Out)
        .unwrap();
    let (one, two) = (lab.node1().address(), lab.node2().address());
    assert_eq!((docker.source, docker.destination), ((one, 32), (two, 32)));
    assert_eq!((docker.protocol, docker.port), (17, Some(4789)));
    let mark = Mark {
        value: MARK,
        mask: u32::MAX,
    };
    assert_eq!(docker.mark, Some(mark));
    let template = &docker.templates[0];
    assert_eq!((template.source, template.destination), (one, two));
    assert_eq!(
        (
            template.spi,
            template.reqid,
            template.mode,
            template.protocol
        ),
        (0x1234_5678, MARK, Mode::Transport, ipsec::ESP)
    );
    let other = all
        .iter()
        .find(|policy| policy.direction == PolicyDirection::Forward)
        .unwrap();
    assert_eq!(other.source, ("fd00::".parse().unwrap(), 64));
    assert_eq!(other.destination, ("fd01::1".parse().unwrap(), 128));
    assert_eq!((other.port, other.mark, other.blocks), (None, None, true));
    assert_eq!(other.templates, []);
}

/// A plain network that must be encrypted, on hosts that encrypt nothing: each side says its own cause.
#[test]
fn a_violation_says_its_likeliest_cause() {
    let mut lab = quiet();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    // A policy without an association.
    shell(
        lab.node2(),
        "ip xfrm policy add src 192.168.77.2 dst 192.168.77.1 proto udp dport 4789 dir out mark 0xd0c4e3 \
         tmpl src 192.168.77.2 dst 192.168.77.1 proto esp reqid 13681891 mode transport",
    );
    let arguments = ["--docker", "off", "--require", "4096"];
    let mut nodes = [lab.node1(), lab.node2()].map(|node| Agent::start(node, &arguments));
    assert_eq!(lab.http_get(1).unwrap()[0].status, 200);
    for (agent, causes) in nodes.iter_mut().zip([
        &[
            "cleartext was sent. Likely cause: nothing on this host encrypts: it has no IPsec policy",
            "cleartext was received. Likely cause: nothing on this host encrypts: it has no IPsec policy",
        ][..],
        &[
            "the rule that marks this network's datagrams for IPsec is missing",
            "this host has no IPsec association with the sender: either it is a node that cannot encrypt",
            "the rule that drops this network's cleartext is missing",
        ],
    ]) {
        for cause in causes {
            agent.monitor.wait_for(cause, |monitor| {
                monitor
                    .err()
                    .lines()
                    .any(|line| line.contains("violation: ") && line.contains(cause))
            });
        }
        agent.monitor.stop();
    }
}

/// The interface is that of the configuration file, too.
#[test]
fn check_fails_where_a_network_that_must_be_encrypted_is_not_marked() {
    let lab = quiet();
    let host = lab.node1();
    let config = std::env::temp_dir().join(format!("overlay-diagnose-{}.toml", std::process::id()));
    let networks = [(4096, "app1-network"), (4097, "half")].map(|(vni, name)| {
        format!("[[network]]\nvni = {vni}\nname = \"{name}\"\nencrypted = \"required\"\n")
    });
    std::fs::write(
        &config,
        format!("interfaces = ['eth0']\n{}", networks.concat()),
    )
    .unwrap();
    let check = |format: &str| {
        let arguments = ["check", "--docker", "off", "--format", format, "--config"];
        run(
            host,
            &[&arguments[..], &[config.to_str().unwrap()]].concat(),
        )
    };
    let mark = |vni: u32| {
        let rule = u32_match(vni);
        let mark = format!("--set-mark {MARK}");
        shell(
            host,
            &format!("iptables-nft -t mangle -A OUTPUT {rule} -j MARK {mark}"),
        );
    };
    mark(4097);
    let text = check("text");
    assert_eq!(text.code, Some(1), "{text:?}");
    assert!(text.err.contains("MISSING or FAILED"), "{text:?}");
    let squeezed: Vec<String> = text
        .out
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in [
        "ok interface eth0 veth, Ethernet",
        "ok IPsec of this host 0 associations (0 as Docker makes them), 0 policies",
        "FAILED app1-network (VNI 4096) NOT marked for IPsec, and cleartext is accepted",
        "limited half (VNI 4097) marked for IPsec when sent, but NOT dropped",
    ] {
        assert!(
            squeezed.iter().any(|found| found.starts_with(line)),
            "{line}\nnot in\n{}",
            text.out
        );
    }
    let json = check("json");
    assert_eq!(json.code, Some(1), "{json:?}");
    Validator::new().check(Output::Checks, &json.out);
    let objects: Vec<Value> = json
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), text.out.lines().count());
    let rules = |vni: u32| {
        let of = |object: &&Value| object["check"] == "network_rules" && object["vni"] == vni;
        objects.iter().find(of).unwrap()["outcome"].clone()
    };
    assert_eq!(
        (rules(4096), rules(4097)),
        ("failed".into(), "limited".into())
    );
    let on = |object: &&Value| object["interface"] == "eth0";
    assert_eq!(objects.iter().filter(on).count(), 3);

    mark(4096);
    for format in ["text", "json"] {
        let check = check(format);
        assert_eq!(check.code, Some(0), "{check:?}");
    }
    std::fs::remove_file(&config).unwrap();
}
