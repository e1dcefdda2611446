//! The configuration that the running kernel was built with.

use std::process::Command;

use crate::base::procfs::read;

/// How an option of the kernel is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Built {
    /// In the kernel itself.
    In,
    /// As a module, which may or may not be loaded.
    Module,
    /// Not at all.
    No,
}

/// The configuration that the running kernel was built with.
pub(crate) struct Configuration(String);

impl Configuration {
    /// Reads it; `None` if it cannot be found. (`/proc/config.gz` is compressed; what unpacks it is on
    /// every host that has it.)
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
    fn an_option_is_told_from_those_that_start_alike() {
        let configuration = Configuration("CONFIG_INET_ESP_OFFLOAD=m\nCONFIG_INET_AH=y".to_owned());
        assert_eq!(configuration.option("CONFIG_INET_ESP"), Built::No);
        assert_eq!(
            configuration.option("CONFIG_INET_ESP_OFFLOAD"),
            Built::Module
        );
        assert_eq!(configuration.option("CONFIG_INET_AH"), Built::In);
    }
}
