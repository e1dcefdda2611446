//! Questions to the API: an expression at a moment or over a range, and what the answer says.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::StatusCode;
use jiff::Timestamp;
use monitor_classify::text::escape;

use super::answer::{self, Answer};
use crate::base::failure::Failure;
use crate::surface::web_client::{Access, Limits, Named, Site};

const NAMED: Named = Named {
    flag: "--prometheus",
    example: "https://prometheus.example:9090",
};
/// The query time-out of Prometheus is two minutes by default.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(150),
    body: 64 << 20,
    advice: "ask for a shorter time, or give --match",
};
/// Most characters shown of the server's error message.
const MESSAGE_MAX: usize = 200;

/// A server with a Prometheus-compatible API.
#[derive(Clone)]
pub struct Server(Site);

impl Server {
    /// The server of a URL such as `https://prometheus.example:9090`.
    ///
    /// # Errors
    /// A usage failure that says what the URL must be.
    pub fn new(url: &str, access: Access) -> Result<Server, Failure> {
        Site::new(NAMED, url, access).map(Server)
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
        let mut path = format!("/api/v1/{what}");
        for (n, (name, value)) in parameters.iter().enumerate() {
            path.push(if n == 0 { '?' } else { '&' });
            path.push_str(name);
            path.push('=');
            encode(value, &mut path);
        }
        let answer = self.0.get(&path, LIMITS).await;
        answer
            .and_then(|(status, body)| usable(status, body))
            .and_then(|body| answer::parse(&body))
            .with_context(|| format!("Prometheus at {}", self.0))
            .map_err(Failure::runtime)
    }
}

/// The body of an answer that has one.
fn usable(status: StatusCode, body: Vec<u8>) -> Result<Vec<u8>> {
    match status {
        StatusCode::OK => Ok(body),
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
        status => match answer::parse(&body) {
            Err(error) => Err(error.context(format!("it answered {status}"))),
            Ok(_) => {
                let said = escape(body.trim_ascii(), MESSAGE_MAX);
                bail!("it answered {status}: {said}")
            }
        },
    }
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
    fn an_expression_is_encoded_whole() {
        let mut text = String::new();
        encode("a{b=\"c d&e\"}+ä", &mut text);
        assert_eq!(text, "a%7Bb%3D%22c%20d%26e%22%7D%2B%C3%A4");
    }
}
