//! `overlay-lab record`: records traffic of real servers as test fixtures.

use std::fs;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use monitor_lab::Error;
use monitor_lab::recording::{self, Recording};

/// Options of `overlay-lab record`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Recordings to run [default: all]
    names: Vec<String>,
    /// Folder with the definitions of recordings, NAME.toml
    #[arg(long, value_name = "FOLDER", default_value = "monitor-lab/recordings")]
    recordings: PathBuf,
    /// Folder for the fixtures, NAME.pcap and NAME.json
    #[arg(long, value_name = "FOLDER", default_value = "tests/fixtures/traffic")]
    out: PathBuf,
    /// Folder with unpacked packages, which is copied over this machine's files in the sandbox
    #[arg(long, value_name = "FOLDER")]
    over: Option<PathBuf>,
    /// Print the names of all recordings and exit
    #[arg(long)]
    list: bool,
    /// Set by `overlay-lab record` when it runs itself in the sandbox
    #[arg(long, hide = true)]
    inside: bool,
}

/// Runs the recordings one after the other, each in its own sandbox.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folder = arguments.recordings.canonicalize().map_err(|error| {
        let folder = arguments.recordings.display();
        Error::Usage(format!(
            "cannot open the folder with recordings, {folder}: {error}"
        ))
    })?;
    let known = Recording::names(&folder)?;
    if arguments.list {
        writeln!(stdout(), "{}", known.join("\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(name) = arguments.names.iter().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        let message = format!("there is no recording {name}; there are: {known}");
        return Err(Error::Usage(message).into());
    }
    if arguments.inside {
        for name in &arguments.names {
            let summary = recording::record(&Recording::read(&folder, name)?)?;
            writeln!(stdout(), "{name}: {summary}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let names = if arguments.names.is_empty() {
        &known
    } else {
        &arguments.names
    };
    fs::create_dir_all(&arguments.out)?;
    let (out, folder) = (arguments.out.canonicalize()?, folder.to_string_lossy());
    let over = arguments
        .over
        .as_ref()
        .map(|over| over.canonicalize())
        .transpose()?;
    let mut failed = Vec::new();
    for name in names {
        let arguments = ["record", "--inside", "--recordings", &folder, name];
        if let Err(error) = recording::run_in_sandbox(&arguments, &out, over.as_deref()) {
            eprintln!("{name}: {error}");
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("not recorded: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}
