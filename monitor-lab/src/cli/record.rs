//! `overlay-lab record`: real traffic as fixtures for the tests.

use std::fs;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use monitor_lab::Error;
use monitor_lab::record::{self, Recording};

/// Options of `overlay-lab record`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Fixtures to record; none: all
    names: Vec<String>,
    /// Folder with the recordings, NAME.toml
    #[arg(long, value_name = "FOLDER", default_value = "monitor-lab/recordings")]
    recordings: PathBuf,
    /// Folder for NAME.pcap and NAME.json
    #[arg(long, value_name = "FOLDER", default_value = "tests/fixtures/traffic")]
    out: PathBuf,
    /// A tree of unpacked packages that lies over this machine's files in the sandbox
    #[arg(long, value_name = "FOLDER")]
    over: Option<PathBuf>,
    /// Print the names of all fixtures and stop
    #[arg(long)]
    list: bool,
    /// Already in the sandbox (started by itself)
    #[arg(long, hide = true)]
    inside: bool,
}

/// Records one after the other, each in a sandbox of its own.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folder = arguments.recordings.canonicalize().map_err(|error| {
        let folder = arguments.recordings.display();
        Error::Usage(format!("no folder with recordings, {folder}: {error}"))
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
            let said = record::record(&Recording::read(&folder, name)?)?;
            writeln!(stdout(), "{name}: {said}")?;
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
        let again = ["record", "--inside", "--recordings", &folder, name];
        if let Err(error) = record::run_in_sandbox(&again, &out, over.as_deref()) {
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
