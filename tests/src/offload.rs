//! The modules of ESP, loaded or unloaded for a test.

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
        unload("esp4_offload");
    }
}

/// Unloads a module. The associations of a lab hold it until the kernel has taken its namespaces apart.
fn unload(module: &str) {
    wait_until(&format!("{module} is unloaded"), || {
        let unloaded = Command::new("/sbin/modprobe").args(["-r", module]).output();
        unloaded.is_ok_and(|ended| ended.status.success())
    });
}

/// A kernel that has not loaded ESP until a test makes it do so. Other tests of the program wait meanwhile.
pub struct WithoutEsp(
    #[expect(dead_code, reason = "goes with the test")] RwLockWriteGuard<'static, ()>,
);

impl WithoutEsp {
    /// Unloads it, once no test needs it.
    #[must_use]
    pub fn now() -> WithoutEsp {
        let alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        for module in ["esp4_offload", "esp6_offload", "esp4", "esp6"] {
            unload(module);
        }
        assert!(!has_esp());
        WithoutEsp(alone)
    }
}

/// Whether the kernel has loaded a module that decrypts ESP.
#[must_use]
pub fn has_esp() -> bool {
    let modules = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    let mut names = modules.lines().filter_map(|line| line.split(' ').next());
    names.any(|name| ["esp4", "esp6"].contains(&name))
}
