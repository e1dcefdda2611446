//! Keeps the daemons of freshly installed packages from starting.
//!
//! Debian starts and enables a server as soon as it is installed. The lab
//! starts its own in network namespaces; the host must not get a Redis on 6379
//! or a web server on 80 because a test ran on it.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::proc::{output, say};

/// invoke-rc.d(8) and deb-systemd-invoke(1) ask this program before they start anything.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const MARK: &str = "# temporary, made by overlay-monitor's xtask";
/// Packages of ours that bring daemons, and their units.
const DAEMONS: &[(&str, &[&str])] = &[
    (
        "avahi-daemon",
        &["avahi-daemon.service", "avahi-daemon.socket"],
    ),
    ("bind9", &["named"]),
    ("dovecot-imapd", &["dovecot.service", "dovecot.socket"]),
    ("dovecot-pop3d", &["dovecot.service", "dovecot.socket"]),
    ("etcd-server", &["etcd"]),
    ("freeradius", &["freeradius"]),
    ("inetutils-telnetd", &["inetutils-inetd"]),
    ("iperf3", &["iperf3"]),
    ("kamailio", &["kamailio"]),
    ("krb5-admin-server", &["krb5-admin-server"]),
    ("krb5-kdc", &["krb5-kdc"]),
    ("mariadb-server", &["mariadb"]),
    ("memcached", &["memcached"]),
    ("mosquitto", &["mosquitto"]),
    ("nats-server", &["nats-server"]),
    ("nfs-ganesha", &["nfs-ganesha"]),
    ("nginx", &["nginx"]),
    ("ngircd", &["ngircd"]),
    ("openssh-server", &["ssh.service", "ssh.socket"]),
    ("openvpn", &["openvpn"]),
    ("postfix", &["postfix"]),
    ("postgresql", &["postgresql"]),
    ("prometheus", &["prometheus"]),
    ("prometheus-alertmanager", &["prometheus-alertmanager"]),
    ("rabbitmq-server", &["rabbitmq-server", "epmd.socket"]),
    ("redis-server", &["redis-server"]),
    ("rpcbind", &["rpcbind.service", "rpcbind.socket"]),
    ("rsyslog", &["rsyslog"]),
    ("samba", &["smbd", "nmbd", "samba-ad-dc"]),
    ("serf", &["serf"]),
    ("slapd", &["slapd"]),
    ("snmpd", &["snmpd"]),
    ("strongswan-charon", &["strongswan-starter"]),
    ("vsftpd", &["vsftpd"]),
    ("xrdp", &["xrdp", "xrdp-sesman"]),
];

/// While it lives, package scripts do not start daemons.
pub(super) struct Quiet {
    ours: bool,
    disable: Vec<&'static str>,
}

impl Quiet {
    /// Puts the policy in place if `packages` bring a daemon. A policy of the
    /// machine's owner is left as it is.
    pub(super) fn begin(packages: &[String]) -> Result<Self> {
        let daemons: Vec<_> = DAEMONS
            .iter()
            .filter(|(name, _)| packages.iter().any(|package| package == name))
            .collect();
        let disable: Vec<&'static str> = daemons
            .iter()
            .flat_map(|(_, units)| units.iter().copied())
            .collect();
        if disable.is_empty() {
            return Ok(Self {
                ours: false,
                disable,
            });
        }
        say(format!(
            "{} will be installed, but not started",
            daemons
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", ")
        ));
        let left_behind = std::fs::read_to_string(POLICY).is_ok_and(|text| text.contains(MARK));
        if left_behind {
            std::fs::remove_file(POLICY).ok();
        }
        let pid = std::process::id();
        // Should we be killed, the file takes itself away at its next use.
        let script = format!(
            "#!/bin/sh\n{MARK}\nif ! kill -0 {pid} 2>/dev/null; then rm -f {POLICY}; exit 0; fi\nexit 101\n"
        );
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(POLICY);
        let ours = match file {
            Ok(mut file) => {
                file.write_all(script.as_bytes())
                    .with_context(|| format!("cannot write {POLICY}"))?;
                true
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error).with_context(|| format!("cannot create {POLICY}")),
        };
        Ok(Self { ours, disable })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if self.ours {
            std::fs::remove_file(POLICY).ok();
        }
        // Otherwise they would start at the next boot.
        if !self.disable.is_empty() && Path::new("/usr/bin/systemctl").exists() {
            // One by one: a unit that is not there stops the rest of its line.
            for unit in &self.disable {
                let mut cmd = std::process::Command::new("systemctl");
                output(cmd.args(["--quiet", "disable", unit])).ok();
            }
        }
    }
}
