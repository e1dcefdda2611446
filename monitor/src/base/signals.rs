//! Signals: which end the program, and which do not.

use std::convert::Infallible;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that end the program as it ends by itself: reports are written, and programs are detached. By default each of
/// them kills a process.
const ENDING: [fn() -> SignalKind; 6] = [
    SignalKind::interrupt,
    SignalKind::terminate,
    SignalKind::quit,
    SignalKind::alarm,
    SignalKind::user_defined1,
    SignalKind::user_defined2,
];

/// Signals that wait until the program takes them over: the start needs no runtime, and must not be cut off.
pub struct HeldSignals(());

impl HeldSignals {
    /// Holds them for this thread, and those that it starts.
    #[must_use]
    pub fn hold() -> HeldSignals {
        mask(libc::SIG_BLOCK);
        HeldSignals(())
    }

    /// Takes them over from the kernel's defaults. One that waits is received now, by this thread. Threads that were started
    /// before go on without them: one that received a signal before it is taken over would end the process. What blocks must
    /// expect to be interrupted from now on.
    ///
    /// # Errors
    /// If the process may not.
    pub fn take(self) -> io::Result<Signals> {
        let signals = Signals::take()?;
        mask(libc::SIG_UNBLOCK);
        Ok(signals)
    }
}

fn mask(how: i32) {
    let taken = ENDING.map(|kind| kind().as_raw_value());
    // SAFETY: the set is initialised by sigemptyset, and outlives the calls, which only read or fill it.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in taken.into_iter().chain([libc::SIGHUP]) {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut());
    }
}

/// How the program is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it ends by itself.
    Alone,
    /// Another process goes on with what this one has begun (SIGUSR1).
    HandOver,
}

/// The signals that the program takes over.
pub struct Signals {
    ending: Vec<Signal>,
    hangup: Signal,
}

impl Signals {
    fn take() -> io::Result<Signals> {
        let ending = ENDING.iter().map(|kind| signal(kind()));
        Ok(Signals {
            ending: ending.collect::<io::Result<_>>()?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal that ends the program. Each SIGHUP calls `hang_up`.
    pub async fn end(mut self, mut hang_up: impl FnMut()) -> Ending {
        let ending = std::future::poll_fn(|context| {
            let mut received = Vec::new();
            for (kind, signal) in ENDING.iter().zip(&mut self.ending) {
                if signal.poll_recv(context).is_ready() {
                    received.push(kind());
                }
            }
            // A service manager sends SIGTERM next, whether the process has seen the first signal or not.
            if received.contains(&SignalKind::user_defined1()) {
                std::task::Poll::Ready(Ending::HandOver)
            } else if received.is_empty() {
                std::task::Poll::Pending
            } else {
                std::task::Poll::Ready(Ending::Alone)
            }
        });
        let hangup = async {
            while self.hangup.recv().await.is_some() {
                hang_up();
            }
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            ending = ending => ending,
            never = hangup => match never {},
        }
    }

    /// As [`Signals::end`]; SIGHUP is logged and ignored.
    pub async fn end_only(self) {
        self.end(|| {
            tracing::warn!(
                "SIGHUP is ignored: this command reads the configuration at its start only"
            );
        })
        .await;
    }
}
