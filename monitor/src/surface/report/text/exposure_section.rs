//! What is readable, network by network, as text.

use std::fmt::{Result, Write};

use monitor_common::config::HostFlows;

use crate::host::platform::Platform;
use crate::surface::numbers::{bytes, grouped, percent, some};
use crate::surface::report::chapter::{Chapter, Row};
use crate::surface::report::{ExposureReport, advice};
use crate::traffic::record_text::Endpoint;
use monitor_classify::CredentialKind;

/// Conversations that are shown of one protocol.
const SHOWN: usize = 4;

pub(super) fn write(exposure: &ExposureReport, out: &mut String) -> Result {
    if !exposure.is_watched {
        return writeln!(out, "\nExposure was not watched (exposure is off).");
    }
    writeln!(
        out,
        "\nWhat is readable (bytes counted by the kernel; endpoints and evidence from {}):",
        some(exposure.samples, "sample")
    )?;
    if exposure.chapters.is_empty() {
        writeln!(out, "\n  No packets were seen.")?;
    }
    let (shown, more) = exposure.shown();
    for chapter in shown {
        write_chapter(chapter, exposure.platform, out)?;
    }
    if more != 0 {
        let more = some(more as u64, "more network");
        writeln!(out, "\n  {more}, with less plaintext.")?;
    }
    match exposure.host_flows {
        HostFlows::Off => writeln!(
            out,
            "\n  Host traffic outside any overlay (published ports) was not watched (--host-flows off)."
        )?,
        HostFlows::Ports => writeln!(
            out,
            "\n  Only some ports of host traffic outside any overlay were watched (--host-flows)."
        )?,
        HostFlows::All => {}
    }
    if let Some(copies) = exposure.decrypted_copies() {
        writeln!(out, "\n  {copies}")?;
    }
    if exposure.is_lower_bound {
        writeln!(
            out,
            "\n  More may be readable: samples were lost or capped, or a map was full."
        )?;
    }
    Ok(())
}

fn write_chapter(chapter: &Chapter, platform: Platform, out: &mut String) -> Result {
    let shares = chapter.shares();
    let total = shares.total();
    let title = chapter.title();
    if shares.readable != 0 {
        writeln!(
            out,
            "\n  {title}: {} is readable by {}",
            percent(shares.readable, total),
            chapter.readers()
        )?;
    } else if shares.unknown != 0 {
        writeln!(out, "\n  {title}: nothing readable was found")?;
    } else {
        writeln!(out, "\n  {title}: nothing is readable")?;
    }
    writeln!(
        out,
        "    of {}: readable {}, encrypted end to end {}, in ESP {}, unknown {}",
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
        writeln!(out, "    {samples} of conversations beyond the limit")?;
    }
    if let Some(advice) = advice::of_chapter(chapter, platform) {
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
        "    {protocol:<13}  {exposure:<10}  {:>9}  {:>8}  {:>9} packet{}",
        bytes(size),
        percent(size, total),
        grouped(packets),
        if packets == 1 { "" } else { "s" }
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
        write!(out, "        ")?;
        if let Some(vni) = conversation.inner_vni {
            write!(out, "vni {vni}  ")?;
        }
        write!(
            out,
            "{} > {} {}",
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
