//! Server-sent events: the newest content for each reader, as fast as the reader takes it. One that takes too little is cut.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use super::readings::{Reader, Readings};

/// Time in which a reader takes an event.
const SLOW: Duration = Duration::from_secs(5);
/// A stream ends after this time, and the browser opens another one: less than the time of a connection, by which changed
/// users and certificates are in force.
const LONGEST: Duration = Duration::from_secs(50);
/// Milliseconds after which the browser does so.
const AGAIN: &str = "retry: 500\n\n";

/// Closes a connection.
#[derive(Clone, Default)]
pub(super) struct Cut(Arc<Notify>);

impl Cut {
    /// Done when the connection is to be closed.
    pub(super) async fn wanted(&self) {
        self.0.notified().await;
    }

    fn now(&self) {
        self.0.notify_one();
    }
}

/// The events, if there is a place for one more reader.
pub(super) async fn events(readings: &Readings, cut: Cut) -> Response {
    let Some(reader) = readings.reader() else {
        let text = "all places for readers of events are taken\n";
        let mut response = (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
        return response;
    };
    let (sender, body) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(send(reader, sender, cut));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::new(body)).into_response()
}

async fn send(mut reader: Reader, mut sender: Sender<Bytes>, cut: Cut) {
    let end = Instant::now() + LONGEST;
    let mut event = Bytes::from_static(AGAIN.as_bytes());
    loop {
        match timeout(SLOW, sender.send_data(event)).await {
            Ok(Ok(())) => {}
            // The reader has left.
            Ok(Err(_)) => return,
            Err(_) => {
                tracing::debug!("a reader of events is too slow");
                return cut.now();
            }
        }
        tokio::select! {
            changed = reader.frames.changed() => if changed.is_err() { return },
            () = sleep_until(end) => return,
        }
        event = reader.frames.borrow_and_update().event.clone();
    }
}
