//! Wrong usage and configuration: exit code 2, and a message that names the thing.

use std::path::PathBuf;

use overlay_tests::agent::Agent;
use overlay_tests::attached::attached;
use overlay_tests::process::{command, finish, run};

use super::quiet;

/// Insists on exit code 2, a message with all of these in it, and nothing attached.
fn refused(arguments: &[&str], says: &[&str]) {
    let lab = quiet();
    let ended = run(lab.node1(), arguments);
    assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
    assert_eq!(ended.out, "", "{arguments:?}");
    for part in says {
        assert!(
            ended.err.contains(part),
            "{arguments:?}: no {part:?} in {}",
            ended.err
        );
    }
    assert!(!ended.err.contains("panicked"), "{ended:?}");
    assert_eq!(attached(lab.node1()), [""; 0]);
}

#[test]
fn no_subcommand_or_an_unknown_flag() {
    refused(
        &[],
        &["Usage: overlay-monitor", "run", "tail", "check", "detach"],
    );
    refused(
        &["--frobnicate"],
        &["--frobnicate", "Usage: overlay-monitor"],
    );
    refused(
        &["run", "--frobnicate"],
        &["--frobnicate", "Usage: overlay-monitor run"],
    );
    refused(&["watch"], &["watch", "Usage: overlay-monitor"]);
    refused(
        &["tail", "-i", "eth0", "--format", "yaml"],
        &["yaml", "text", "json"],
    );
}

#[test]
fn an_interface_that_does_not_exist() {
    for command in ["run", "tail", "check", "detach"] {
        refused(
            &[command, "-i", "eth7"],
            &["\"eth7\"", "name one with -i: ", "eth0", "lo"],
        );
    }
    refused(
        &["run"],
        &[
            "no interface to watch",
            "-i",
            "/etc/overlay-monitor/config.toml",
        ],
    );
    refused(&["run", "-i", "\u{1b}[2J"], &["no interface", "eth0"]);
}

#[test]
fn a_socket_that_is_none() {
    for command in ["run", "check"] {
        for value in ["", "tcp://10.0.0.1:2375", "docker.sock"] {
            let arguments = [command, "-i", "eth0", "--docker", value];
            refused(&arguments, &["docker", "Unix socket", "auto or off"]);
        }
    }
}

#[test]
fn a_bad_value() {
    for command in ["run", "tail"] {
        let bad = |flag: &str, value: &str, says: &[&str]| {
            refused(&[command, "-i", "eth0", flag, value], says)
        };
        bad(
            "--host-flows",
            "sometimes",
            &["host flows", "\"sometimes\"", "off, all, or ports=80,443"],
        );
        bad(
            "--host-flows",
            "ports=http",
            &["\"http\" is no port", "off, all, or ports=80,443"],
        );
        for port in ["0", "65536", "-1", "http", ""] {
            bad(
                "--vxlan-port",
                port,
                &["--vxlan-port", "give a port, 1 to 65535"],
            );
        }
        for bytes in ["5", "1537", "-1", "99999999999"] {
            bad("--snap", bytes, &["--snap", "give 128 to 1536 bytes"]);
        }
        bad("--hook", "ebtables", &["ebtables", "xdp-generic"]);
        for number in ["-1", "4294967296", "all"] {
            bad(
                "--sample-every",
                number,
                &["give a number, 0 to 4294967295"],
            );
            bad(
                "--flow-samples",
                number,
                &["give a number, 0 to 4294967295"],
            );
        }
        bad("--log", "=,=", &["--log"]);
        bad("--log", "debg", &["--log", "\"debg\" is no log level"]);
    }
    for vni in ["16777216", "4294967296", "-1", "app1"] {
        let says = ["give a VNI, 0 to 16777215"];
        refused(&["run", "-i", "eth0", "--require", vni], &says);
        refused(&["tail", "-i", "eth0", "--vni", vni], &says);
    }
    for window in ["0", "500ms", "25h", "-1"] {
        let says = ["--window", "give a duration"];
        refused(&["run", "-i", "eth0", "--window", window], &says);
    }
    refused(
        &["tail", "-i", "eth0", "--port", "0"],
        &["give a port, 1 to 65535"],
    );
    for time in ["9s", "-1", "721h", "1 fortnight"] {
        let says = ["--forget-after", "give a duration"];
        refused(&["run", "-i", "eth0", "--forget-after", time], &says);
    }
    for lines in ["0", "-1"] {
        refused(
            &["tail", "-i", "eth0", "-n", lines],
            &["give a number, 1 or more"],
        );
    }
    for address in [
        "nonsense",
        "127.0.0.1",
        "localhost:9469",
        ":9469",
        "127.0.0.1:70000",
    ] {
        let quoted = format!("{address:?}");
        refused(
            &["run", "-i", "eth0", "--listen", address],
            &["listen address", &quoted, "127.0.0.1:9469"],
        );
    }
}

#[test]
fn a_bad_log_filter_in_the_environment() {
    let lab = quiet();
    for (value, says) in [
        ("debg", "\"debg\" is no log level"),
        ("info=loud", "level filter"),
    ] {
        let mut command = command(lab.node1(), &["detach"]);
        command.env("RUST_LOG", value);
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        for part in ["environment variable RUST_LOG", says, "give error, warn"] {
            assert!(ended.err.contains(part), "no {part:?} in {ended:?}");
        }
    }
}

/// A folder of this process, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path =
            std::env::temp_dir().join(format!("overlay-monitor-usage-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, content: &[u8]) -> String {
        let path = self.0.join("config.toml");
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn a_bad_configuration_file() {
    let folder = Folder::new();
    let bad = |path: &str, says: &[&str]| {
        let named = format!("configuration file {path}");
        refused(
            &["run", "-i", "eth0", "--config", path],
            &[&[named.as_str()], says].concat(),
        );
    };
    bad("/nonexistent/config.toml", &["No such file"]);
    bad(
        folder.0.to_str().unwrap(),
        &["it is a directory: name the file"],
    );
    bad("/dev/zero", &["it is a device"]);
    bad(
        &folder.file(b"interface = ['eth0']"),
        &["unknown field `interface`", "interfaces"],
    );
    bad(
        &folder.file(b"snap = 'much'"),
        &["snap", "line 1", "a number, 128 to 1536"],
    );
    bad(
        &folder.file(b"[[network]]\nvni = 7\n[[network]]\nvni = 7\n"),
        &["line 4", "VNI 7 is in an earlier [[network]] too"],
    );
    bad(
        &folder.file(b"hook = 'nowhere'"),
        &["nowhere", "xdp-generic"],
    );
    bad(&folder.file(b"interfaces = ["), &["line 1"]);
    for key in [
        "vxlan_ports",
        "vxlan_gpe_ports",
        "geneve_ports",
        "esp_udp_ports",
        "wireguard_ports",
    ] {
        let file = folder.file(format!("{key} = []").as_bytes());
        bad(&file, &[key, "an empty list of ports; give at least one"]);
    }
    bad(
        &folder.file(&[0x7f, b'E', b'L', b'F', 0, 0xff, 0xfe, 0x1b]),
        &["UTF-8"],
    );
    bad(
        &folder.file(&vec![b'#'; (1 << 20) + 1]),
        &["1048577 bytes, and at most 1048576"],
    );
    // A value that only the settings can check.
    let path = folder.file(b"flow_samples = 0\nexposure = true");
    refused(
        &["run", "-i", "eth0", "--config", &path],
        &["exposure needs samples of each flow"],
    );
}

#[test]
fn a_file_may_leave_out_the_requirement_and_takes_durations_as_flags_do() {
    let folder = Folder::new();
    let text = b"window = '5m'\nforget_after = '2h'\n[[network]]\nvni = 7\nname = 'app1'\n";
    let path = folder.file(text);
    let lab = quiet();
    let agent = Agent::start(lab.node1(), &["--docker", "off", "--config", &path]);
    let info = "overlay_network_info{vni=\"7\",network=\"app1\",source=\"config\",required=\"optional\",kind=\"overlay\"} 1";
    let page = agent.metrics();
    assert!(page.contains(info), "{page}");
}
