//! Each key and each flag reaches what it sets.

use std::path::PathBuf;
use std::time::Duration;

use monitor_common::config::HostFlows;
use monitor_common::encapsulation::UdpPort;

use super::{Defaults, Reading, Surroundings, needing_restart, plan};
use crate::agent::watch_plan::WatchPlan;
use crate::command::cli::{CheckArgs, ExportArgs, PolicyArgs, WatchArgs};
use crate::host::docker::DockerSocket;
use crate::kernel::Caps;
use crate::kernel::attach::HookChoice;

/// A value for each key that is not its default, and the setting that a change of it needs a restart for.
const KEYS: &[(&str, Option<&str>)] = &[
    ("hook = 'xdp-generic'", Some("hook")),
    ("host_flows = 'ports=80,443'", Some("host_flows")),
    ("vxlan_ports = [8472, 4789]", Some("the UDP ports")),
    ("vxlan_gpe_ports = [4791]", Some("the UDP ports")),
    ("geneve_ports = [6082]", Some("the UDP ports")),
    ("esp_udp_ports = [4501]", Some("the UDP ports")),
    ("wireguard_ports = [51821]", Some("the UDP ports")),
    ("exposure = false", Some("exposure")),
    ("samples_per_second = 61", Some("samples_per_second")),
    (
        "network_samples_per_second = 31",
        Some("network_samples_per_second"),
    ),
    ("sample_every = 7", Some("sample_every")),
    ("flow_samples = 5", Some("flow_samples")),
    ("snap = 300", Some("snap")),
    ("window = '2m'", Some("window")),
    ("forget_after = '2h'", Some("forget_after")),
    ("unknown_networks = 9", Some("unknown_networks")),
    ("listen = '[::1]:9999'", Some("listen")),
    ("web_config = '/etc/web.yml'", Some("web_config")),
    ("page = false", Some("page")),
    ("hosts = ['node1']", Some("hosts")),
    ("docker = 'off'", Some("docker")),
    (
        "network = [{ vni = 5, name = 'five', encrypted = 'required' }]",
        None,
    ),
];

/// A configuration file that is removed again.
struct Config(PathBuf);

impl Config {
    fn new(name: &str, keys: &str) -> Config {
        let path = std::env::temp_dir().join(format!(
            "overlay-monitor-{name}-{}.toml",
            std::process::id()
        ));
        std::fs::write(&path, format!("interfaces = ['lo']\n{keys}\n")).unwrap();
        Config(path)
    }

    fn plan(&self, defaults: Defaults) -> WatchPlan {
        let args = WatchArgs {
            config: Some(self.0.clone()),
            ..WatchArgs::default()
        };
        plan(
            &args,
            &PolicyArgs::default(),
            &ExportArgs::default(),
            defaults,
        )
        .unwrap()
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn every_key() -> String {
    let keys = KEYS.iter().map(|(key, _)| *key);
    keys.collect::<Vec<_>>().join("\n")
}

#[test]
fn each_key_of_the_file_is_in_the_plan() {
    let plan = Config::new("keys", &every_key()).plan(Defaults::RUN);
    assert_eq!(plan.hook, HookChoice::XdpGeneric);
    assert_eq!(plan.listen.to_string(), "[::1]:9999");
    assert_eq!(plan.web_config, Some("/etc/web.yml".into()));
    assert!(!plan.page);
    assert_eq!(plan.hosts, ["node1"]);
    let networks = plan.networks.iter().map(|at| (at.vni, at.name.as_str()));
    assert_eq!(networks.collect::<Vec<_>>(), [(5, "five")]);
    assert_eq!(plan.window, Duration::from_secs(120));
    assert_eq!(plan.state_window, plan.window);
    assert_eq!(plan.forget_after, Duration::from_secs(7200));
    assert_eq!(plan.unknown_networks, 9);
    assert_eq!(plan.docker, Some(DockerSocket::Off));
    let load = plan.load;
    assert_eq!(load.host_flows, HostFlows::Ports);
    assert_eq!(load.host_ports, [80, 443]);
    assert_eq!(
        (load.sample_every, load.flow_samples, load.snap),
        (7, 5, 300)
    );
    assert_eq!(
        load.caps,
        Caps {
            cpu: 61,
            network: 31
        }
    );
    assert!(!load.exposure && load.policy);
    for (port, service) in [
        (8472, UdpPort::Vxlan),
        (4789, UdpPort::Vxlan),
        (4791, UdpPort::VxlanGpe),
        (6082, UdpPort::Geneve),
        (4501, UdpPort::EspUdp),
        (51821, UdpPort::Wireguard),
    ] {
        assert_eq!(load.udp_ports.of(port), service, "{port}");
    }
}

#[test]
fn each_flag_overrides_its_key() {
    let file = Config::new("flags", &every_key());
    let args = WatchArgs {
        interfaces: vec!["lo".to_owned()],
        host_flows: Some("all".to_owned()),
        vxlan_port: vec![8473],
        hook: Some(HookChoice::Xdp),
        sample_every: Some(8),
        flow_samples: Some(6),
        snap: Some(400),
        config: Some(file.0.clone()),
    };
    let policy = PolicyArgs {
        require: vec![6],
        window: Some(Duration::from_secs(30)),
        exposure: Some(true),
    };
    let export = ExportArgs {
        listen: Some("127.0.0.1:1".to_owned()),
        web_config: Some("/other.yml".into()),
        forget_after: Some(Duration::from_secs(11)),
        unknown_networks: Some(10),
    };
    let plan = plan(&args, &policy, &export, Defaults::RUN).unwrap();
    assert_eq!(plan.hook, HookChoice::Xdp);
    assert_eq!(plan.listen.to_string(), "127.0.0.1:1");
    assert_eq!(plan.web_config, Some("/other.yml".into()));
    let networks = plan.networks.iter().map(|at| at.vni);
    assert_eq!(networks.collect::<Vec<_>>(), [5, 6]);
    assert_eq!(plan.window, Duration::from_secs(30));
    assert_eq!(plan.forget_after, Duration::from_secs(11));
    assert_eq!(plan.unknown_networks, 10);
    let load = plan.load;
    assert_eq!(
        (load.host_flows, load.host_ports),
        (HostFlows::All, Vec::new())
    );
    assert_eq!(
        (load.sample_every, load.flow_samples, load.snap),
        (8, 6, 400)
    );
    assert!(load.exposure);
    assert_eq!(load.udp_ports.of(8473), UdpPort::Vxlan);
    assert_eq!(load.udp_ports.of(8472), UdpPort::None);
}

#[test]
fn the_commands_have_the_defaults_of_their_documentation() {
    let file = Config::new("defaults", "");
    let numbers = |defaults| {
        let WatchPlan {
            load,
            policy,
            forget_after,
            ..
        } = file.plan(defaults);
        (
            (load.sample_every, load.flow_samples, load.snap),
            load.host_flows,
            (load.exposure, load.esp_networks, policy),
            load.caps,
            forget_after,
        )
    };
    let all = (true, true, true);
    let hour = Duration::from_secs(3600);
    let caps = Caps {
        cpu: 60_000,
        network: 30_000,
    };
    assert_eq!(
        numbers(Defaults::RUN),
        ((1000, 3, 256), HostFlows::Off, all, caps, hour)
    );
    assert_eq!(
        numbers(Defaults::AUDIT),
        ((1000, 3, 512), HostFlows::All, all, caps, Duration::MAX)
    );
    assert_eq!(
        numbers(Defaults::TAIL),
        (
            (1, 0, 512),
            HostFlows::All,
            (false, false, false),
            Caps::NONE,
            Duration::MAX
        )
    );
}

#[test]
fn a_reload_names_the_keys_that_it_cannot_take_over() {
    let before = Config::new("before", "").plan(Defaults::RUN);
    for (key, setting) in KEYS {
        let after = Config::new("after", key).plan(Defaults::RUN);
        let named = needing_restart(&before, &after);
        assert_eq!(named, Vec::from_iter(*setting), "{key}");
    }
    let all = Config::new("all", &every_key()).plan(Defaults::RUN);
    assert_eq!(needing_restart(&all, &all), [""; 0]);
}

#[test]
fn check_and_read_take_ports_networks_and_docker_from_the_file() {
    let file = Config::new("check", &every_key());
    let args = CheckArgs {
        config: Some(file.0.clone()),
        ..CheckArgs::default()
    };
    let check = Surroundings::new(&args).unwrap();
    assert_eq!(check.interfaces, ["lo"]);
    assert_eq!(check.docker, Some(DockerSocket::Off));
    let read = Reading::new(Some(&file.0), &[]).unwrap();
    for (ports, networks) in [
        (&check.udp_ports, &check.networks),
        (&read.udp_ports, &read.networks),
    ] {
        assert_eq!(ports.of(8472), UdpPort::Vxlan);
        assert_eq!(ports.of(6082), UdpPort::Geneve);
        assert_eq!(networks[0].vni, 5);
    }
    let flags = Reading::new(Some(&file.0), &[8473]).unwrap();
    assert_eq!(flags.udp_ports.of(8473), UdpPort::Vxlan);
    assert_eq!(flags.udp_ports.of(8472), UdpPort::None);
}
