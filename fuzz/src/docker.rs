//! What answers at Docker's socket: another version of the daemon, or anything else.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use monitor::host::docker::{DockerSocket, NETWORKS_MAX, query};
use tokio::runtime::{Builder, Runtime};

/// A socket that answers every request with the same bytes, and who asks there.
struct Daemon {
    place: DockerSocket,
    asks: Runtime,
    /// The socket, which has no name.
    _file: File,
}

static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static DAEMON: LazyLock<Mutex<Daemon>> = LazyLock::new(|| Mutex::new(Daemon::start()));

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Daemon {
    fn start() -> Daemon {
        let path = std::env::temp_dir().join(format!("overlay-fuzz-{}.socket", std::process::id()));
        let listener = UnixListener::bind(&path).expect("a socket in the temporary folder");
        // Nothing stays behind, however this ends: from here on it is known by a descriptor alone.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(&path)
            .expect("the socket is there");
        std::fs::remove_file(&path).expect("the socket is ours");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream);
            }
        });
        Daemon {
            place: DockerSocket::Path(PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))),
            asks: Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            _file: file,
        }
    }
}

/// Reads a request, which has no body, and answers. A client that has closed the connection is no failure.
fn answer(mut stream: UnixStream) {
    let (mut request, mut piece) = (Vec::new(), [0; 1024]);
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(count @ 1..) => request.extend(&piece[..count]),
            Ok(0) | Err(_) => return,
        }
    }
    let bytes = lock(&ANSWER).clone();
    drop(stream.write_all(&bytes));
}

/// Asks a daemon that answers this.
pub(crate) fn docker(input: &[u8]) {
    lock(&ANSWER).clear();
    lock(&ANSWER).extend(input);
    let daemon = lock(&DAEMON);
    let state = daemon.asks.block_on(query(&daemon.place));
    let state = state.expect("the socket is named, so it is asked");
    assert!(state.networks.len() <= NETWORKS_MAX);
    assert!(state.networks.is_sorted_by(|a, b| a.vni < b.vni));
    let trouble = state.trouble.unwrap_or_default();
    assert!(!trouble.contains(char::is_control), "{trouble:?}");
    assert!(trouble.len() < 1024, "{trouble:?}");
    assert_ne!(state.up, None);
}
