//! Images for the containers, made on the spot from what this machine has:
//! a program and its libraries, and busybox. No registry is asked.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::paths::make_dir;
use crate::proc::{capture, output};

/// Makes `NAME.tar` in `folder`, for `docker import`: `program` under `/app`,
/// without its debug symbols, the libraries it links, and `/bin/busybox`.
pub(super) fn make(folder: &Path, name: &str, program: &Path, busybox: &Path) -> Result<PathBuf> {
    let root = folder.join(name);
    std::fs::remove_dir_all(&root).ok();
    make_dir(&root.join("bin"))?;
    make_dir(&root.join("tmp"))?;
    copy(busybox, &root.join("bin/busybox"))?;
    let app = root.join("app");
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(&app).arg(program);
    if !output(&mut strip).is_ok_and(|out| out.status.success()) {
        // No binutils here: it is only larger.
        copy(program, &app)?;
    }
    for library in libraries(program)? {
        let to = root.join(library.strip_prefix("/").unwrap_or(&library));
        make_dir(to.parent().context("a library needs a folder")?)?;
        copy(&library, &to)?;
    }
    let tar = folder.join(format!("{name}.tar"));
    let mut cmd = Command::new("tar");
    cmd.args(["--create", "--owner=0", "--group=0", "--file"])
        .arg(&tar)
        .arg("--directory")
        .arg(&root)
        .arg(".");
    capture(&mut cmd)?;
    std::fs::remove_dir_all(&root).ok();
    Ok(tar)
}

/// The absolute paths in what ldd(1) prints, which follows links.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let text = capture(Command::new("ldd").arg(program))?;
    Ok(paths(&text))
}

fn paths(ldd: &str) -> Vec<PathBuf> {
    ldd.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_taken_from_ldd() {
        let text = "\tlinux-vdso.so.1 (0x00007f)\n\
            \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f07)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let want = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(paths(text), want.map(PathBuf::from));
    }
}
