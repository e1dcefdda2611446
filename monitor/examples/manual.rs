//! Writes what a package has beside the program: a man page for each command, and completions for three shells.
//!
//! `cargo run -p monitor --example manual -- FOLDER` makes `man/` and `completions/` there, from the definition of the command
//! line that the program itself parses.

use std::path::PathBuf;
use std::{fs, io};

use clap::CommandFactory;
use clap_complete::Shell;
use monitor::command::cli::Cli;

const NAME: &str = "overlay-monitor";

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name the folder to write to"))?;
    let man = folder.join("man");
    let completions = folder.join("completions");
    for folder in [&man, &completions] {
        fs::create_dir_all(folder)?;
    }
    clap_mangen::generate_to(Cli::command(), &man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), NAME, &completions)?;
    }
    Ok(())
}
