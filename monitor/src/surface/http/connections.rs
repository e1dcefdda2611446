//! Connections: how many there may be, and which is closed for a new one.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::admission::answer;
use super::pages;
use super::web_config::WebConfig;
use crate::agent::SharedAgent;

/// Connections at a time. Far more than there are scrapers.
const CONNECTIONS: usize = 256;
/// Time for the handshake of TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for the header of a request to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for a whole connection: no scrape takes longer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// A connection whose last request is older is closed for a new one, when all places are taken: as long as Prometheus
/// waits for a page (`scrape_timeout`, by default).
const OLD: Duration = Duration::from_secs(10);
/// How often the agent looks for a place while there is none.
const FULL_RETRY: Duration = Duration::from_millis(20);
/// A connection on which nothing was asked yet.
const NEVER: u64 = u64::MAX;

/// A connection that is open.
struct Open {
    /// When the last request came, in milliseconds since the start, or [`NEVER`].
    asked: Arc<AtomicU64>,
    task: AbortHandle,
}

/// The open connections, oldest first.
struct Connections {
    start: Instant,
    open: VecDeque<Open>,
    tasks: JoinSet<()>,
}

impl Connections {
    fn new() -> Connections {
        Connections {
            start: Instant::now(),
            open: VecDeque::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Makes room for one more: closes the oldest connection on which nothing was asked, or else the first whose request is
    /// old. Returns whether there is room. So clients that are slow on purpose keep no scraper out.
    fn make_room(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|open| !open.task.is_finished());
        if self.open.len() < CONNECTIONS {
            return true;
        }
        let asked = |open: &Open| open.asked.load(Ordering::Relaxed);
        let old = milliseconds_since(self.start).saturating_sub(OLD.as_millis() as u64);
        let never = self.open.iter().position(|open| asked(open) == NEVER);
        let Some(at) = never.or_else(|| self.open.iter().position(|open| asked(open) < old)) else {
            return false;
        };
        if let Some(open) = self.open.remove(at) {
            open.task.abort();
        }
        true
    }

    fn add(
        &mut self,
        stream: TcpStream,
        web: &Arc<WebConfig>,
        routes: &TowerToHyperService<Router>,
    ) {
        let asked = Arc::new(AtomicU64::new(NEVER));
        let serving = Serving {
            start: self.start,
            asked: Arc::clone(&asked),
            web: Arc::clone(web),
            routes: routes.clone(),
        };
        let tls = web.rules().tls.clone();
        let task = self.tasks.spawn(async move {
            let served = async {
                let Some(tls) = tls else {
                    return serving.serve(stream).await;
                };
                let handshake = TlsAcceptor::from(tls).accept(stream);
                match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
                    Ok(Ok(stream)) => serving.serve(stream).await,
                    Ok(Err(error)) => tracing::debug!("TLS handshake: {error}"),
                    Err(_) => tracing::debug!("TLS handshake: too slow"),
                }
            };
            // An error of its own would change nothing: the connection is closed.
            drop(tokio::time::timeout(CONNECTION_TIMEOUT, served).await);
        });
        self.open.push_back(Open { asked, task });
    }
}

/// What serves one connection.
struct Serving {
    start: Instant,
    asked: Arc<AtomicU64>,
    web: Arc<WebConfig>,
    routes: TowerToHyperService<Router>,
}

impl Serving {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(|request: Request<Incoming>| {
            let now = milliseconds_since(self.start);
            self.asked.store(now, Ordering::Relaxed);
            let (web, routes) = (&self.web, &self.routes);
            async move { Ok::<_, Infallible>(answer(web, routes, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(16 * 1024)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!("connection: {error}");
        }
    }
}

/// Milliseconds since a moment; never [`NEVER`].
fn milliseconds_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(NEVER - 1)
}

/// Serves until `stop` is done, then closes open connections.
pub async fn serve(
    listener: TcpListener,
    agent: SharedAgent,
    web: WebConfig,
    stop: impl Future<Output = ()>,
) {
    let routes = TowerToHyperService::new(pages::routes(agent));
    let web = Arc::new(web);
    let mut connections = Connections::new();
    let reading = Arc::clone(&web).keep_current();
    // Beside the connections: it goes on while all places are taken.
    connections
        .tasks
        .spawn(async move { match reading.await {} });
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // The client left, or file descriptors are short for the moment.
            Err(error) => {
                tracing::debug!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let mut ended = false;
        while !ended && !connections.make_room() {
            ended = tokio::select! {
                () = &mut stop => true,
                () = tokio::time::sleep(FULL_RETRY) => false,
            };
        }
        if ended {
            break;
        }
        connections.add(stream, &web, &routes);
    }
    connections.tasks.shutdown().await;
}
