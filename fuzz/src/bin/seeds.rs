//! Writes what each fuzz target begins with into a folder, and lists the targets.
//!
//! `overlay-fuzz-seeds FOLDER` makes `FOLDER/TARGET/NNNNN` and prints a line for each target: its name, its share of
//! all inputs in thousandths, and the longest input in bytes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs, io};

use overlay_fuzz::{Target, regressions};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1) else {
        eprintln!("overlay-fuzz-seeds: name the folder to write to");
        return ExitCode::from(2);
    };
    match write(&PathBuf::from(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("overlay-fuzz-seeds: {error}");
            ExitCode::from(4)
        }
    }
}

fn write(folder: &std::path::Path) -> io::Result<()> {
    for target in Target::all() {
        let to = folder.join(&target.name);
        fs::create_dir_all(&to)?;
        let found = regressions(&target.name);
        let seeds = target.seeds();
        let all = seeds.iter().chain(found.iter().map(|(_, bytes)| bytes));
        for (number, bytes) in all.enumerate() {
            fs::write(to.join(format!("{number:05}")), bytes)?;
        }
        println!("{} {} {}", target.name, target.share, target.length);
    }
    Ok(())
}
