//! Serves on a thread of its own: what clients ask for delays no sample, and no thread has to wake another one for a timer.

use std::io;
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::admission::Site;
use super::connections::serve;
use crate::agent::SharedAgent;
use crate::base::failure::Failure;

/// A thread that makes pages waits so long for the next one: longer than between two scrapes.
const PAGES_KEPT: Duration = Duration::from_secs(60);

/// The thread that serves. It is ended when this is dropped.
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// `None` after the end.
    stopped: Option<oneshot::Receiver<io::Result<()>>>,
}

impl Server {
    /// Starts to serve.
    ///
    /// # Errors
    /// A runtime failure, if there is no thread, or no runtime for it.
    pub fn start(listener: TcpListener, agent: SharedAgent, site: Site) -> Result<Server, Failure> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_keep_alive(PAGES_KEPT)
            .build();
        let runtime = runtime.context("cannot serve").map_err(Failure::runtime)?;
        let (stop, end) = oneshot::channel::<()>();
        let (ended, stopped) = oneshot::channel();
        let work = move || {
            let served = runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                // Sent, or dropped with the sender: both mean stop.
                serve(listener, agent, site, async { drop(end.await) }).await;
                Ok(())
            });
            // A page that is being made goes to nobody.
            runtime.shutdown_background();
            // Whoever no longer waits needs no answer.
            drop(ended.send(served));
        };
        let thread = thread::Builder::new()
            .name("http".to_owned())
            .spawn(work)
            .context("cannot serve")
            .map_err(Failure::runtime)?;
        Ok(Server {
            stop: Some(stop),
            thread: Some(thread),
            stopped: Some(stopped),
        })
    }

    /// Waits until serving has failed, which it does not by itself.
    pub async fn failed(&mut self) -> Failure {
        match self.ended().await {
            Ok(()) => Failure::runtime(anyhow!("the HTTP endpoint ended")),
            Err(failure) => failure,
        }
    }

    /// Closes open connections, and waits until nothing is served any more.
    ///
    /// # Errors
    /// A runtime failure, if serving has failed since it started and [`Server::failed`] has not returned it.
    pub async fn stop(mut self) -> Result<(), Failure> {
        // Its end is the signal.
        drop(self.stop.take());
        self.ended().await
    }

    async fn ended(&mut self) -> Result<(), Failure> {
        let Some(stopped) = &mut self.stopped else {
            return Ok(());
        };
        let served = stopped.await.map_err(|_| anyhow!("it has panicked"));
        self.stopped = None;
        served
            .and_then(|served| Ok(served?))
            .context("the HTTP endpoint failed")
            .map_err(Failure::runtime)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was reported by `ended`, or comes with another one.
            drop(thread.join());
        }
    }
}
