//! The stacks of Docker Swarm. `docker stack deploy` ignores some keys without a word: a stack that has one does less than it
//! says.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::paths::Ctx;
use crate::proc::say;

const STACKS: &str = "deploy/swarm";
/// Keys that `docker stack deploy` ignores (docker/cli, `cli/compose/types`).
const IGNORED: [&str; 18] = [
    "build",
    "cgroup_parent",
    "cgroupns_mode",
    "container_name",
    "depends_on",
    "devices",
    "domainname",
    "external_links",
    "ipc",
    "links",
    "mac_address",
    "network_mode",
    "pid",
    "privileged",
    "restart",
    "security_opt",
    "shm_size",
    "userns_mode",
];

/// Checks each stack.
pub(super) fn check(ctx: &Ctx) -> Result<()> {
    let folder = ctx.path(STACKS);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut count = 0;
    for path in paths.filter(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("stack"))
    }) {
        let text = fs::read_to_string(&path)?;
        let ignored = ignored(&text);
        if !ignored.is_empty() {
            bail!("{}: {}", path.display(), ignored.join("; "));
        }
        count += 1;
    }
    if count == 0 {
        bail!("{STACKS} has no stack");
    }
    say(format!("{count} stacks without a key that is ignored"));
    Ok(())
}

/// The keys of a stack that are ignored, with their lines.
fn ignored(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let key = line.trim_start().split(':').next().unwrap_or_default();
        let is_key = line.contains(':') && line.starts_with(' ');
        if is_key && IGNORED.contains(&key.trim_matches(['"', '\''])) {
            found.push(format!(
                "line {}: `docker stack deploy` ignores {key}",
                number + 1
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_keys_are_refused() {
        let stack = "services:\n  agent:\n    image: x\n    # pid: host\n    deploy:\n      restart_policy:\n        condition: any\n";
        assert_eq!(ignored(stack), [""; 0]);
        for key in IGNORED {
            let planted = format!("{stack}    {key}: host\n");
            let found = ignored(&planted).join("\n");
            assert_eq!(
                found,
                format!("line 8: `docker stack deploy` ignores {key}")
            );
        }
        assert_eq!(ignored("services:\n  a:\n    'pid': host\n").len(), 1);
    }

    /// The committed stacks too: a test needs no program of Docker for that.
    #[test]
    fn the_stacks_have_none() {
        let ctx = Ctx::new(false).unwrap();
        check(&ctx).unwrap();
    }
}
