//! What this process uses of the machine, by `/proc/self` (proc_pid_stat(5)).

use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

/// What this process uses of the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessUse {
    /// CPU time in user space and in the kernel.
    pub cpu: Duration,
    /// Memory that is in RAM, in bytes.
    pub resident: u64,
    /// Address space in bytes.
    pub address_space: u64,
    /// File descriptors that are open.
    pub open_files: u64,
    /// Most of them; `None` if there is no limit.
    pub max_files: Option<u64>,
    /// When it started, in seconds of the Unix epoch.
    pub started: f64,
}

/// When the machine started, in seconds of the Unix epoch. Read once: the kernel prints it among the sums of all processors.
static BOOTED: LazyLock<Option<u64>> = LazyLock::new(|| {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
});

/// The use of this process; `None` if `/proc` is not mounted, or has another form.
#[must_use]
pub fn of_this_process() -> Option<ProcessUse> {
    let [ticks, page] = [libc::_SC_CLK_TCK, libc::_SC_PAGESIZE].map(|name| {
        // SAFETY: a call without pointers.
        u64::try_from(unsafe { libc::sysconf(name) }).unwrap_or(0)
    });
    let read = |path| fs::read_to_string(path).ok();
    let folder = fs::read_dir("/proc/self/fd").ok()?;
    let files = Files {
        booted: (*BOOTED)?,
        stat: &read("/proc/self/stat")?,
        limits: &read("/proc/self/limits")?,
        // Without the one that reads the folder.
        open: u64::try_from(folder.count()).ok()?.saturating_sub(1),
    };
    parse(&files, ticks.max(1), page)
}

/// What the kernel prints.
struct Files<'a> {
    booted: u64,
    stat: &'a str,
    limits: &'a str,
    open: u64,
}

fn parse(files: &Files<'_>, ticks: u64, page: u64) -> Option<ProcessUse> {
    // The name of the program may hold anything, and ends with the last parenthesis.
    let (_, fields) = files.stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    // Numbered as in proc_pid_stat(5); the first one here is the third.
    let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
    let cpu = field(14)?.saturating_add(field(15)?);
    let limit = &mut files.limits.lines();
    let limit = limit.find_map(|line| line.strip_prefix("Max open files"))?;
    Some(ProcessUse {
        cpu: Duration::from_secs_f64(cpu as f64 / ticks as f64),
        resident: field(24)?.saturating_mul(page),
        address_space: field(23)?,
        open_files: files.open,
        max_files: limit.split_whitespace().next()?.parse().ok(),
        started: files.booted as f64 + field(22)? as f64 / ticks as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_a_hostile_name() {
        let files = Files {
            stat: "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 4 0 500 4096000 25 \
                   18446744073709551615 1 1 0\n",
            booted: 1_700_000_000,
            limits: "Limit  Soft  Hard  Units\nMax open files            1024  4096  files\n",
            open: 9,
        };
        assert_eq!(
            parse(&files, 100, 4096),
            Some(ProcessUse {
                cpu: Duration::from_secs(2),
                resident: 25 * 4096,
                address_space: 4_096_000,
                open_files: 9,
                max_files: Some(1024),
                started: 1_700_000_005.0,
            })
        );
        let unlimited = Files {
            limits: "Max open files            unlimited  unlimited  files\n",
            ..files
        };
        assert_eq!(parse(&unlimited, 100, 4096).unwrap().max_files, None);
    }

    #[test]
    fn this_process_is_there() {
        let used = of_this_process().unwrap();
        assert!(used.resident > 100_000 && used.open_files >= 3, "{used:?}");
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        assert!(used.started < now.as_secs_f64() && used.started > now.as_secs_f64() - 3_600.0);
    }
}
