//! The client of the application: curl, in a container or on a node.

use std::net::IpAddr;

use crate::error::Result;
use crate::lab_host::Host;

/// Host name in the requests.
const NAME: &str = "host01";

/// A response of the web app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// HTTP status code; 0 if curl printed none.
    pub status: u16,
    /// Body.
    pub body: String,
}

/// Separates the fields of curl's output. No page of the web app contains it.
const SEPARATOR: char = '\u{1e}';

/// Sends `GET SCHEME://host01/` to `address` and `port`, `times` times, each on a connection of its own. One
/// curl sends all requests. It resolves the name by itself and accepts a self-signed certificate.
///
/// # Errors
/// [`crate::Error::Command`] when there is no response.
pub(crate) fn get(
    from: &Host,
    scheme: &str,
    address: IpAddr,
    port: u16,
    times: usize,
) -> Result<Vec<Page>> {
    let resolve = format!("{NAME}:{port}:{address}");
    let write_out = format!("{SEPARATOR}%{{http_code}}{SEPARATOR}");
    let url = format!("{scheme}://{NAME}/");
    let mut arguments = vec![
        "--silent",
        "--show-error",
        "--insecure",
        "--noproxy",
        "*",
        "--header",
        "Connection: close",
        "--max-time",
        "30",
        "--resolve",
        &resolve,
        "--write-out",
        &write_out,
    ];
    arguments.extend(std::iter::repeat_n(url.as_str(), times));
    let printed = from.run("curl", &arguments)?;
    let mut parts = printed.split(SEPARATOR);
    let pages = std::iter::from_fn(|| {
        let (body, status) = (parts.next()?, parts.next()?);
        Some(Page {
            status: status.parse().unwrap_or(0),
            body: body.to_owned(),
        })
    });
    Ok(pages.collect())
}
