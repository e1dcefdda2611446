//! Causes, from a real kernel's state. The distribution's own firewall programs make the rules, and the agent reads them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use monitor::host::firewall::{self, Firewall, MARK, VniSet};
use monitor::host::ipsec::{self, Mark, Mode, PolicyDirection};
use monitor_lab::{Host, Lab};
use overlay_tests::agent::Agent;
use overlay_tests::process::{Ended, finish, program, run};
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

/// Rules of which one thing differs from those that encrypt a network: they let a part of its cleartext pass.
#[test]
fn rules_that_look_alike_do_not_count() {
    let lab = quiet();
    let host = lab.node1();
    let mark = format!("meta mark set {MARK}");
    let vni = "udp dport 4789 @th,96,24";
    shell(
        host,
        &format!(
            "nft 'table ip other {{
                chain out {{ type filter hook output priority mangle;
                    ip daddr 10.0.0.5 {vni} 4096 {mark};
                    oifname eth9 {vni} 4097 {mark};
                    {vni} 4098 limit rate 1/second {mark};
                    ct state new {vni} 4099 {mark};
                    udp dport 4000-5000 @th,96,24 4100 {mark};
                    meta l4proto udp {vni} 4101 counter {mark};
                    ip protocol udp {vni} 4105 {mark}; }};
                chain in {{ type filter hook input priority 0;
                    meta secpath missing {vni} 4096 quota over 1 mbytes drop;
                    meta secpath missing ip saddr 10.0.0.5 {vni} 4097 drop;
                    meta secpath missing {vni} 4101 log counter drop;
                    ip protocol udp meta secpath missing {vni} 4105 drop; }}; }};
              table ip asleep {{ flags dormant;
                chain out {{ type filter hook output priority mangle; {vni} 4102 {mark}; }}; }}'"
        ),
    );
    for program in ["iptables-nft", "iptables-legacy"] {
        for (place, vni) in [("-d 10.0.0.5/32", 4103), ("-o eth9", 4104)] {
            let rule = u32_match(vni);
            shell(
                host,
                &format!("{program} -t mangle -A OUTPUT {place} {rule} -j MARK --set-mark {MARK}"),
            );
        }
    }
    let found = read(host).rules;
    let has = |set: &VniSet| (4096..4106).filter(|vni| set.has(*vni)).collect::<Vec<_>>();
    assert_eq!(has(&found.marked), [4101, 4105], "{found:?}");
    assert_eq!(has(&found.refused), [4101, 4105], "{found:?}");
}

/// As nft lets one write them by hand: one VNI, a range, a list with ranges, in tables of both versions of IP.
#[test]
fn rules_made_by_hand_are_found() {
    let lab = quiet();
    let host = lab.node1();
    let mark = format!("meta mark set {MARK}");
    shell(
        host,
        &format!(
            "nft 'table inet mine {{
                chain out {{ type filter hook output priority mangle;
                    udp dport 4789 @th,96,24 4096 {mark};
                    udp dport 4789 @th,96,24 5000-5003 {mark};
                    udp dport 4789 @th,96,24 {{ 77, 6000-6002, 7000 }} {mark};
                    udp dport 4789 @th,96,24 != 4097 {mark};
                    udp dport 4789 @th,96,24 4098 meta mark set 1; }};
                chain in {{ type filter hook prerouting priority raw;
                    meta secpath missing udp dport 4789 @th,96,24 4096 reject with icmpx host-unreachable;
                    meta secpath exists udp dport 4789 @th,96,24 4097 drop; }}; }};
              table bridge mine {{ chain in {{ type filter hook input priority 0;
                    @th,96,24 4099 {mark}; }}; }}'"
        ),
    );
    let found = read(host).rules;
    let has = |vnis: &[u32]| {
        let all = vnis.iter().copied();
        all.filter(|vni| found.marked.has(*vni)).collect::<Vec<_>>()
    };
    let marked = [77, 4096, 5000, 5003, 6000, 6001, 6002, 7000];
    assert_eq!(has(&marked), marked);
    assert!(has(&[76, 78, 4097, 4098, 4099, 4999, 5004, 5999, 6003, 7001]).is_empty());
    assert!(found.refused.has(4096) && !found.refused.has(4097));
}

/// The configuration, and `check` in a mount namespace in which these files are hidden.
struct Required(std::path::PathBuf);

impl Required {
    fn new(name: &str) -> Required {
        let file = format!("overlay-{name}-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, "[[network]]\nvni = 4096\nencrypted = 'required'\n").unwrap();
        Required(path)
    }

    fn check(&self, host: &Host, before: &str) -> Ended {
        let script = format!(
            "{before} {} check --docker off --config {}",
            program().display(),
            self.0.display()
        );
        let mut command = host.command("unshare").unwrap();
        command.args(["-m", "sh", "-c", &script]);
        finish(command)
    }
}

impl Drop for Required {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[test]
fn the_rules_of_every_kind_are_read_where_no_program_is() {
    let lab = quiet();
    let host = lab.node1();
    let config = Required::new("programs");
    let hidden = ["xtables-nft-multi", "xtables-legacy-multi", "nft"]
        .map(|name| format!("mount --bind /dev/null /usr/sbin/{name} && "));
    let before = format!("{} PATH= exec", hidden.concat());
    for kind in ["iptables-nft", "iptables-legacy"] {
        let none = config.check(host, &before);
        assert_eq!(none.code, Some(1), "{none:?}");
        assert!(none.out.contains("NOT marked for IPsec"), "{none:?}");
        let read = "read from nf_tables, ip_tables, ip6_tables";
        assert!(none.out.contains(read), "{none:?}");
        let rule = format!("OUTPUT {} -j MARK --set-mark {MARK}", u32_match(4096));
        shell(host, &format!("{kind} -t mangle -A {rule}"));
        let some = config.check(host, &before);
        assert_eq!(some.code, Some(0), "{kind}: {some:?}");
        assert!(some.out.contains("marked for IPsec when sent"), "{some:?}");
        shell(host, &format!("{kind} -t mangle -D {rule}"));
    }
}

/// Rules that cannot be read may exist.
#[test]
fn a_rule_is_called_missing_only_where_the_kernel_answered() {
    let lab = quiet();
    let host = lab.node1();
    let config = Required::new("refused");
    // Both kinds exist.
    shell(
        host,
        "nft add table ip other && iptables-legacy -t mangle -S",
    );
    let refused = config.check(host, "exec setpriv --bounding-set=-net_admin");
    let reason = "permission denied; grant CAP_NET_ADMIN";
    let says = format!(
        "a missing rule cannot be detected with certainty: nf_tables: {reason}; ip_tables: {reason}"
    );
    assert!(refused.out.contains(&says), "{says}: {refused:?}");
    assert!(
        refused
            .out
            .contains("whether it is marked for IPsec is unknown"),
        "{refused:?}"
    );
    assert!(!refused.out.contains("NOT marked"), "{refused:?}");
}

/// A rule that is there all the time is found in every reading, or the reading says that it has none.
#[test]
fn rules_that_change_meanwhile_are_read_again() {
    let lab = quiet();
    let host = lab.node1();
    let mark = format!("OUTPUT {} -j MARK --set-mark {MARK}", bpf_match(4096));
    shell(host, &format!("iptables-nft -t mangle -A {mark}"));
    shell(
        host,
        "nft 'table ip other { chain out { type filter hook output priority 0; }; }'",
    );
    let mut whole = 0;
    std::thread::scope(|scope| {
        let changes = scope.spawn(|| {
            let line = "for i in $(seq 100); do nft add rule ip other out counter; done";
            shell(host, line)
        });
        while !changes.is_finished() {
            let firewall = host.enter(firewall::read).unwrap();
            if firewall.is_complete() {
                assert!(firewall.rules.marked.has(4096), "{firewall:?}");
                whole += 1;
            }
        }
    });
    assert!(whole > 0);
}

/// Most rules of a host are in chains of their own; here they are where Docker's are.
#[test]
fn many_rules_are_read_in_time() {
    let lab = quiet();
    let host = lab.node1();
    let file = std::env::temp_dir().join(format!("overlay-many-{}.nft", std::process::id()));
    let rule = "add rule inet many out ip daddr 192.0.2.1 udp dport 4789 counter accept\n";
    let vnis: Vec<String> = (1..=20_000).map(|vni| (vni * 2).to_string()).collect();
    let script = format!(
        "add table inet many\n\
         add chain inet many out {{ type filter hook output priority 0; }}\n\
         {}add rule inet many out udp dport 4789 @th,96,24 {{ {} }} meta mark set {MARK}\n",
        rule.repeat(20_000),
        vnis.join(", ")
    );
    std::fs::write(&file, script).unwrap();
    shell(host, &format!("nft -f {}", file.display()));
    std::fs::remove_file(&file).unwrap();
    let started = std::time::Instant::now();
    let found = read(host).rules;
    let took = started.elapsed();
    println!("20,000 rules and a set of 20,000 VNIs: {took:?}");
    assert!(found.marked.has(2) && found.marked.has(40_000) && !found.marked.has(3));
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
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
