//! The build configuration of the running kernel.

use std::fs::File;
use std::io::Read;

use flate2::read::GzDecoder;

use super::procfs::read;

/// A configuration is a quarter of this, at most.
const LONGEST: u64 = 1 << 20;

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
    /// Reads `/boot/config-…`, else `/proc/config.gz`; `None` if there is neither.
    pub(crate) fn read() -> Option<Configuration> {
        let release = read("/proc/sys/kernel/osrelease");
        let text = read(&format!("/boot/config-{release}"));
        if !text.is_empty() {
            return Some(Configuration(text));
        }
        let packed = File::open("/proc/config.gz").ok()?;
        let mut text = String::new();
        GzDecoder::new(packed)
            .take(LONGEST)
            .read_to_string(&mut text)
            .ok()?;
        (!text.is_empty()).then_some(Configuration(text))
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
