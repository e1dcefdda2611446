//! The HTTP endpoint: `/metrics`, `/networks` and `/healthz`.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::agent::SharedAgent;
use crate::agent::snapshot::Snapshot;
use crate::base::failure::Failure;
use crate::surface::metrics;
use crate::surface::networks_json;

/// Connections at a time; further ones wait. Far more than there are scrapers, so that a few silent clients keep no
/// scraper out.
const CONNECTIONS: usize = 256;
/// Time for the header of a request to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for a whole connection: no scrape takes longer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an agent that has just ended may still hold the port: a program that it was starting has a copy of its socket.
const PORT_HELD: Duration = Duration::from_secs(1);
/// How often the port is tried meanwhile.
const PORT_RETRY: Duration = Duration::from_millis(50);

/// Opens the port, also where an agent that was just killed left it in use for a moment.
///
/// # Errors
/// A runtime failure that names the reason, and what to do.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let deadline = Instant::now() + PORT_HELD;
    let listener = loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(PORT_RETRY).await;
            }
            listener => break listener,
        }
    };
    listener.map_err(|error| {
        let port = address.port();
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("another process listens there (`ss -ltnp sport = :{port}` shows it); give another --listen")
            }
            io::ErrorKind::AddrNotAvailable => "this host has no such address; give another --listen".to_owned(),
            io::ErrorKind::PermissionDenied => format!("port {port} needs privileges; give another --listen"),
            _ => "give another --listen".to_owned(),
        };
        Failure::runtime(anyhow!(error).context(format!("cannot listen on {address}: {hint}")))
    })
}

/// Serves until `stop` is done, then closes open connections.
pub async fn serve(listener: TcpListener, agent: SharedAgent, stop: impl Future<Output = ()>) {
    let routes = Router::new()
        .route("/metrics", get(scrape))
        .route("/networks", get(networks))
        .route("/healthz", get(health))
        .with_state(agent);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (place, stream) = match accepted {
            Ok(accepted) => accepted,
            // The client left, or file descriptors are short for the moment.
            Err(error) => {
                tracing::debug!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let service = TowerToHyperService::new(routes.clone());
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), service);
            match tokio::time::timeout(CONNECTION_TIMEOUT, connection).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(error)) => tracing::debug!("connection: {error}"),
            }
            drop(place);
        });
    }
    connections.shutdown().await;
}

/// Accepts a connection once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, TcpStream)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((place, stream))
}

async fn scrape(State(agent): State<SharedAgent>) -> Response {
    page(agent, metrics::CONTENT_TYPE, |snapshot| {
        Ok(metrics::encode(snapshot)?)
    })
    .await
}

/// Networks and violations as JSON Lines.
async fn networks(State(agent): State<SharedAgent>) -> Response {
    page(agent, "application/jsonl; charset=utf-8", |snapshot| {
        let node = networks_json::this_node();
        Ok(networks_json::lines(
            &snapshot.policy,
            &node,
            Timestamp::now(),
        )?)
    })
    .await
}

/// A page made from a snapshot of this moment.
async fn page(
    agent: SharedAgent,
    content_type: &'static str,
    make: impl FnOnce(Snapshot) -> anyhow::Result<String> + Send + 'static,
) -> Response {
    let text = tokio::task::spawn_blocking(move || -> anyhow::Result<String> {
        let agent = agent.lock().map_err(|_| anyhow!("the agent failed"))?;
        let snapshot = agent.snapshot().map_err(|failure| failure.error)?;
        drop(agent);
        make(snapshot)
    })
    .await
    .map_err(anyhow::Error::from)
    .and_then(|result| result);
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, content_type)], text).into_response(),
        Err(error) => {
            tracing::error!("scrape: {error:#}");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response()
        }
    }
}

async fn health(State(agent): State<SharedAgent>) -> Response {
    // In a thread of its own: a refresh of the agent holds the lock for a while.
    let answer = tokio::task::spawn_blocking(move || {
        let agent = agent.lock().map_err(|_| ())?;
        Ok::<_, ()>((agent.blind(), agent.describe()))
    });
    let Ok(Ok((blind, description))) = answer.await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the agent failed\n").into_response();
    };
    let (status, text) = if blind.is_empty() {
        (StatusCode::OK, format!("ok: {description}\n"))
    } else {
        let text = format!("blind: {}\n", blind.join(", "));
        (StatusCode::SERVICE_UNAVAILABLE, text)
    };
    (status, text).into_response()
}
