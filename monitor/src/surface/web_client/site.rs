//! A server by its URL, and one request to it: `GET`, over TCP or TLS, everything bounded in size and time.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use monitor_classify::text::escape;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::access::Access;
use crate::base::failure::Failure;

/// Time limit of a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest header of an answer in bytes, and its most fields.
const HEADER_MAX: usize = 32 * 1024;
const FIELDS_MAX: usize = 100;
/// Most characters shown of a URL.
const URL_MAX: usize = 200;

/// How a user names a server.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// The flag that has its URL.
    pub flag: &'static str,
    /// What such a URL looks like.
    pub example: &'static str,
}

/// Bounds of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time for the whole of it.
    pub time: Duration,
    /// Bytes of its body.
    pub body: usize,
    /// What the user can do where one of the two is exceeded, such as "ask for a shorter time".
    pub advice: &'static str,
}

/// An HTTP server.
#[derive(Clone)]
pub struct Site {
    flag: &'static str,
    host: String,
    port: u16,
    /// What precedes the path of each request.
    path: String,
    /// `None` without TLS.
    tls: Option<Arc<ClientConfig>>,
    access: Access,
}

/// Host and port, printable.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", escape(&self.host, 80), self.port)
    }
}

impl Site {
    /// The server of a URL such as `https://prometheus.example:9090`.
    ///
    /// # Errors
    /// A usage failure that says what the URL must be.
    pub fn new(named: Named, url: &str, access: Access) -> Result<Site, Failure> {
        let bad = |what: &str| {
            Failure::usage(anyhow!(
                "{} {}: {what}; give a URL such as {}",
                named.flag,
                escape(url, URL_MAX),
                named.example
            ))
        };
        let uri: Uri = url.parse().map_err(|_| bad("it is not a URL"))?;
        let (scheme, authority) = match (uri.scheme_str(), uri.authority()) {
            (Some(scheme), Some(authority)) => (scheme, authority),
            _ => return Err(bad("it has no scheme or no host")),
        };
        if authority.as_str().contains('@') {
            return Err(bad(
                "a password on a command line is visible to every process: give --user-file",
            ));
        }
        if uri.query().is_some() {
            return Err(bad("it has a query"));
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let (tls, usual) = match scheme {
            "https" => (Some(access.tls()?), 443),
            "http" => (None, 80),
            _ => return Err(bad("it is neither http nor https")),
        };
        if tls.is_none() && access.authorization.is_some() && !is_loopback(host) {
            return Err(bad(
                "credentials would be sent in cleartext: use https, or an address of this host",
            ));
        }
        Ok(Site {
            flag: named.flag,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(usual),
            path: uri.path().trim_end_matches('/').to_owned(),
            tls,
            access,
        })
    }

    /// The answer to `GET` of a path below that of the URL.
    ///
    /// # Errors
    /// Why there is none: no connection, no TLS, an answer that exceeds the limits.
    pub async fn get(&self, path: &str, limits: Limits) -> Result<(StatusCode, Vec<u8>)> {
        let answer = timeout(limits.time, self.connect(path, limits)).await;
        answer.unwrap_or_else(|_| {
            Err(anyhow!(
                "no answer within {} s; {}",
                limits.time.as_secs(),
                limits.advice
            ))
        })
    }

    async fn connect(&self, path: &str, limits: Limits) -> Result<(StatusCode, Vec<u8>)> {
        let connect = TcpStream::connect((self.host.as_str(), self.port));
        let stream = timeout(CONNECT, connect)
            .await
            .map_err(|_| anyhow!("no connection within {} s", CONNECT.as_secs()))?
            .with_context(|| format!("cannot connect; check {}", self.flag))?;
        let Some(tls) = &self.tls else {
            return self.exchange(stream, path, limits).await;
        };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| anyhow!("the host is no valid name"))?;
        let handshake = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
        let stream = timeout(CONNECT, handshake)
            .await
            .map_err(|_| anyhow!("no TLS handshake within {} s", CONNECT.as_secs()))?
            .context("TLS failed; if its authority is your own, give --ca-file")?;
        self.exchange(stream, path, limits).await
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        path: &str,
        limits: Limits,
    ) -> Result<(StatusCode, Vec<u8>)> {
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(HEADER_MAX)
            .max_headers(FIELDS_MAX)
            .handshake(TokioIo::new(stream))
            .await?;
        let host = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let mut request = Request::get(format!("{}{path}", self.path))
            .header(header::HOST, host)
            .header(header::CONNECTION, "close")
            .header(
                header::USER_AGENT,
                concat!("overlay-monitor/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(value) = &self.access.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let answer = async {
            let response = sender.send_request(request).await;
            read(response.context("the connection failed")?, limits).await
        };
        tokio::pin!(connection);
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            // It may end before the last of the answer is taken, and carries the same error.
            _ = &mut connection => answer.await,
        }
    }
}

async fn read(response: Response<Incoming>, limits: Limits) -> Result<(StatusCode, Vec<u8>)> {
    let status = response.status();
    let mut body = response.into_body();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the connection failed within the answer")?;
        if let Ok(part) = frame.into_data() {
            if whole.len() + part.len() > limits.body {
                bail!(
                    "the answer is longer than {} MiB; {}",
                    limits.body >> 20,
                    limits.advice
                );
            }
            whole.extend_from_slice(&part);
        }
    }
    Ok((status, whole))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|at| at.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: Named = Named {
        flag: "--prometheus",
        example: "https://prometheus.example:9090",
    };

    #[test]
    fn urls_that_cannot_be_asked_are_refused_with_a_reason() {
        let folder = std::env::temp_dir();
        let token = folder.join(format!("overlay-monitor-token-{}", std::process::id()));
        std::fs::write(&token, "x").unwrap();
        let access = || Access::read(Some(&token), None, None).unwrap();
        for (url, says) in [
            ("prometheus", "no scheme"),
            ("ftp://a/", "neither"),
            ("http://u:p@a/", "--user-file"),
            ("http://a/?x=1", "query"),
            ("http://192.0.2.1:9090", "cleartext"),
        ] {
            let failure = Site::new(NAMED, url, access()).err().unwrap().to_string();
            assert!(failure.contains(says), "{failure}");
            assert!(failure.starts_with(NAMED.flag), "{failure}");
            assert!(failure.ends_with(NAMED.example), "{failure}");
        }
        let site = Site::new(NAMED, "http://[::1]:9090/select/0/prometheus/", access()).unwrap();
        assert_eq!(site.host, "::1");
        assert_eq!(site.path, "/select/0/prometheus");
        std::fs::remove_file(&token).unwrap();
    }
}
