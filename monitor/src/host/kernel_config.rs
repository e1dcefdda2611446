//! The build configuration of the running kernel.

use std::process::Command;

use crate::base::procfs::read;

/// How a kernel option is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Built {
    /// Built into the kernel (`=y`).
    In,
    /// Built as a module (`=m`), which may or may not be loaded.
    Module,
    /// Not built.
    No,
}

/// The build configuration of the running kernel, as text.
pub(crate) struct Configuration(String);

impl Configuration {
    /// Reads `/boot/config-…`, else `/proc/config.gz` through zcat; `None` if there is neither.
    pub(crate) fn read() -> Option<Configuration> {
        let release = read("/proc/sys/kernel/osrelease");
        let text = read(&format!("/boot/config-{release}"));
        if !text.is_empty() {
            return Some(Configuration(text));
        }
        let unpacked = Command::new("zcat").arg("/proc/config.gz").output().ok()?;
        String::from_utf8(unpacked.stdout)
            .ok()
            .filter(|text| !text.is_empty())
            .map(Configuration)
    }

    /// How an option is set.
    pub(crate) fn option(&self, name: &str) -> Built {
        let set = |value: &str| {
            self.0
                .lines()
                .any(|line| line.strip_prefix(name) == Some(value))
        };
        if set("=y") {
            Built::In
        } else if set("=m") {
            Built::Module
        } else {
            Built::No
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_distinguished_from_longer_names() {
        let configuration = Configuration("CONFIG_INET_ESP_OFFLOAD=m\nCONFIG_INET_AH=y".to_owned());
        assert_eq!(configuration.option("CONFIG_INET_ESP"), Built::No);
        assert_eq!(
            configuration.option("CONFIG_INET_ESP_OFFLOAD"),
            Built::Module
        );
        assert_eq!(configuration.option("CONFIG_INET_AH"), Built::In);
    }
}
