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

use super::admission::{Site, answer};
use super::events::Cut;
use super::pages;
use super::readings::Readings;
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

    fn add(&mut self, stream: TcpStream, site: &Arc<Site>, routes: &TowerToHyperService<Router>) {
        let asked = Arc::new(AtomicU64::new(NEVER));
        let cut = Cut::default();
        let serving = Serving {
            start: self.start,
            asked: Arc::clone(&asked),
            site: Arc::clone(site),
            routes: routes.clone(),
            cut: cut.clone(),
        };
        let tls = site.web.rules().tls.clone();
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
            tokio::select! {
                _ = tokio::time::timeout(CONNECTION_TIMEOUT, served) => {}
                () = cut.wanted() => {}
            }
        });
        self.open.push_back(Open { asked, task });
    }
}

/// What serves one connection.
struct Serving {
    start: Instant,
    asked: Arc<AtomicU64>,
    site: Arc<Site>,
    routes: TowerToHyperService<Router>,
    cut: Cut,
}

impl Serving {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(self.cut.clone());
            let now = milliseconds_since(self.start);
            self.asked.store(now, Ordering::Relaxed);
            let (site, routes) = (&self.site, &self.routes);
            async move { Ok::<_, Infallible>(answer(site, routes, request).await) }
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
pub(super) async fn serve(
    listener: TcpListener,
    agent: SharedAgent,
    site: Site,
    stop: impl Future<Output = ()>,
) {
    let readings = site
        .has_page
        .then(|| Arc::new(Readings::new(agent.clone())));
    let routes = TowerToHyperService::new(pages::routes(agent, readings.clone()));
    let site = Arc::new(site);
    let mut connections = Connections::new();
    // Beside the connections: these go on while all places are taken.
    let files = Arc::clone(&site.web).keep_current();
    connections.tasks.spawn(async move { match files.await {} });
    if let Some(readings) = readings {
        connections
            .tasks
            .spawn(async move { match readings.keep_current().await {} });
    }
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
        connections.add(stream, &site, &routes);
    }
    connections.tasks.shutdown().await;
}
