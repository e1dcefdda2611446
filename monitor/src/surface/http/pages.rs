//! The pages of the endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use jiff::Timestamp;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use super::events::{self, Cut};
use super::readings::Readings;
use super::wanted_format;
use crate::agent::snapshot::Snapshot;
use crate::agent::{SharedAgent, snapshot_of};
use crate::base::procfs;
use crate::host::process_use;
use crate::surface::{live_page, metrics, networks_json};

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

/// All pages. Each answers `HEAD` as it does `GET`, and is compressed by gzip where the client takes that. What the agent sees
/// is shown at `/` if there are readings.
pub(super) fn routes(agent: SharedAgent, readings: Option<Arc<Readings>>) -> Router {
    let source = Source {
        agent,
        kernel: procfs::read("/proc/sys/kernel/osrelease").into(),
        last_scrape: Arc::default(),
    };
    let first = match readings {
        None => Router::new().route("/", get(links)),
        Some(readings) => Router::new()
            .route("/", get(live))
            .route("/events", get(events))
            .with_state(readings),
    };
    Router::new()
        .route("/metrics", get(scrape))
        .route("/networks", get(networks))
        .route("/healthz", get(ready))
        .route("/-/ready", get(ready))
        .route("/-/healthy", get(healthy))
        .with_state(source)
        .merge(first)
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
}

/// The page where nothing that the agent sees is shown.
async fn links() -> impl IntoResponse {
    let policy = [(header::CONTENT_SECURITY_POLICY, "default-src 'none'")];
    (policy, Html(live_page::links()))
}

/// What the agent sees, for a person.
async fn live(State(readings): State<Arc<Readings>>) -> impl IntoResponse {
    let frame = readings.now().await;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, live_page::POLICY.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    (headers, Html(live_page::document(&frame.content)))
}

async fn events(State(readings): State<Arc<Readings>>, cut: Extension<Cut>) -> Response {
    events::events(&readings, cut.0).await
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
        make(snapshot_of(&agent).map_err(|failure| failure.error)?)
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
