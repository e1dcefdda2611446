//! `overlay-lab up`: a lab that stays up, to explore by hand.

use std::io::{self, Write, stdin, stdout};
use std::process::ExitCode;

use clap::Args;
use monitor_lab::{Lab, Publish};

/// Options of `overlay-lab up`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Encrypt app1-network with ESP
    #[arg(long)]
    encrypted: bool,
    /// VNI of app1-network
    #[arg(long, default_value_t = 4096)]
    vni: u32,
    /// Keep background traffic off the wire, and turn off offloads
    #[arg(long)]
    quiet: bool,
    /// Publish the web app with HTTPS instead of HTTP
    #[arg(long)]
    tls: bool,
}

/// Sets the lab up, prints how to enter its hosts, and waits for the end of standard input (Ctrl-D) or a signal.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut lab = Lab::builder()
        .encrypted(arguments.encrypted)
        .vni(arguments.vni)
        .quiet(arguments.quiet)
        .build()?;
    lab.start_redis()?;
    lab.start_web()?;
    lab.publish(if arguments.tls {
        Publish::Tls
    } else {
        Publish::Plain
    })?;
    let mut out = stdout().lock();
    writeln!(
        out,
        "Run a command on a host with: nsenter --net=PATH COMMAND"
    )?;
    for host in lab.hosts() {
        let (name, address, inode) = (host.name(), host.address(), host.namespace_inode()?);
        writeln!(
            out,
            "  {name:<22} {address:<14} {}  net:[{inode}]",
            host.namespace_path()
        )?;
    }
    writeln!(out, "Ready. Ctrl-D or Ctrl-C removes the lab.")?;
    out.flush()?;
    io::copy(&mut stdin().lock(), &mut io::sink())?;
    Ok(ExitCode::SUCCESS)
}
