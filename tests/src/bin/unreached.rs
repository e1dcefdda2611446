//! Prints which metrics, reasons, causes, exit codes and keys no test reached, by the notes in a folder; exit code 1 if
//! there is one.

use std::process::ExitCode;

use overlay_tests::reached::{Promise, unreached};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: unreached FOLDER");
        return ExitCode::from(2);
    };
    let left = unreached(folder.as_ref());
    let all = Promise::all().len();
    println!(
        "{} of {all} metrics, reasons, causes, exit codes and keys were reached by a test",
        all - left.len()
    );
    for promise in &left {
        println!("no test reached: {promise}");
    }
    if left.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
