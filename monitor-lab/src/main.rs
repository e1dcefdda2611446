//! `overlay-lab`: the lab from the command line.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
