//! One request to the API: `GET`, over TCP or TLS, everything bounded in size and time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use monitor_classify::text::escape;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::access::Access;
use super::answer::{self, Answer};
use crate::base::failure::Failure;

/// Time limit of an answer. The query time-out of Prometheus is two minutes by default.
const TIMEOUT: Duration = Duration::from_secs(150);
/// Time limit of a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const BODY_MAX: usize = 64 << 20;
/// Longest header of an answer in bytes, and its most fields.
const HEADER_MAX: usize = 32 * 1024;
const FIELDS_MAX: usize = 100;
/// Most characters shown of the server's error message.
const MESSAGE_MAX: usize = 200;

/// A server with a Prometheus-compatible API.
#[derive(Clone)]
pub struct Server {
    host: String,
    port: u16,
    /// What precedes `/api/v1/` in the path.
    path: String,
    /// `None` without TLS.
    tls: Option<Arc<ClientConfig>>,
    access: Access,
}

impl Server {
    /// The server of a URL such as `https://prometheus.example:9090`.
    ///
    /// # Errors
    /// A usage failure that says what the URL must be.
    pub fn new(url: &str, access: Access) -> Result<Server, Failure> {
        let bad = |what: &str| {
            Failure::usage(anyhow!(
                "--prometheus {}: {what}; give a URL such as https://prometheus.example:9090",
                escape(url, MESSAGE_MAX)
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
        Ok(Server {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(usual),
            path: uri.path().trim_end_matches('/').to_owned(),
            tls,
            access,
        })
    }

    /// The values of an expression at one moment. A range selector has all samples of its range.
    ///
    /// # Errors
    /// Why there is no usable answer, and what to do.
    pub async fn at(&self, expression: &str, time: Timestamp) -> Result<Answer, Failure> {
        let time = seconds(time);
        self.ask("query", &[("query", expression), ("time", &time)])
            .await
    }

    /// The values of an expression from a moment to another, each `step`.
    ///
    /// # Errors
    /// As [`Server::at`].
    pub async fn range(
        &self,
        expression: &str,
        (from, to): (Timestamp, Timestamp),
        step: Duration,
    ) -> Result<Answer, Failure> {
        let step = format!("{:.3}", step.as_secs_f64());
        let (from, to) = (seconds(from), seconds(to));
        let parameters = [
            ("query", expression),
            ("start", &from),
            ("end", &to),
            ("step", &step),
        ];
        self.ask("query_range", &parameters).await
    }

    async fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Result<Answer, Failure> {
        let mut path = format!("{}/api/v1/{what}", self.path);
        for (n, (name, value)) in parameters.iter().enumerate() {
            path.push(if n == 0 { '?' } else { '&' });
            path.push_str(name);
            path.push('=');
            encode(value, &mut path);
        }
        let answer = timeout(TIMEOUT, self.get(&path)).await.unwrap_or_else(|_| {
            Err(anyhow!(
                "no answer within {} s; ask for a shorter time",
                TIMEOUT.as_secs()
            ))
        });
        answer
            .and_then(|body| answer::parse(&body))
            .with_context(|| format!("Prometheus at {}:{}", escape(&self.host, 80), self.port))
            .map_err(Failure::runtime)
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let connect = TcpStream::connect((self.host.as_str(), self.port));
        let stream = timeout(CONNECT, connect)
            .await
            .map_err(|_| anyhow!("no connection within {} s", CONNECT.as_secs()))?
            .context("cannot connect; check --prometheus")?;
        let Some(tls) = &self.tls else {
            return self.exchange(stream, path).await;
        };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| anyhow!("the host is no valid name"))?;
        let handshake = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
        let stream = timeout(CONNECT, handshake)
            .await
            .map_err(|_| anyhow!("no TLS handshake within {} s", CONNECT.as_secs()))?
            .context("TLS failed; if its authority is your own, give --ca-file")?;
        self.exchange(stream, path).await
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        path: &str,
    ) -> Result<Vec<u8>> {
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
        let mut request = Request::get(path)
            .header(header::HOST, host)
            .header(header::ACCEPT, "application/json")
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
            read(response.context("the connection failed")?).await
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

/// The body of an answer that has one.
async fn read(response: Response<Incoming>) -> Result<Vec<u8>> {
    let status = response.status();
    let mut body = response.into_body();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the connection failed within the answer")?;
        if let Ok(part) = frame.into_data() {
            if whole.len() + part.len() > BODY_MAX {
                bail!(
                    "the answer is longer than {} MiB; ask for a shorter time, or give --match",
                    BODY_MAX >> 20
                );
            }
            whole.extend_from_slice(&part);
        }
    }
    let said = || escape(whole.trim_ascii(), MESSAGE_MAX);
    match status {
        StatusCode::OK => Ok(whole),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => bail!(
            "it answered {status}; give --bearer-token-file or --user-file with credentials that may query"
        ),
        StatusCode::NOT_FOUND => {
            bail!("it answered {status}; is there an API below this URL, at api/v1/query?")
        }
        status if status.is_redirection() => {
            bail!("it answered {status}; give the URL that it redirects to")
        }
        // An error of the API, such as of an expression, has a message.
        status => match answer::parse(&whole) {
            Err(error) => Err(error.context(format!("it answered {status}"))),
            Ok(_) => bail!("it answered {status}: {}", said()),
        },
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|at| at.is_loopback())
}

fn seconds(time: Timestamp) -> String {
    format!("{}.{:03}", time.as_second(), time.subsec_millisecond())
}

/// Appends a value as it stands in a query (RFC 3986, 2.3).
fn encode(value: &str, to: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            to.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let failure = Server::new(url, access()).err().unwrap().to_string();
            assert!(failure.contains(says), "{failure}");
        }
        let server = Server::new("http://[::1]:9090/select/0/prometheus/", access()).unwrap();
        assert_eq!(server.host, "::1");
        assert_eq!(server.path, "/select/0/prometheus");
        std::fs::remove_file(&token).unwrap();
    }

    #[test]
    fn an_expression_is_encoded_whole() {
        let mut text = String::new();
        encode("a{b=\"c d&e\"}+ä", &mut text);
        assert_eq!(text, "a%7Bb%3D%22c%20d%26e%22%7D%2B%C3%A4");
    }
}
