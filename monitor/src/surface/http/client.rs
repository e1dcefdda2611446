//! A page of a running agent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time for the whole answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const ANSWER_MAX: usize = 64 << 10;

/// The answer of an agent that listens on an address to `GET path`.
///
/// # Errors
/// Why there is no answer.
pub async fn get(listens: SocketAddr, path: &str) -> Result<(StatusCode, String)> {
    get_from(&reached_at(listens).to_string(), path, ANSWER_MAX).await
}

/// The answer of an agent at `host:port` to `GET path`, if it has no more than `max` bytes.
///
/// # Errors
/// Why there is no answer.
pub async fn get_from(host: &str, path: &str, max: usize) -> Result<(StatusCode, String)> {
    timeout(TIMEOUT, ask(host, path, max))
        .await
        .unwrap_or_else(|_| Err(anyhow!("no answer within {} s", TIMEOUT.as_secs())))
        .with_context(|| format!("http://{host}{path}"))
}

/// Where an agent is reached on this host: where it listens on all addresses, on that of the loopback device.
fn reached_at(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

async fn ask(host: &str, path: &str, max: usize) -> Result<(StatusCode, String)> {
    let stream = TcpStream::connect(host)
        .await
        .context("no agent listens there")?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), max).collect().await;
        let body = body.map_err(|error| anyhow!("the answer: {error}"))?;
        Ok((
            status,
            String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        ))
    };
    let (answer, _) = tokio::join!(answer, connection);
    answer
}
