//! Servers that the benchmark of encryption asks: Redis, and nginx with one page, in plain or with TLS.

use std::net::SocketAddr;
use std::path::Path;

use crate::app::{redis, service, web};
use crate::error::Result;
use crate::lab_host::Host;
use crate::process::Process;
use crate::scratch::Scratch;

/// Bytes of the page.
const PAGE: usize = 1024;
const HTTPS: u16 = 443;

/// Starts both on the host's own address.
pub(crate) fn start(host: &Host, tls: bool, scratch: &Scratch) -> Result<[Process; 2]> {
    let folder = scratch.folder("benchmark")?;
    if tls {
        service::create_certificate(host, &folder)?;
    }
    Ok([
        start_redis(host, tls, &folder, scratch)?,
        start_nginx(host, tls, &folder, scratch)?,
    ])
}

fn start_redis(host: &Host, tls: bool, folder: &Path, scratch: &Scratch) -> Result<Process> {
    let address = SocketAddr::new(host.address(), redis::PORT);
    let mut command = host.command("redis-server")?;
    command
        .args(["--bind", &address.ip().to_string()])
        .args(["--protected-mode", "no", "--daemonize", "no"])
        .args(["--save", "", "--appendonly", "no"])
        .arg("--dir")
        .arg(folder);
    let port = redis::PORT.to_string();
    if tls {
        command
            .args(["--port", "0", "--tls-port", &port])
            .args(["--tls-auth-clients", "no"])
            .arg("--tls-cert-file")
            .arg(folder.join(service::CERTIFICATE))
            .arg("--tls-key-file")
            .arg(folder.join(service::KEY))
            .arg("--tls-ca-cert-file")
            .arg(folder.join(service::CERTIFICATE));
    } else {
        command.args(["--port", &port]);
    }
    service::start(host, scratch, "redis-server", command, address)
}

fn start_nginx(host: &Host, tls: bool, folder: &Path, scratch: &Scratch) -> Result<Process> {
    let port = if tls { HTTPS } else { web::PORT };
    let listen = SocketAddr::new(host.address(), port);
    scratch.write("benchmark/nginx.conf", &configuration(listen, tls))?;
    let mut command = host.command("nginx")?;
    command
        .arg("-p")
        .arg(folder)
        .args(["-c", "nginx.conf", "-e", "stderr"]);
    service::start(host, scratch, "nginx", command, listen)
}

/// nginx in the foreground, one process, with all its files in its own folder. A connection carries any number of
/// requests, so that only the client decides when a new one is made.
fn configuration(listen: SocketAddr, tls: bool) -> String {
    let (ssl, certificate) = if tls {
        (
            "ssl",
            format!(
                "ssl_certificate {}; ssl_certificate_key {}; ssl_session_tickets off;",
                service::CERTIFICATE,
                service::KEY
            ),
        )
    } else {
        ("", String::new())
    };
    let page = "x".repeat(PAGE);
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr warn;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
           access_log off; server_tokens off; keepalive_requests 1000000000;\n\
           client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
           uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
           server {{\n\
             listen {listen} {ssl}; {certificate}\n\
             location / {{ return 200 \"{page}\"; }}\n\
           }}\n\
         }}\n"
    )
}
