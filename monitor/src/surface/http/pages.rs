//! The pages of the endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use super::wanted_format;
use crate::agent::SharedAgent;
use crate::agent::snapshot::Snapshot;
use crate::base::procfs;
use crate::host::process_use;
use crate::surface::{metrics, networks_json};

/// An agent that cannot be asked for this long does not answer. A pass over many networks takes a part of a second.
const ANSWERS: Duration = Duration::from_secs(5);

/// What the pages are made from.
#[derive(Clone)]
struct Source {
    agent: SharedAgent,
    /// Release of the kernel.
    kernel: Arc<str>,
    /// Nanoseconds that the last page of metrics took; 0 before the first.
    last_scrape: Arc<AtomicU64>,
}

/// All pages. Each answers `HEAD` as it does `GET`, and is compressed by gzip where the client takes that.
pub(super) fn routes(agent: SharedAgent) -> Router {
    let source = Source {
        agent,
        kernel: procfs::read("/proc/sys/kernel/osrelease").into(),
        last_scrape: Arc::default(),
    };
    Router::new()
        .route("/", get(links))
        .route("/metrics", get(scrape))
        .route("/networks", get(networks))
        .route("/healthz", get(ready))
        .route("/-/ready", get(ready))
        .route("/-/healthy", get(healthy))
        .with_state(source)
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
}

async fn links() -> impl IntoResponse {
    const PAGE: &str = concat!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>overlay-monitor</title></head>\n\
         <body><h1>overlay-monitor ",
        env!("CARGO_PKG_VERSION"),
        "</h1>\n<ul>\n\
         <li><a href=\"/metrics\">/metrics</a>: counts and states, for Prometheus</li>\n\
         <li><a href=\"/networks\">/networks</a>: networks and violations, as JSON lines</li>\n\
         <li><a href=\"/-/ready\">/-/ready</a>: whether all that should be watched is watched</li>\n\
         <li><a href=\"/-/healthy\">/-/healthy</a>: whether the agent answers</li>\n\
         </ul></body></html>\n"
    );
    let policy = [(header::CONTENT_SECURITY_POLICY, "default-src 'none'")];
    (policy, Html(PAGE))
}

async fn scrape(State(source): State<Source>, headers: HeaderMap) -> Response {
    let start = Instant::now();
    let format = wanted_format::of(&headers);
    let Source {
        agent,
        kernel,
        last_scrape,
    } = source;
    page(agent, format.content_type(), move |mut snapshot| {
        snapshot.process = process_use::of_this_process();
        snapshot.kernel = kernel.to_string();
        let last = last_scrape.load(Ordering::Relaxed);
        snapshot.last_scrape = (last > 0).then(|| Duration::from_nanos(last));
        let text = metrics::encode(snapshot, format)?;
        let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        last_scrape.store(took, Ordering::Relaxed);
        Ok(text)
    })
    .await
}

/// Networks and violations as JSON Lines.
async fn networks(State(source): State<Source>) -> Response {
    page(
        source.agent,
        "application/jsonl; charset=utf-8",
        |snapshot| {
            let node = networks_json::this_node();
            Ok(networks_json::lines(
                &snapshot.policy,
                &node,
                Timestamp::now(),
            )?)
        },
    )
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

/// Whether all that should be watched is watched. A restart makes nothing better where it is not, so this is no probe of
/// whether the agent lives.
async fn ready(State(source): State<Source>) -> Response {
    // In a thread of its own: a refresh of the agent holds the lock for a while.
    let answer = tokio::task::spawn_blocking(move || {
        let agent = source.agent.lock().map_err(|_| ())?;
        Ok::<_, ()>((agent.blind(), agent.describe()))
    });
    let Ok(Ok((blind, description))) = answer.await else {
        return failed();
    };
    let (status, text) = if blind.is_empty() {
        (StatusCode::OK, format!("ok: {description}\n"))
    } else {
        let text = format!("blind: {}\n", blind.join(", "));
        (StatusCode::SERVICE_UNAVAILABLE, text)
    };
    (status, text).into_response()
}

/// Whether the agent answers.
async fn healthy(State(source): State<Source>) -> Response {
    let answer = tokio::task::spawn_blocking(move || source.agent.lock().is_ok());
    match tokio::time::timeout(ANSWERS, answer).await {
        Ok(Ok(true)) => "ok\n".into_response(),
        Ok(_) => failed(),
        Err(_) => {
            let text = format!("the agent does not answer within {} s\n", ANSWERS.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

fn failed() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "the agent failed\n").into_response()
}
