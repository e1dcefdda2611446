//! The configuration file: checked, and read again while the agent runs.

use std::path::{Path, PathBuf};

use monitor_lab::Lab;
use overlay_tests::agent::Agent;
use overlay_tests::frame::{VNI, overlay, redis_command};
use overlay_tests::process::run;
use overlay_tests::wire::Raw;

use super::quiet;

/// A configuration file, removed when this is dropped.
pub(super) struct File(PathBuf);

impl File {
    pub(super) fn new(name: &str, text: &str) -> File {
        let name = format!("overlay-reload-{name}-{}.toml", std::process::id());
        let file = File(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    /// Replaces the file as editors do.
    fn write(&self, text: &str) {
        let new = self.0.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &self.0).unwrap();
    }

    pub(super) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn configuration(rest: &str, required: &str) -> String {
    format!(
        "docker = 'off'\n{rest}\n[[network]]\nvni = {VNI}\nname = 'app'\nencrypted = '{required}'\n"
    )
}

fn send(lab: &Lab) {
    let wire = Raw::open(lab.node2(), "eth0");
    for _ in 0..3 {
        wire.send(&overlay(VNI, &redis_command()));
    }
}

#[test]
fn sighup_takes_over_networks_and_interfaces_and_a_bad_file_changes_nothing() {
    let lab = quiet();
    let host = lab.node1();
    let file = File::new("good", &configuration("interfaces = ['eth0']", "optional"));
    let mut agent = Agent::watch(host, 9469, &["--config", file.path()]);
    send(&lab);
    let required = |agent: &Agent<'_>| {
        let (_, page) = agent.ask("/networks").unwrap();
        page.contains(r#""required":"required""#)
    };
    assert!(!required(&agent));
    let mut reload = |text: &str, line: &str| {
        let before = agent.monitor.err().matches(line).count();
        file.write(text);
        agent.monitor.signal(libc::SIGHUP);
        agent
            .monitor
            .wait_for(line, |monitor| monitor.err().matches(line).count() > before);
    };
    let new = configuration(
        "interfaces = ['eth0', 'lo']\nsample_every = 5\nlisten = '127.0.0.1:9470'",
        "required",
    );
    // The flag overrides the file, so its key needs no restart.
    reload(&new, "takes over the new value of: sample_every\n");
    reload("interfaces = ['eth0'", "the configuration is not reloaded");
    reload("interfaces = ['none']", "the configuration is not reloaded");
    assert!(required(&agent));
    let watched = agent.metrics();
    assert!(
        watched.contains(r#"overlay_hook_up{interface="lo""#),
        "{watched}"
    );
    send(&lab);
    agent.monitor.wait_for("a violation", |monitor| {
        monitor.err().contains("violation: app")
    });
    // Packets of before are counted on.
    assert_eq!(agent.vni(VNI, "rx").0, 6);
    file.write(&configuration("interfaces = ['lo']", "optional"));
    agent.monitor.signal(libc::SIGHUP);
    agent.monitor.wait_for("it detaches", |monitor| {
        monitor.err().contains("eth0: no longer selected")
    });
    assert!(!required(&agent));
    agent.monitor.stop();
}

#[test]
fn config_check_takes_what_run_takes() {
    let lab = quiet();
    let host = lab.node1();
    let check = |path: &Path| {
        run(
            host,
            &["config", "check", "--config", path.to_str().unwrap()],
        )
    };
    let file = File::new("check", &configuration("interfaces = ['eth0']", "required"));
    let valid = check(&file.0);
    assert_eq!(valid.code, Some(0), "{}", valid.err);
    assert_eq!(
        valid.out,
        format!("{}: valid, with 1 network\n", file.path())
    );
    for (text, says) in [
        ("interface = ['eth0']", "unknown field `interface`"),
        ("interfaces = ['eth0']\nsnap = 5", "128 to 1536"),
        ("interfaces = ['none']", "none"),
        ("", "no interface to watch"),
    ] {
        file.write(text);
        let refused = check(&file.0);
        assert_eq!(refused.code, Some(2), "{text}");
        assert!(refused.err.contains(says), "{text}: {}", refused.err);
        assert_eq!(refused.out, "");
    }
    let missing = check(Path::new("/nonexistent/config.toml"));
    assert_eq!(missing.code, Some(2), "{}", missing.err);
}
