//! Memory of a process.

use std::fs;

use anyhow::Context;

/// Resident memory of a process in MiB (`VmRSS` in `/proc/PID/status`, proc(5)).
///
/// # Errors
/// When there is no such process.
pub(super) fn resident_mib(process: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    parse(&status).context("/proc/PID/status has no VmRSS")
}

fn parse(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_as_the_kernel_prints_it() {
        assert_eq!(parse("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2.0));
        assert_eq!(parse("Name:\tx\n"), None);
    }
}
