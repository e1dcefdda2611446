//! `overlay-monitor read`: decodes capture files, without privileges.

mod progress;
mod sinks;
mod source;

use std::future::Future;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::sync::oneshot;

use crate::base::failure::Failure;
use crate::base::output::{Output, message};
use crate::command::cli::ReadArgs;
use crate::command::settings::Reading;
use crate::host::described_network::shown;
use crate::surface::flow_lines::FlowPrinter;
use crate::surface::sample_lines::{Printed, Printer};
use crate::traffic::capture::{Error, Filled, Reader, Step, Stop};
use crate::traffic::decode::{Before, Decoder};
use crate::traffic::flows::{Names, Tracker};
use monitor_classify::text::escape;
use progress::Progress;
use sinks::{Flows, Packets, Sink};

/// Size of the output buffer, in bytes.
const WRITTEN: usize = 64 * 1024;

pub(super) async fn run(args: ReadArgs, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    let reading = Reading::new(args.config.as_deref(), &args.vxlan_port)?;
    let asked = Stop::default();
    let (sender, done) = oneshot::channel();
    let for_thread = asked.clone();
    // A thread of its own: reading blocks.
    std::thread::spawn(move || {
        // The receiver is gone if the command was stopped.
        drop(sender.send(read(&args, reading, &for_thread)));
    });
    tokio::pin!(done);
    let result = tokio::select! {
        result = &mut done => result,
        () = stop => {
            asked.request();
            done.await
        }
    };
    result.map_err(|_| Failure::runtime(anyhow!("the reader failed")))?
}

/// Reads all files. A failure names the last one that could not be read.
fn read(args: &ReadArgs, reading: Reading, stop: &Stop) -> Result<(), Failure> {
    let out = Output::new(io::BufWriter::with_capacity(WRITTEN, io::stdout()));
    let is_terminal = io::stdout().is_terminal();
    let colour = is_terminal && std::env::var_os("NO_COLOR").is_none();
    if args.flows {
        let names = Names {
            node: args.node.as_deref().map(|name| Arc::from(escape(name, 64))),
            networks: reading
                .networks
                .iter()
                .map(|network| (network.vni, Arc::from(shown(&network.name))))
                .collect(),
        };
        let mut flows = Flows {
            tracker: Tracker::new(reading.udp_ports, names),
            printer: FlowPrinter::new(out, args.format, colour)
                .show_users(args.show_users)
                .filter(args.filter.clone().into()),
        };
        let outcome = all_files(args, stop, &mut flows);
        // What was read is printed, whatever came after it.
        let finished = flows.finish();
        outcome.and(finished)
    } else {
        let mut packets = Packets {
            decoder: Decoder {
                udp_ports: reading.udp_ports,
                show_payload: args.show_payload,
                show_users: args.show_users,
            },
            before: Before::default(),
            filter: args.filter.clone().into(),
            printer: Printer::buffered(out, args.format, colour, args.lines, args.all),
        };
        let outcome = all_files(args, stop, &mut packets);
        let flushed = packets.flush();
        message(format_args!("{}", packets.printer.summary()));
        for line in packets.recognised().lines() {
            message(format_args!("  {line}"));
        }
        outcome.and(flushed)
    }
}

/// Reads one file after the other. A file that cannot be read, or not to its end, does not stop the others.
fn all_files(args: &ReadArgs, stop: &Stop, sink: &mut impl Sink) -> Result<(), Failure> {
    let mut result = Ok(());
    for path in &args.files {
        if stop.is_requested() {
            sink.mark_truncated();
            break;
        }
        match one_file(path, args, stop, sink) {
            Ok(Printed::More) => {}
            Ok(Printed::Enough) => break,
            Err(failure) => {
                sink.mark_truncated();
                // The last failure is returned, and printed by the caller.
                if let Err(before) = std::mem::replace(&mut result, Err(failure)) {
                    message(format_args!("overlay-monitor: {before}"));
                }
            }
        }
    }
    result
}

fn one_file(
    path: &Path,
    args: &ReadArgs,
    stop: &Stop,
    sink: &mut impl Sink,
) -> Result<Printed, Failure> {
    let name = source::name(path);
    let failed = |error: Error| Failure::runtime(anyhow!("{name} {error}"));
    let (input, length) = source::open(path, stop.clone())?;
    let mut reader = Reader::open(input).map_err(failed)?;
    let mut progress = Progress::new(length, args.flows);
    sink.begin();
    loop {
        match reader.step() {
            Ok(Step::Packet(packet)) => {
                if sink.take(&packet)? == Printed::Enough {
                    progress.end();
                    return Ok(Printed::Enough);
                }
            }
            Ok(Step::Other) => {}
            Ok(Step::Drained) => {
                progress.clear();
                sink.flush()?;
                progress.at(reader.progress());
                if stop.is_requested() && length.is_some() {
                    sink.mark_truncated();
                    return Ok(Printed::Enough);
                }
                match reader.fill().map_err(failed)? {
                    Filled::More => {}
                    Filled::End => break,
                    Filled::Truncated => {
                        sink.mark_truncated();
                        progress.end();
                        message(format_args!(
                            "{name} ends in the middle of a packet, at byte {}: all packets before it were read",
                            reader.offset()
                        ));
                        break;
                    }
                }
            }
            Err(error) => {
                progress.end();
                return Err(failed(error));
            }
        }
    }
    progress.end();
    Ok(Printed::More)
}
