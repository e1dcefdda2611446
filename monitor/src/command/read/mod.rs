//! `overlay-monitor read`: capture files, without privileges.

mod progress;
mod source;

use std::future::Future;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::sync::oneshot;

use crate::base::failure::Failure;
use crate::command::cli::ReadArgs;
use crate::command::settings::Reading;
use crate::host::described_network::shown;
use crate::surface::flow_lines::FlowPrinter;
use crate::surface::lines::{Printed, Printer};
use crate::traffic::capture::{Error, Filled, Packet, Reader, Step, Stop};
use crate::traffic::decode::Decoder;
use crate::traffic::flows::{Names, Tracker};
use monitor_classify::text::escape;
use progress::Progress;

/// Bytes that are written at a time.
const WRITTEN: usize = 64 * 1024;

pub(super) async fn run(args: ReadArgs, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    let reading = Reading::new(args.config.as_deref(), &args.vxlan_port)?;
    let asked = Stop::default();
    let (sender, done) = oneshot::channel();
    let for_thread = asked.clone();
    // A thread of its own: reading waits.
    std::thread::spawn(move || {
        // Nobody waits for it any more if this fails.
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

/// Reads all files; a failure tells of the last that could not be read.
fn read(args: &ReadArgs, reading: Reading, stop: &Stop) -> Result<(), Failure> {
    let out = io::BufWriter::with_capacity(WRITTEN, io::stdout());
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
            printer: FlowPrinter::new(out, args.format, colour),
        };
        let outcome = all_files(args, stop, &mut flows);
        // What was read is told, whatever came after it.
        let finished = flows.finish();
        outcome.and(finished)
    } else {
        let mut packets = Packets {
            decoder: Decoder {
                udp_ports: reading.udp_ports,
                show_payload: args.show_payload,
            },
            printer: Printer::buffered(out, args.format, colour, args.lines, args.all),
        };
        let outcome = all_files(args, stop, &mut packets);
        let flushed = packets.flush();
        outcome.and(flushed)
    }
}

/// Where packets go.
trait Sink {
    /// A file begins.
    fn begin(&mut self);
    /// Takes a packet.
    fn take(&mut self, packet: &Packet<'_>) -> Result<Printed, Failure>;
    /// Hands over what was printed: nothing more comes for the moment.
    fn flush(&mut self) -> Result<(), Failure>;
    /// A file was not read to a whole end.
    fn mark_truncated(&mut self);
}

struct Flows {
    tracker: Tracker,
    printer: FlowPrinter<io::BufWriter<io::Stdout>>,
}

impl Flows {
    fn finish(mut self) -> Result<(), Failure> {
        let printer = &mut self.printer;
        let (associations, summary) = self.tracker.finish(|flow| printer.flow(flow))?;
        for association in &associations {
            self.printer.association(association)?;
        }
        self.printer.summary(&summary)?;
        self.printer.flush()
    }
}

impl Sink for Flows {
    fn begin(&mut self) {
        self.tracker.begin_file();
    }

    #[inline]
    fn take(&mut self, packet: &Packet<'_>) -> Result<Printed, Failure> {
        let printer = &mut self.printer;
        self.tracker.add(packet, |flow| printer.flow(flow))?;
        Ok(if self.printer.is_closed() {
            Printed::Enough
        } else {
            Printed::More
        })
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.printer.flush()
    }

    fn mark_truncated(&mut self) {
        self.tracker.mark_truncated();
    }
}

struct Packets {
    decoder: Decoder,
    printer: Printer<io::BufWriter<io::Stdout>>,
}

impl Sink for Packets {
    fn begin(&mut self) {}

    fn take(&mut self, packet: &Packet<'_>) -> Result<Printed, Failure> {
        self.printer.print(&self.decoder.decode_packet(packet))
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.printer.flush()
    }

    fn mark_truncated(&mut self) {}
}

/// Reads one file after the other. One that cannot be read, or not to its end, keeps no other from being read.
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
                // The last one is told at the end, by whoever tells failures.
                if let Err(before) = std::mem::replace(&mut result, Err(failure)) {
                    eprintln!("overlay-monitor: {before}");
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
                progress.at(reader.offset());
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
                        eprintln!(
                            "{name} ends in the middle of a packet, at byte {}: what came before it was read",
                            reader.offset()
                        );
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
