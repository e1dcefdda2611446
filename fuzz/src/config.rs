//! The configuration file, and that of the endpoint.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::PathBuf;

use monitor::command::cli::CheckArgs;
use monitor::command::settings::{Reading, Surroundings};
use monitor::surface::http::WebConfig;

/// A file with these bytes, which is gone when it is dropped, and its path.
fn file(input: &[u8]) -> (File, PathBuf) {
    // SAFETY: the name ends with 0; the descriptor is new, and has no other owner.
    let mut file = unsafe {
        let fd = libc::memfd_create(c"config".as_ptr(), libc::MFD_CLOEXEC);
        assert!(fd >= 0, "memfd_create");
        File::from_raw_fd(fd)
    };
    file.write_all(input).expect("memory takes it");
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    (file, path)
}

/// The file is taken, or refused in words that can be shown.
pub(crate) fn config(input: &[u8]) {
    let (_file, path) = file(input);
    if let Err(failure) = Reading::new(Some(&path), &[]) {
        assert!(!failure.to_string().is_empty());
    }
    drop(Surroundings::new(&CheckArgs {
        config: Some(path),
        ..CheckArgs::default()
    }));
}

/// The same for a web configuration. It names other files; none of this fuzzer's is a certificate.
pub(crate) fn web_config(input: &[u8]) {
    let (_file, path) = file(input);
    match WebConfig::read(Some(&path)) {
        Ok(config) => assert!(config.try_again().is_ok()),
        Err(failure) => {
            let words = failure.to_string();
            assert!(
                !words.is_empty() && !words.contains(char::is_control),
                "{words:?}"
            );
        }
    }
}
