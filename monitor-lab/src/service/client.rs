//! The client: curl, in a container or on a node.

use std::net::IpAddr;

use crate::error::{Error, Result};
use crate::host::Host;
use crate::lab::{CLIENT, Lab, WEB};
use crate::service::web;

/// Host name that the client asks for.
const NAME: &str = "host01";

/// An answer of the web app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// HTTP status code.
    pub status: u16,
    /// Body.
    pub body: String,
}

/// Separates the parts of curl's output. No page has it.
const SEPARATOR: char = '\u{1e}';

impl Lab {
    /// `GET http://host01/` from the client's container to the web app's, through the overlay, `times` times,
    /// each on a connection of its own.
    ///
    /// # Errors
    /// [`Error::Command`] when there is no answer.
    pub fn http_get(&self, times: usize) -> Result<Vec<Page>> {
        let (client, web) = (self.container(CLIENT)?, self.container(WEB)?);
        get(client, "http", web.address(), web::PORT, times)
    }

    /// `GET http://host01/` (or `https`) from node2's own address to the published port on node1, `times`
    /// times, each on a connection of its own.
    ///
    /// # Errors
    /// [`Error::Usage`] when nothing is published, [`Error::Command`] when there is no answer.
    pub fn http_get_published(&self, times: usize) -> Result<Vec<Page>> {
        let how = self
            .published()
            .ok_or_else(|| Error::Usage("no port is published".to_owned()))?;
        let address = self.node1().address();
        get(self.node2(), how.scheme(), address, how.port(), times)
    }
}

/// All requests by one curl. The name is resolved by curl itself; a self-signed certificate is good enough.
fn get(from: &Host, scheme: &str, address: IpAddr, port: u16, times: usize) -> Result<Vec<Page>> {
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
