//! `esp4_offload`, loaded for a test.

use std::process::Command;

use crate::process::wait_until;

/// The module `esp4_offload`, which other tests must not find: the kernel then hands ESP packets to TC
/// before it has encrypted them.
pub struct Offload;

impl Offload {
    /// Loads it.
    #[must_use]
    pub fn load() -> Offload {
        let loaded = Command::new("/sbin/modprobe").arg("esp4_offload").status();
        assert!(loaded.unwrap().success(), "the kernel has no esp4_offload");
        Offload
    }
}

impl Drop for Offload {
    fn drop(&mut self) {
        let unload = || {
            let unloaded = Command::new("/sbin/modprobe")
                .args(["-r", "esp4_offload"])
                .output();
            unloaded.is_ok_and(|ended| ended.status.success())
        };
        // The associations of the lab hold it until the kernel has taken its namespaces apart.
        wait_until("esp4_offload is unloaded", unload);
    }
}
