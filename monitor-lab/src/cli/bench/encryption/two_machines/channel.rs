//! The control connection: messages of bounded length, each within a bounded time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, ServerConfig, ServerConnection, SideData,
    StreamOwned,
};

use super::hang_up::ENDED;
use super::message;

/// Longest message, in bytes of JSON.
pub(super) const LONGEST: usize = 64 * 1024;
/// Time for a whole handshake.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);

/// A socket whose every call ends at a moment, however slowly bytes arrive.
struct Timed {
    socket: TcpStream,
    deadline: Arc<Mutex<Instant>>,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        match deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(ErrorKind::TimedOut.into()),
        }
    }
}

/// A wait that was too long has two names.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
        _ => error,
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(buffer).map_err(timed_out)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// An authenticated connection to the other machine.
pub(super) struct Channel {
    stream: Box<dyn Stream>,
    deadline: Arc<Mutex<Instant>>,
    /// Its socket, to see whether the other end has closed it.
    pub(super) socket: TcpStream,
    /// This machine's address, and the other's.
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
}

impl Channel {
    /// The listener's side: a handshake in which the other machine proves that it knows the token.
    pub(super) fn accept(socket: TcpStream, config: Arc<ServerConfig>) -> anyhow::Result<Channel> {
        Channel::over(socket, ServerConnection::new(config)?)
    }

    /// The other side.
    pub(super) fn connect(socket: TcpStream, config: Arc<ClientConfig>) -> anyhow::Result<Channel> {
        // No name is looked at: the key is the identity.
        let name = ServerName::try_from("overlay-lab")?;
        Channel::over(socket, ClientConnection::new(config, name)?)
    }

    fn over<C, D>(socket: TcpStream, mut connection: C) -> anyhow::Result<Channel>
    where
        C: std::ops::DerefMut<Target = ConnectionCommon<D>> + Send + 'static,
        D: SideData,
    {
        let (local, remote) = (socket.local_addr()?, socket.peer_addr()?);
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        let copy = socket.try_clone()?;
        let deadline = Arc::new(Mutex::new(Instant::now() + HANDSHAKE));
        let mut timed = Timed {
            socket,
            deadline: Arc::clone(&deadline),
        };
        while connection.is_handshaking() {
            if let (0, 0) = connection.complete_io(&mut timed)? {
                bail!("the connection ended in the handshake");
            }
        }
        // What the last step of the handshake has left to be sent.
        while connection.wants_write() {
            connection.write_tls(&mut timed)?;
        }
        Ok(Channel {
            stream: Box::new(StreamOwned::new(connection, timed)),
            deadline,
            socket: copy,
            local,
            remote,
        })
    }

    fn within(&self, limit: Duration) {
        let mut deadline = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        *deadline = Instant::now() + limit;
    }

    /// Sends a message.
    pub(super) fn send(&mut self, message: &impl Serialize, limit: Duration) -> anyhow::Result<()> {
        let mut message = serde_json::to_value(message)?;
        message::make_printable(&mut message);
        let bytes = serde_json::to_vec(&message)?;
        anyhow::ensure!(bytes.len() <= LONGEST, "a message of {} bytes", bytes.len());
        self.within(limit);
        let mut framed = u32::try_from(bytes.len())?.to_be_bytes().to_vec();
        framed.extend(bytes);
        self.stream
            .write_all(&framed)
            .and_then(|()| self.stream.flush())
            .map_err(|error| lost(&error, limit))
    }

    /// Receives a message.
    pub(super) fn receive<T: DeserializeOwned>(&mut self, limit: Duration) -> anyhow::Result<T> {
        self.within(limit);
        let mut length = [0; 4];
        self.stream
            .read_exact(&mut length)
            .map_err(|error| lost(&error, limit))?;
        let length = usize::try_from(u32::from_be_bytes(length))?;
        if length > LONGEST {
            bail!("the other machine sent a message of {length} bytes; {LONGEST} are admitted");
        }
        let mut bytes = vec![0; length];
        self.stream
            .read_exact(&mut bytes)
            .map_err(|error| lost(&error, limit))?;
        const NONE: &str =
            "the other machine sent a message that is none: do both run the same version?";
        let message = serde_json::from_slice(&bytes).context(NONE)?;
        message::check_text(&message)?;
        serde_json::from_value(message).context(NONE)
    }
}

fn lost(error: &io::Error, limit: Duration) -> anyhow::Error {
    match error.kind() {
        ErrorKind::TimedOut => {
            anyhow::anyhow!("the other machine has not answered within {limit:?}")
        }
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            anyhow::anyhow!(ENDED)
        }
        _ => anyhow::anyhow!("the connection to the other machine is lost: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use serde_json::{Value, json};

    use super::super::identity;
    use super::super::token::Token;
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// Both ends of a connection, with what crossed the wire.
    struct Met {
        listener: anyhow::Result<Channel>,
        other: anyhow::Result<Channel>,
        wire: Arc<Mutex<Vec<u8>>>,
    }

    /// Lets a listener and another one meet through a wire that is recorded.
    fn meet(listeners: &Token, others: &Token) -> Met {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (door, wire) = (listen(), listen());
        let (to_door, to_wire) = (door.local_addr().unwrap(), wire.local_addr().unwrap());
        let (server, client) = (
            identity::server(listeners).unwrap(),
            identity::client(others).unwrap(),
        );
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let tape = Arc::clone(&recorded);
        thread::spawn(move || {
            let near = wire.accept().unwrap().0;
            let far = TcpStream::connect(to_door).unwrap();
            for (mut from, mut to) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far, near),
            ] {
                let tape = Arc::clone(&tape);
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(length @ 1..) = from.read(&mut buffer) {
                        tape.lock().unwrap().extend(&buffer[..length]);
                        if to.write_all(&buffer[..length]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        let accepting = thread::spawn(move || Channel::accept(door.accept().unwrap().0, server));
        let other = Channel::connect(TcpStream::connect(to_wire).unwrap(), client);
        Met {
            // A refusal of the other one ends its socket, and with it the listener's handshake.
            other,
            listener: accepting.join().unwrap(),
            wire: recorded,
        }
    }

    fn connected() -> (Channel, Channel) {
        let token = Token::random().unwrap();
        let met = meet(&token, &token);
        (met.listener.unwrap(), met.other.unwrap())
    }

    #[test]
    fn who_knows_the_token_is_heard_and_the_token_is_not_on_the_wire() {
        let token = Token::random().unwrap();
        let met = meet(&token, &token);
        let (mut listener, mut other) = (met.listener.unwrap(), met.other.unwrap());
        other
            .send(&json!({"line": "one\ntwo\u{1b}"}), SOON)
            .unwrap();
        assert_eq!(
            listener.receive::<Value>(SOON).unwrap(),
            json!({"line": "one two "})
        );
        listener.send(&json!(["answer"]), SOON).unwrap();
        assert_eq!(other.receive::<Value>(SOON).unwrap(), json!(["answer"]));
        let wire = met.wire.lock().unwrap();
        let seed = token.seed().unwrap();
        let text = token.text();
        assert!(wire.len() > 500);
        for secret in [text.as_bytes(), &seed[..8], b"answer"] {
            assert!(!wire.windows(secret.len()).any(|bytes| bytes == secret));
        }
    }

    #[test]
    fn another_token_is_refused_by_both() {
        let met = meet(&Token::random().unwrap(), &Token::random().unwrap());
        assert!(met.other.is_err());
        assert!(met.listener.is_err());
    }

    #[test]
    fn messages_are_bounded() {
        let (mut listener, mut other) = connected();
        let long = json!({"text": "x".repeat(900), "more": vec!["y"; 30_000]});
        assert!(other.send(&long, SOON).is_err());
        other.stream.write_all(&[0xff; 4]).unwrap();
        let error = listener.receive::<Value>(SOON).unwrap_err().to_string();
        assert!(error.contains("4294967295"), "{error}");
    }

    #[test]
    fn text_that_moves_a_cursor_is_refused() {
        for text in [
            "\"\\u001b[2J\"",
            "{\"\\u202e\": 1}",
            "[\"\\n\"]",
            "\"\u{e9}\"",
        ] {
            let (mut listener, mut other) = connected();
            let length = u32::try_from(text.len()).unwrap().to_be_bytes();
            other.stream.write_all(&length).unwrap();
            other.stream.write_all(text.as_bytes()).unwrap();
            let error = listener.receive::<Value>(SOON).unwrap_err().to_string();
            assert!(error.contains("not printable"), "{text}: {error}");
        }
    }

    #[test]
    fn nonsense_is_an_error_and_no_panic() {
        for text in [&b""[..], b"{", b"nul", &[0xff, 0xfe], &b"[".repeat(60_000)] {
            let (mut listener, mut other) = connected();
            let length = u32::try_from(text.len()).unwrap().to_be_bytes();
            other.stream.write_all(&length).unwrap();
            other.stream.write_all(text).unwrap();
            assert!(listener.receive::<Value>(SOON).is_err());
        }
    }

    #[test]
    fn one_that_is_slow_or_goes_is_not_waited_for() {
        let (mut listener, mut other) = connected();
        let dribbling = thread::spawn(move || {
            // A length, and then a byte now and then.
            let _ = other.stream.write_all(&[0, 0, 1, 0]);
            for _ in 0..20 {
                if other.stream.write_all(b" ").is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(50));
            }
        });
        let (start, limit) = (Instant::now(), Duration::from_millis(300));
        let error = listener.receive::<Value>(limit).unwrap_err().to_string();
        assert!(error.contains("not answered within"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(5));
        dribbling.join().unwrap();
        let (mut listener, other) = connected();
        drop(other);
        let error = listener.receive::<Value>(SOON).unwrap_err().to_string();
        assert!(error.contains("ended the connection"), "{error}");
    }
}
