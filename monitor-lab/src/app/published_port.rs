//! Publishes the web app on a node's own address, outside any overlay: nginx, as `--publish` would.

use std::net::{Ipv4Addr, SocketAddr};

use crate::app::{service, web};
use crate::error::Result;
use crate::lab_host::Host;
use crate::process::Process;
use crate::scratch::Scratch;

/// How the web app is published on node1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// HTTP on port 80.
    Plain,
    /// HTTPS on port 443, with a self-signed certificate that is valid for a day.
    Tls,
}

impl Publish {
    /// The TCP port on node1.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Plain => 80,
            Self::Tls => 443,
        }
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "http",
            Self::Tls => "https",
        }
    }
}

/// Starts nginx on the node's address. It forwards requests to the web app at `target`.
///
/// # Errors
/// [`crate::Error::MissingProgram`], or [`crate::Error::Service`] when nginx does not start.
pub(crate) fn start(
    node: &Host,
    how: Publish,
    target: Ipv4Addr,
    scratch: &Scratch,
) -> Result<Process> {
    let listen = SocketAddr::new(node.address(), how.port());
    let folder = scratch.folder("nginx")?;
    if how == Publish::Tls {
        service::create_certificate(node, &folder)?;
    }
    scratch.write("nginx/nginx.conf", &configuration(listen, how, target))?;
    let mut command = node.command("nginx")?;
    command
        .arg("-p")
        .arg(&folder)
        .args(["-c", "nginx.conf", "-e", "stderr"]);
    service::start(node, scratch, "nginx", command, listen)
}

/// nginx in the foreground, one process, with all its files in its own folder.
fn configuration(listen: SocketAddr, how: Publish, target: Ipv4Addr) -> String {
    let (ssl, certificate) = match how {
        Publish::Plain => ("", String::new()),
        Publish::Tls => (
            "ssl",
            format!(
                "ssl_certificate {}; ssl_certificate_key {};",
                service::CERTIFICATE,
                service::KEY
            ),
        ),
    };
    let port = web::PORT;
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr warn;\n\
         events {{ worker_connections 256; }}\n\
         http {{\n\
           access_log off; server_tokens off;\n\
           client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
           uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
           server {{\n\
             listen {listen} {ssl}; {certificate}\n\
             location / {{ proxy_pass http://{target}:{port}; proxy_set_header Host $host; }}\n\
           }}\n\
         }}\n"
    )
}
