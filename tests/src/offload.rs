//! `esp4_offload`, loaded for a test.

use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::process::wait_until;

/// A module is of the whole machine, so of all tests that run at a time.
static MACHINE: RwLock<()> = RwLock::new(());

/// The module `esp4_offload`, which other tests must not find: the kernel then hands ESP packets to TC
/// before it has encrypted them.
pub struct Offload(
    #[expect(dead_code, reason = "goes when the module is gone")] RwLockWriteGuard<'static, ()>,
);

/// While this is held, no test loads the module.
pub fn unloaded() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

impl Offload {
    /// Loads it, once no test needs it unloaded.
    #[must_use]
    pub fn load() -> Offload {
        let alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        let loaded = Command::new("/sbin/modprobe").arg("esp4_offload").status();
        assert!(loaded.unwrap().success(), "the kernel has no esp4_offload");
        Offload(alone)
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
