//! The published port: nginx on node1, outside any overlay.

use std::net::SocketAddr;

use crate::error::Result;
use crate::lab::{Lab, WEB};
use crate::overlay;
use crate::service::web;

/// How the web app is published on node1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// HTTP on port 80.
    Plain,
    /// HTTPS on port 443, with a throw-away certificate.
    Tls,
}

impl Publish {
    /// The port on node1.
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

impl Lab {
    /// Publishes the web app on node1's address on the wire, in place of what was published before. The way
    /// from there to the container stays on the host.
    ///
    /// # Errors
    /// [`crate::Error::MissingProgram`], or [`crate::Error::Service`] when nginx does not come up.
    pub fn publish(&mut self, how: Publish) -> Result<()> {
        self.services.publish = None;
        let target = match self.services.gateway {
            Some(target) => target,
            None => overlay::gateway(self.node1(), self.container(WEB)?, self.quiet)?.1,
        };
        self.services.gateway = Some(target);
        let listen = SocketAddr::new(self.node1().address(), how.port());
        let tls = match how {
            Publish::Plain => "",
            Publish::Tls => {
                self.certificate()?;
                "ssl"
            }
        };
        let folder = self.scratch.folder("nginx")?;
        self.scratch.write(
            "nginx/nginx.conf",
            &configuration(listen, tls, target.into()),
        )?;
        let mut command = self.node1().command("nginx")?;
        command
            .arg("-p")
            .arg(&folder)
            .args(["-c", "nginx.conf", "-e", "stderr"]);
        let process = self.start(self.node1(), "nginx", command, listen)?;
        self.services.publish = Some((how, process));
        Ok(())
    }

    /// How the web app is published now.
    #[must_use]
    pub fn published(&self) -> Option<Publish> {
        self.services.publish.as_ref().map(|(how, _)| *how)
    }

    /// Makes a key and a self-signed certificate for `host01`, good for a day.
    fn certificate(&self) -> Result<()> {
        self.scratch.folder("nginx")?;
        let (key, certificate) = (
            self.scratch.path("nginx/key.pem"),
            self.scratch.path("nginx/certificate.pem"),
        );
        let arguments = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=host01",
            "-keyout",
            &key.to_string_lossy(),
            "-out",
            &certificate.to_string_lossy(),
        ];
        self.node1().run("openssl", &arguments).map(drop)
    }
}

/// nginx in the foreground, one process, everything it writes inside its folder.
fn configuration(listen: SocketAddr, tls: &str, target: std::net::IpAddr) -> String {
    let certificate = match tls {
        "" => "",
        _ => "ssl_certificate certificate.pem; ssl_certificate_key key.pem;",
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
             listen {listen} {tls}; {certificate}\n\
             location / {{ proxy_pass http://{target}:{port}; proxy_set_header Host $host; }}\n\
           }}\n\
         }}\n"
    )
}
