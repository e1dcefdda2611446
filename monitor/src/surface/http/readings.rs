//! Readings of the agent for the page and its readers: one at a time, and at most one in a second, however many ask.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use monitor_classify::text::escape;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::agent::{SharedAgent, snapshot_of};
use crate::surface::live::{Live, Reading};
use crate::surface::live_page::{Content, content, event};
use crate::surface::networks_json;

/// Readers of events at a time. Their places are apart from those of the connections, so that scrapers find one.
const READERS: usize = 32;
/// A reading that is younger is still current.
const CURRENT: Duration = Duration::from_secs(1);
/// The rates of an older reading would be those of long ago: two are taken then, this far apart.
const LONG_AGO: Duration = Duration::from_secs(10);
const APART: Duration = Duration::from_millis(500);
/// Readings take at most one part in so many of the time.
const PART: u32 = 10;
/// Characters of an error.
const ERROR: usize = 200;

/// What was read last, as it is sent.
#[derive(Default)]
pub(super) struct Frame {
    at: Option<Instant>,
    pub(super) content: Content,
    /// Shared by all readers.
    pub(super) event: Bytes,
}

/// Readings of the agent.
pub(super) struct Readings {
    agent: SharedAgent,
    start: Instant,
    /// Held by who reads.
    turn: tokio::sync::Mutex<()>,
    live: Arc<Mutex<Live>>,
    frames: watch::Sender<Arc<Frame>>,
    places: Arc<Semaphore>,
    is_wanted: Notify,
}

/// A reader of events. It misses what it is too slow for: only the newest frame is kept.
pub(super) struct Reader {
    pub(super) frames: watch::Receiver<Arc<Frame>>,
    _place: OwnedSemaphorePermit,
}

impl Readings {
    pub(super) fn new(agent: SharedAgent) -> Readings {
        Readings {
            agent,
            start: Instant::now(),
            turn: tokio::sync::Mutex::default(),
            live: Arc::default(),
            frames: watch::Sender::default(),
            places: Arc::new(Semaphore::new(READERS)),
            is_wanted: Notify::new(),
        }
    }

    /// What the agent sees now.
    pub(super) async fn now(&self) -> Arc<Frame> {
        let _turn = self.turn.lock().await;
        let last = Arc::clone(&self.frames.borrow());
        let age = last.at.map_or(Duration::MAX, |at| at.elapsed());
        if age < CURRENT {
            return last;
        }
        if age > LONG_AGO {
            self.read().await;
            tokio::time::sleep(APART).await;
        }
        self.read().await
    }

    /// A place for a reader of events, if there is one.
    pub(super) fn reader(&self) -> Option<Reader> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let frames = self.frames.subscribe();
        self.is_wanted.notify_one();
        Some(Reader {
            frames,
            _place: place,
        })
    }

    /// Reads on as long as there are readers of events.
    pub(super) async fn keep_current(self: Arc<Self>) -> Infallible {
        loop {
            while self.frames.receiver_count() == 0 {
                self.is_wanted.notified().await;
            }
            let start = Instant::now();
            self.now().await;
            let rest = start.elapsed() * (PART - 1);
            tokio::time::sleep(rest.max(CURRENT)).await;
        }
    }

    async fn read(&self) -> Arc<Frame> {
        let (agent, live, start) = (self.agent.clone(), Arc::clone(&self.live), self.start);
        // In a thread of its own: a refresh of the agent holds its lock for a while.
        let read = tokio::task::spawn_blocking(move || {
            let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
            match snapshot_of(&agent) {
                Ok(snapshot) => {
                    let node = networks_json::this_node();
                    let clean = |text: &str, max: usize| escape(text, max);
                    live.take(Reading::of(start.elapsed(), &node, &snapshot, clean));
                }
                Err(failure) => live.miss(escape(format!("{:#}", failure.error), ERROR)),
            }
            content(&live, Timestamp::now())
        });
        let content = read.await.unwrap_or_default();
        let frame = Arc::new(Frame {
            at: Some(Instant::now()),
            event: event(&content).into(),
            content,
        });
        self.frames.send_replace(Arc::clone(&frame));
        frame
    }
}
