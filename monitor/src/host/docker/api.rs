//! Requests to Docker's daemon: HTTP/1.1 over its Unix socket, only GET, everything bounded in size and time.
//!
//! Paths are without a version: the daemon then answers as its newest one, of which we read what has been the same
//! since 2016.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use monitor_classify::text::escape;

/// Longest answer that is read, in bytes: 16,384 networks of a Swarm take 8 to 12 MB.
const BODY_MAX: usize = 32 << 20;
/// Longest header of an answer, in bytes, and most fields of it.
const HEADER_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 64;
/// For a whole answer, and for the head of one that goes on for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// Characters that are shown of what the daemon says is wrong.
const MESSAGE_MAX: usize = 120;

/// Why there is no answer that can be used.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// There is no socket.
    Absent,
    /// A socket without anybody behind it.
    Refused,
    /// We may not speak to it.
    Denied,
    /// It did not answer in time.
    Slow,
    /// An answer without an end, as far as we read.
    Endless,
    /// What it answered makes no sense; without its content.
    Nonsense(String),
    /// It answered that it cannot: status and message, escaped.
    Status(StatusCode, String),
    /// The connection failed.
    Lost(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Absent => f.write_str("no such socket; is Docker installed?"),
            Trouble::Refused => f.write_str("nobody listens; does dockerd run?"),
            Trouble::Denied => f.write_str(
                "permission denied; run as root or in the group of the socket, or say --docker off",
            ),
            Trouble::Slow => write!(f, "no answer in {} s", PATIENCE.as_secs()),
            Trouble::Endless => write!(f, "an answer of more than {} MiB", BODY_MAX >> 20),
            Trouble::Nonsense(what) => write!(f, "an answer that makes no sense: {what}"),
            Trouble::Status(status, message) => {
                write!(f, "it answered {}: {message}", status.as_u16())
            }
            Trouble::Lost(what) => write!(f, "the connection failed: {what}"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::NotFound => Trouble::Absent,
            io::ErrorKind::ConnectionRefused => Trouble::Refused,
            io::ErrorKind::PermissionDenied => Trouble::Denied,
            _ => Trouble::Lost(error.to_string()),
        }
    }
}

impl From<hyper::Error> for Trouble {
    fn from(error: hyper::Error) -> Trouble {
        if error.is_parse() {
            Trouble::Nonsense("it is no HTTP".to_owned())
        } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            Trouble::Lost("it was closed before the answer was there".to_owned())
        } else {
            Trouble::Lost(error.to_string())
        }
    }
}

/// An answer whose body is still to be read. Dropping it closes the connection.
pub(crate) struct Answer {
    body: Incoming,
    /// What moves bytes; ended by dropping it.
    _connection: JoinSet<()>,
}

impl Answer {
    /// The next piece of the body, as long as it takes; `None` at its end.
    ///
    /// # Errors
    /// When the connection failed.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    async fn whole(mut self) -> Result<Vec<u8>, Trouble> {
        let mut whole = Vec::new();
        while let Some(part) = self.next().await? {
            if whole.len() + part.len() > BODY_MAX {
                return Err(Trouble::Endless);
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole)
    }
}

/// The body of the answer to `GET path`.
///
/// # Errors
/// Why there is none.
pub(crate) async fn get(socket: &Path, path: &str) -> Result<Vec<u8>, Trouble> {
    timeout(PATIENCE, async { open(socket, path).await?.whole().await })
        .await
        .unwrap_or(Err(Trouble::Slow))
}

/// The answer to `GET path` that goes on for ever, once its head is there.
///
/// # Errors
/// Why there is none.
pub(crate) async fn stream(socket: &Path, path: &str) -> Result<Answer, Trouble> {
    timeout(PATIENCE, open(socket, path))
        .await
        .unwrap_or(Err(Trouble::Slow))
}

async fn open(socket: &Path, path: &str) -> Result<Answer, Trouble> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEADER_MAX)
        .max_headers(FIELDS_MAX)
        .handshake(TokioIo::new(stream))
        .await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async {
        // What went wrong the body tells too.
        drop(connection.await);
    });
    let request = Request::get(path)
        .header(header::HOST, "docker")
        .header(
            header::USER_AGENT,
            concat!("overlay-monitor/", env!("CARGO_PKG_VERSION")),
        )
        .body(Empty::<Bytes>::new())
        .map_err(|error| Trouble::Lost(error.to_string()))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let answer = Answer {
        body: response.into_body(),
        _connection: tasks,
    };
    if status != StatusCode::OK {
        return Err(Trouble::Status(status, message(answer).await));
    }
    Ok(answer)
}

/// What the daemon says is wrong, for people: the first bytes, escaped.
async fn message(mut answer: Answer) -> String {
    #[derive(serde::Deserialize)]
    struct Said {
        message: String,
    }
    let first = answer.next().await.ok().flatten().unwrap_or_default();
    match serde_json::from_slice::<Said>(&first) {
        Ok(said) => escape(said.message, MESSAGE_MAX),
        Err(_) => escape(first.trim_ascii(), MESSAGE_MAX),
    }
}
