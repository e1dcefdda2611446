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

impl Lab {
    /// `GET http://host01/` from the client's container to the web app's, through the overlay.
    ///
    /// # Errors
    /// [`Error::Command`] when there is no answer.
    pub fn http_get(&self) -> Result<Page> {
        get(
            self.container(CLIENT)?,
            "http",
            self.container(WEB)?.address(),
            web::PORT,
        )
    }

    /// `GET http://host01/` (or `https`) from node2's own address to the published port on node1.
    ///
    /// # Errors
    /// [`Error::Usage`] when nothing is published, [`Error::Command`] when there is no answer.
    pub fn http_get_published(&self) -> Result<Page> {
        let how = self
            .published()
            .ok_or_else(|| Error::Usage("no port is published".to_owned()))?;
        get(
            self.node2(),
            how.scheme(),
            self.node1().address(),
            how.port(),
        )
    }
}

/// One request on a connection of its own. The name is resolved by curl itself; a self-signed certificate
/// is good enough.
fn get(from: &Host, scheme: &str, address: IpAddr, port: u16) -> Result<Page> {
    let resolve = format!("{NAME}:{port}:{address}");
    let url = format!("{scheme}://{NAME}/");
    let arguments = [
        "--silent",
        "--show-error",
        "--insecure",
        "--noproxy",
        "*",
        "--max-time",
        "30",
        "--resolve",
        &resolve,
        "--write-out",
        "\n%{http_code}",
        &url,
    ];
    let printed = from.run("curl", &arguments)?;
    let (body, status) = printed.rsplit_once('\n').unwrap_or(("", &printed));
    Ok(Page {
        status: status.parse().unwrap_or(0),
        body: body.to_owned(),
    })
}
