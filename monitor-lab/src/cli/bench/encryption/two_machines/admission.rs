//! Waits for the one that knows the token. Everyone else is a stranger: each gets a bounded time, and few at a time.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio_rustls::rustls::ServerConfig;

use super::channel::Channel;

/// Handshakes at a time; who comes meanwhile waits in the kernel's queue.
const AT_ONCE: usize = 16;
/// Refusals that are printed.
const PRINTED: usize = 10;
const POLL: Duration = Duration::from_millis(10);

/// How a handshake ended.
struct Outcome {
    id: u64,
    from: SocketAddr,
    channel: anyhow::Result<Channel>,
}

/// Admits the first that knows the token, within `wait`. Then nobody is listened to any more, and the token is spent.
pub(super) fn admit(
    listener: TcpListener,
    config: &Arc<ServerConfig>,
    wait: Duration,
) -> anyhow::Result<Channel> {
    listener.set_nonblocking(true)?;
    let end = Instant::now() + wait;
    let (done, outcomes) = mpsc::channel();
    let mut door = Door {
        open: Vec::new(),
        refused: 0,
        next: 0,
    };
    while Instant::now() < end {
        if door.open.len() < AT_ONCE
            && let Ok((socket, from)) = listener.accept()
        {
            // One that cannot be greeted is closed.
            if let Err(error) = door.greet(socket, from, config, &done) {
                door.refuse(from, &error);
            }
            continue;
        }
        if let Some(channel) = door.look(&outcomes) {
            return Ok(channel);
        }
    }
    bail!(
        "nobody with the token has connected within {wait:?} ({} others were refused)",
        door.refused
    )
}

/// Those whose handshake goes on.
struct Door {
    open: Vec<(u64, TcpStream)>,
    refused: usize,
    next: u64,
}

impl Door {
    fn greet(
        &mut self,
        socket: TcpStream,
        from: SocketAddr,
        config: &Arc<ServerConfig>,
        done: &Sender<Outcome>,
    ) -> anyhow::Result<()> {
        let (id, config, done) = (self.next, Arc::clone(config), done.clone());
        self.next += 1;
        let copy = socket.try_clone()?;
        thread::Builder::new()
            .name("handshake".to_owned())
            .spawn(move || {
                let channel = Channel::accept(socket, config);
                // There is no receiver once another machine was admitted.
                let _ = done.send(Outcome { id, from, channel });
            })
            .context("cannot start a thread")?;
        self.open.push((id, copy));
        Ok(())
    }

    /// Waits a moment for a handshake to end.
    fn look(&mut self, outcomes: &Receiver<Outcome>) -> Option<Channel> {
        let outcome = outcomes.recv_timeout(POLL).ok()?;
        self.open.retain(|(id, _)| *id != outcome.id);
        match outcome.channel {
            Ok(channel) => Some(channel),
            Err(error) => {
                self.refuse(outcome.from, &error);
                None
            }
        }
    }

    fn refuse(&mut self, from: SocketAddr, error: &anyhow::Error) {
        self.refused += 1;
        if self.refused <= PRINTED {
            eprintln!("refused {from}: {error:#}");
        }
        if self.refused == PRINTED {
            eprintln!("further ones are not printed");
        }
    }
}

impl Drop for Door {
    /// Ends the handshakes that go on.
    fn drop(&mut self) {
        for (_, socket) in &self.open {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
