//! What can be read, as text.

use std::fmt::{Result, Write};

use monitor_common::config::HostFlows;

use crate::surface::report::numbers::{bytes, grouped, percent, some};
use crate::surface::report::{Chapter, Exposure, Row, advice};
use crate::traffic::record_text::Endpoint;
use monitor_classify::CredentialKind;

/// Conversations that are shown of one protocol.
const SHOWN: usize = 4;

pub(super) fn write(exposure: &Exposure, out: &mut String) -> Result {
    if !exposure.is_watched {
        return writeln!(
            out,
            "\nWhat can be read was not looked at (exposure is off)."
        );
    }
    writeln!(
        out,
        "\nWhat can be read (bytes as the kernel counts them; who and what by {}):",
        some(exposure.samples, "sample")
    )?;
    if exposure.chapters.is_empty() {
        writeln!(out, "\n  Nothing crossed the wire.")?;
    }
    let (shown, more) = exposure.shown();
    for chapter in shown {
        write_chapter(chapter, out)?;
    }
    if more != 0 {
        let more = some(more as u64, "more network");
        writeln!(out, "\n  {more}, with less to read.")?;
    }
    match exposure.host_flows {
        HostFlows::Off => writeln!(
            out,
            "\n  The host's own wire (published ports) was not looked at (--host-flows off)."
        )?,
        HostFlows::Ports => writeln!(
            out,
            "\n  Of the host's own wire only some ports were looked at (--host-flows)."
        )?,
        HostFlows::All => {}
    }
    if exposure.is_lower_bound {
        writeln!(
            out,
            "\n  There may be more to read: samples were lost or capped, or a map was full."
        )?;
    }
    Ok(())
}

fn write_chapter(chapter: &Chapter, out: &mut String) -> Result {
    let shares = chapter.shares();
    let total = shares.total();
    let title = chapter.title();
    if shares.readable != 0 {
        writeln!(
            out,
            "\n  {title}: {} can be read by {}",
            percent(shares.readable, total),
            chapter.readers()
        )?;
    } else if shares.unknown != 0 {
        writeln!(out, "\n  {title}: nothing was found that can be read")?;
    } else {
        writeln!(out, "\n  {title}: nothing can be read")?;
    }
    writeln!(
        out,
        "    of {}: readable {}, encrypted by who talks {}, in ESP {}, unknown {}",
        bytes(total),
        percent(shares.readable, total),
        percent(shares.encrypted, total),
        percent(shares.in_esp, total),
        percent(shares.unknown, total)
    )?;
    for row in &chapter.rows {
        write_row(row, total, out)?;
    }
    if chapter.in_esp.packets != 0 {
        line(
            out,
            ("in ESP", "encrypted"),
            chapter.in_esp.bytes,
            chapter.in_esp.packets,
            total,
        )?;
        writeln!(out)?;
    }
    if chapter.beyond != 0 {
        let samples = some(chapter.beyond, "sample");
        writeln!(out, "    {samples} of conversations too many to keep apart")?;
    }
    if let Some(advice) = advice::of_chapter(chapter) {
        writeln!(out, "    To do: {advice}.")?;
    }
    Ok(())
}

fn line(
    out: &mut String,
    (protocol, exposure): (&str, &str),
    size: u64,
    packets: u64,
    total: u64,
) -> Result {
    write!(
        out,
        "    {protocol:<13}  {exposure:<10}  {:>9}  {:>8}  {:>9} packets",
        bytes(size),
        percent(size, total),
        grouped(packets)
    )
}

fn write_row(row: &Row, total: u64, out: &mut String) -> Result {
    let names = (row.protocol.name(), row.exposure.name());
    line(out, names, row.count.bytes, row.count.packets, total)?;
    if !row.credentials.is_empty() {
        write!(out, "  credentials: {}", kinds(row.credentials.iter()))?;
    }
    writeln!(out)?;
    for (conversation, speech) in row.conversations.iter().take(SHOWN) {
        write!(
            out,
            "        {} > {} {}",
            conversation.client,
            Endpoint(conversation.server, conversation.port),
            conversation.transport
        )?;
        if let Some(evidence) = &speech.evidence {
            write!(out, "  {evidence}")?;
        }
        if !speech.credentials.is_empty() {
            write!(out, "  credentials: {}", kinds(speech.credentials.iter()))?;
        }
        writeln!(out)?;
    }
    if row.conversations.len() > SHOWN {
        let more = (row.conversations.len() - SHOWN) as u64;
        writeln!(out, "        and {}", some(more, "more conversation"))?;
    }
    if let Some(advice) = advice::of_row(row) {
        writeln!(out, "        To do: {advice}.")?;
    }
    if let Some(advice) = advice::of_credentials(row) {
        writeln!(out, "        Credentials: {advice}.")?;
    }
    Ok(())
}

/// Kinds of credentials, as a list.
fn kinds<'a>(kinds: impl Iterator<Item = &'a CredentialKind>) -> String {
    kinds.map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}
