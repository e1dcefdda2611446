//! Requests to Docker's daemon: HTTP/1.1 over its Unix socket, only GET, everything bounded in size and time.
//!
//! Paths carry no API version, so the daemon answers in its newest. The fields that are read have not changed since
//! 2016.

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
/// Longest header of an answer in bytes, and its most fields.
const HEADER_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 64;
/// Time limit of a whole answer, and of the head of one without an end.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most characters shown of the daemon's error message.
const MESSAGE_MAX: usize = 120;

/// Why a request got no usable answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The socket does not exist.
    Absent,
    /// No process listens on the socket.
    Refused,
    /// This process lacks permission to use the socket.
    Denied,
    /// It did not answer in time.
    Timeout,
    /// The answer is longer than the limit.
    TooLong,
    /// The answer is invalid: what is wrong with it, without its content.
    Invalid(String),
    /// It answered with an error: status, and its message, escaped.
    Status(StatusCode, String),
    /// The connection failed, and why.
    Lost(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Absent => f.write_str("no such socket; is Docker installed?"),
            Trouble::Refused => f.write_str("no process listens there; is dockerd running?"),
            Trouble::Denied => f.write_str(
                "permission denied; run as root or in the socket's group, or give --docker off",
            ),
            Trouble::Timeout => write!(f, "no answer in {} s", TIMEOUT.as_secs()),
            Trouble::TooLong => write!(f, "its answer is longer than {} MiB", BODY_MAX >> 20),
            Trouble::Invalid(what) => write!(f, "its answer is invalid: {what}"),
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
            Trouble::Invalid("it is not HTTP".to_owned())
        } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            Trouble::Lost("it was closed before the answer was complete".to_owned())
        } else {
            Trouble::Lost(error.to_string())
        }
    }
}

/// An answer whose body is still to be read. Dropping it closes the connection.
pub(crate) struct Answer {
    body: Incoming,
    /// The task that moves the bytes; dropping it ends the task.
    _connection: JoinSet<()>,
}

impl Answer {
    /// The next piece of the body, without a time limit; `None` at its end.
    ///
    /// # Errors
    /// The connection failed.
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
                return Err(Trouble::TooLong);
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole)
    }
}

/// The body of the answer to `GET path`.
///
/// # Errors
/// Why there is no usable answer.
pub(crate) async fn get(socket: &Path, path: &str) -> Result<Vec<u8>, Trouble> {
    timeout(TIMEOUT, async { open(socket, path).await?.whole().await })
        .await
        .unwrap_or(Err(Trouble::Timeout))
}

/// The answer to `GET path`, whose body may have no end. Returns once its head has arrived.
///
/// # Errors
/// Why there is no usable answer.
pub(crate) async fn stream(socket: &Path, path: &str) -> Result<Answer, Trouble> {
    timeout(TIMEOUT, open(socket, path))
        .await
        .unwrap_or(Err(Trouble::Timeout))
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
        // The body reports the same error.
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

/// The daemon's error message: the first bytes of it, escaped.
async fn message(mut answer: Answer) -> String {
    #[derive(serde::Deserialize)]
    struct ErrorBody {
        message: String,
    }
    let first = answer.next().await.ok().flatten().unwrap_or_default();
    match serde_json::from_slice::<ErrorBody>(&first) {
        Ok(body) => escape(body.message, MESSAGE_MAX),
        Err(_) => escape(first.trim_ascii(), MESSAGE_MAX),
    }
}
