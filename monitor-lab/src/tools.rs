//! Finds the distribution's programs that the lab runs.

use std::env;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Programs and the Debian packages that contain them.
const PACKAGES: &[(&str, &str)] = &[
    ("bridge", "iproute2"),
    ("curl", "curl"),
    ("ethtool", "ethtool"),
    ("ip", "iproute2"),
    ("iperf3", "iperf3"),
    ("nft", "nftables"),
    ("nginx", "nginx"),
    ("openssl", "openssl"),
    ("redis-benchmark", "redis-tools"),
    ("redis-server", "redis-server"),
    ("tcpdump", "tcpdump"),
    ("wg", "wireguard-tools"),
    ("wrk", "wrk"),
];

/// Path of a program: in `PATH`, or in the folders for root's programs, which `su` does not add to `PATH`.
///
/// # Errors
/// [`Error::MissingProgram`] with the name of the package that contains it.
pub(crate) fn find(program: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Error::MissingProgram {
            program: program.to_owned(),
            package: PACKAGES
                .iter()
                .find(|(name, _)| *name == program)
                .map_or("?", |(_, package)| package),
        })
}

/// Fails if one of `programs` is not installed. Called before anything is created.
pub(crate) fn require(programs: &[&str]) -> Result<()> {
    programs
        .iter()
        .try_for_each(|program| find(program).map(drop))
}
