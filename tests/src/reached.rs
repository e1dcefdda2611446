//! What tests reached of what the product promises: every metric, reason, cause, exit code and key of the configuration.
//!
//! Each test program notes what it sees in the folder that [`FOLDER`] names. The program `unreached` compares the notes
//! of all test programs with the product's own tables.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use monitor::base::failure::FailureKind;
use monitor::policy::cause::Cause;
use monitor::surface::metrics::TABLES;
use monitor_common::reason::Reason;

use crate::configuration::keys;

/// The variable that names the folder of the notes. Without it nothing is noted.
pub const FOLDER: &str = "OVERLAY_TEST_REACHED";

/// What the product promises.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// A metric, by its full name.
    Metric(String),
    /// Why a packet was not understood.
    Reason(String),
    /// Why a network is not encrypted.
    Cause(String),
    /// An exit code.
    ExitCode(u8),
    /// A key of the configuration file.
    Key(String),
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Promise::Metric(name) => write!(f, "metric {name}"),
            Promise::Reason(name) => write!(f, "reason {name}"),
            Promise::Cause(name) => write!(f, "cause {name}"),
            Promise::ExitCode(code) => write!(f, "exit_code {code}"),
            Promise::Key(name) => write!(f, "key {name}"),
        }
    }
}

impl Promise {
    /// All promises, by the product's own tables.
    #[must_use]
    pub fn all() -> BTreeSet<Promise> {
        let metrics = TABLES.iter().flat_map(|(prefix, table)| {
            let names = table.iter().flat_map(|metric| metric.series(prefix));
            names.map(Promise::Metric)
        });
        let reasons = Reason::ALL.iter().map(|reason| reason.label().to_owned());
        let causes = Cause::ALL.iter().map(|cause| cause.name().to_owned());
        let codes = FailureKind::ALL.map(FailureKind::exit_code);
        let codes = codes.into_iter().chain([0]);
        let mut all: BTreeSet<Promise> = metrics.collect();
        all.extend(reasons.map(Promise::Reason));
        all.extend(causes.map(Promise::Cause));
        all.extend(codes.map(Promise::ExitCode));
        all.extend(keys().into_iter().map(Promise::Key));
        all
    }
}

/// Notes a promise, once for each test program.
fn note(promise: Promise) {
    static NOTED: Mutex<BTreeSet<Promise>> = Mutex::new(BTreeSet::new());
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    if !NOTED.lock().unwrap().insert(promise.clone()) {
        return;
    }
    let path = Path::new(&folder).join(std::process::id().to_string());
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.append(true).create(true).open(path).unwrap();
    file.write_all(format!("{promise}\n").as_bytes()).unwrap();
}

/// Notes the rows of a page of metrics that are not 0.
pub fn page(page: &str) {
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else {
            continue;
        };
        if matches!(value.parse::<f64>(), Ok(0.0) | Err(_)) {
            continue;
        }
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        note(Promise::Metric(name.to_owned()));
        if let Some((_, reason)) = labels.split_once("reason=\"")
            && let Some((reason, _)) = reason.split_once('"')
        {
            note(Promise::Reason(reason.to_owned()));
        }
    }
}

/// Notes the causes that a command or a page names.
pub fn text(text: &str) {
    for cause in Cause::ALL {
        if text.contains(cause.sentence()) {
            note(Promise::Cause(cause.name().to_owned()));
        }
    }
}

/// Notes an exit code.
pub fn exit_code(code: Option<i32>) {
    if let Some(code) = code.and_then(|code| u8::try_from(code).ok()) {
        note(Promise::ExitCode(code));
    }
}

/// Notes the keys of the configuration file that a command line names.
pub fn command_line<'a>(arguments: impl Iterator<Item = &'a std::ffi::OsStr>) {
    let Some(file) = arguments.skip_while(|word| *word != "--config").nth(1) else {
        return;
    };
    // Some tests give a device or a pipe without end.
    if !std::fs::metadata(file).is_ok_and(|file| file.is_file()) {
        return;
    }
    let text = std::fs::read_to_string(file).unwrap_or_default();
    for key in text.parse::<toml::Table>().unwrap_or_default().keys() {
        note(Promise::Key(key.clone()));
    }
}

/// The promises that no note in a folder names.
#[must_use]
pub fn unreached(folder: &Path) -> Vec<Promise> {
    let mut noted = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let notes = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        noted.extend(notes.lines().map(str::to_owned));
    }
    let all = Promise::all().into_iter();
    all.filter(|promise| !noted.contains(&promise.to_string()))
        .collect()
}
