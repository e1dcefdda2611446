//! Waits for the one that knows the token. Everyone else is a stranger: each gets a bounded time, and few handshakes go on at a
//! time. Where all places are taken a new connection gets one of the address that holds the most.

use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio_rustls::rustls::ServerConfig;

use super::channel::Channel;

/// Handshakes at a time; for who comes meanwhile another one ends.
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
        let accepted = listener.accept();
        // However many come, those who came before are heard between two of them.
        let patience = if accepted.is_ok() {
            Duration::ZERO
        } else {
            POLL
        };
        if let Ok((socket, from)) = accepted {
            door.make_room();
            // One that cannot be greeted is closed.
            if let Err(error) = door.greet(socket, from, config, &done) {
                door.refuse(from, &error);
            }
        }
        if let Some(channel) = door.look(&outcomes, patience) {
            return Ok(channel);
        }
    }
    bail!(
        "nobody with the token has connected within {wait:?} ({} others were refused)",
        door.refused
    )
}

/// A handshake that goes on.
struct Guest {
    id: u64,
    from: IpAddr,
    socket: TcpStream,
}

/// Those whose handshake goes on, in the order in which they came.
struct Door {
    open: Vec<Guest>,
    refused: usize,
    next: u64,
}

impl Door {
    /// Where there is no room, ends a handshake: the oldest one of the address that has the most. So one address cannot
    /// keep another one out.
    fn make_room(&mut self) {
        if self.open.len() < AT_ONCE {
            return;
        }
        let from = |ip: IpAddr| self.open.iter().filter(|guest| guest.from == ip).count();
        let most = self.open.iter().map(|guest| from(guest.from)).max();
        let oldest = self
            .open
            .iter()
            .position(|guest| Some(from(guest.from)) == most);
        if let Some(oldest) = oldest {
            let guest = self.open.remove(oldest);
            let _ = guest.socket.shutdown(Shutdown::Both);
        }
    }

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
        self.open.push(Guest {
            id,
            from: from.ip(),
            socket: copy,
        });
        Ok(())
    }

    /// Waits so long for a handshake to end.
    fn look(&mut self, outcomes: &Receiver<Outcome>, patience: Duration) -> Option<Channel> {
        let outcome = outcomes.recv_timeout(patience).ok()?;
        self.open.retain(|guest| guest.id != outcome.id);
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
        for guest in &self.open {
            let _ = guest.socket.shutdown(Shutdown::Both);
        }
    }
}
