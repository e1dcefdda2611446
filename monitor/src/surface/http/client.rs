//! A page of the agent of this host, by its own configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::web_config;
use crate::base::failure::Failure;
use crate::base::output::message;

/// Time for the whole answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const ANSWER_MAX: usize = 64 << 10;

/// The answer of the agent of this host, which listens on an address with a web configuration, to `GET path`.
///
/// # Errors
/// A violation, with why there is no answer.
pub async fn get(
    listens: SocketAddr,
    web: Option<&Path>,
    path: &str,
) -> Result<(StatusCode, String), Failure> {
    let (ways, read) = web.map_or_else(|| (vec![None], Ok(())), web_config::client);
    if let Err(error) = read {
        message(format_args!("{error:#}; it is passed over"));
    }
    let host = reached_at(listens).to_string();
    let mut answer = Err(anyhow!("no way to ask"));
    for tls in ways {
        answer = within_time(&host, tls, path).await;
        if answer.is_ok() {
            break;
        }
    }
    answer.map_err(Failure::violation)
}

async fn within_time(
    host: &str,
    tls: Option<Arc<ClientConfig>>,
    path: &str,
) -> Result<(StatusCode, String)> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    timeout(TIMEOUT, connect(host, tls, path))
        .await
        .unwrap_or_else(|_| Err(anyhow!("no answer within {} s", TIMEOUT.as_secs())))
        .with_context(|| format!("{scheme}://{host}{path}"))
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

async fn connect(
    host: &str,
    tls: Option<Arc<ClientConfig>>,
    path: &str,
) -> Result<(StatusCode, String)> {
    let stream = TcpStream::connect(host)
        .await
        .context("no agent listens there")?;
    match tls {
        None => ask(stream, host, path).await,
        Some(tls) => {
            let address = stream.peer_addr()?.ip();
            let connector = TlsConnector::from(tls);
            let stream = connector
                .connect(ServerName::from(address), stream)
                .await
                .context("no TLS")?;
            ask(stream, host, path).await
        }
    }
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    path: &str,
) -> Result<(StatusCode, String)> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| anyhow!("the answer: {error}"))?;
        Ok((
            status,
            String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        ))
    };
    let (answer, _) = tokio::join!(answer, connection);
    answer
}
