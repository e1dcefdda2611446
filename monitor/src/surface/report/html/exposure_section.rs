//! What is readable, network by network, as markup.

use monitor_common::config::HostFlows;

use super::chart;
use super::tags::{tag, tag_of};
use crate::host::platform::Platform;
use crate::surface::html::Markup;
use crate::surface::numbers::{bytes, grouped, percent, some};
use crate::surface::report::chapter::{Chapter, Row};
use crate::surface::report::conversation::{Conversation, Speech};
use crate::surface::report::{ExposureReport, advice};
use crate::traffic::record_text::Endpoint;
use monitor_classify::{CredentialKind, Exposure};

/// Conversations that are shown of one protocol.
const SHOWN: usize = 16;

pub(super) fn all(page: &mut Markup, exposure: &ExposureReport) {
    page.raw("<h2>What is readable, by whom, and what to do</h2>\n");
    if !exposure.is_watched {
        page.raw("<p>Exposure was not watched (exposure is off).</p>\n");
        return;
    }
    if exposure.chapters.is_empty() {
        page.raw("<p>No packets were seen.</p>\n");
    }
    let (shown, more) = exposure.shown();
    for chapter in shown {
        one(page, chapter, exposure.platform);
    }
    if more != 0 {
        let more = some(more as u64, "more network");
        page.element("<p>", more, ", with less plaintext.</p>\n");
    }
    match exposure.host_flows {
        HostFlows::Off => {
            page.raw("<p>Host traffic outside any overlay (published ports) was not watched (--host-flows off).</p>\n");
        }
        HostFlows::Ports => {
            page.raw(
                "<p>Only some ports of host traffic outside any overlay were watched (--host-flows).</p>\n",
            );
        }
        HostFlows::All => {}
    }
    if let Some(copies) = exposure.decrypted_copies() {
        page.element("<p>", copies, "</p>\n");
    }
    if exposure.is_lower_bound {
        page.raw("<p>More may be readable: samples were lost or capped, or a map was full.</p>\n");
    }
}

fn one(page: &mut Markup, chapter: &Chapter, platform: Platform) {
    let shares = chapter.shares();
    let total = shares.total();
    page.raw("<section>\n");
    page.element("<h3>", chapter.title(), "</h3>\n<p>");
    if shares.readable != 0 {
        page.element(tag(&shares), percent(shares.readable, total), "</span> of ")
            .text(bytes(total))
            .element(" is readable by ", chapter.readers(), ".</p>\n");
    } else if shares.unknown != 0 {
        page.raw(tag(&shares))
            .raw("nothing readable was found</span> in ")
            .element("", bytes(total), ".</p>\n");
    } else {
        page.raw(tag(&shares))
            .raw("nothing is readable</span> in ")
            .element("", bytes(total), ".</p>\n");
    }
    chart::bar(page, &shares);
    protocols(page, chapter, total);
    conversations(page, chapter);
    todo(page, chapter, platform);
    page.raw("</section>\n");
}

fn begin(page: &mut Markup, chapter: &Chapter, what: &'static str) {
    page.element(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"",
        what,
        " of ",
    )
    .element("", chapter.title(), "\">");
    page.element("<table><caption>", what, "</caption>\n<thead><tr>");
}

fn protocols(page: &mut Markup, chapter: &Chapter, total: u64) {
    begin(page, chapter, "Protocols");
    page.raw(
        "<th scope=\"col\">Protocol</th><th scope=\"col\">Verdict</th><th scope=\"col\" class=\"n\">Bytes</th>\
         <th scope=\"col\" class=\"n\">Share</th><th scope=\"col\" class=\"n\">Packets</th>\
         <th scope=\"col\">Credentials</th></tr></thead>\n<tbody>\n",
    );
    let mut row = |name: &str, verdict: Exposure, size: u64, packets: u64, credentials: String| {
        page.element("<tr><th scope=\"row\">", name, "</th><td>");
        page.element(tag_of(verdict), verdict, "</span></td>");
        page.element("<td class=\"n\">", bytes(size), "</td>");
        page.element("<td class=\"n\">", percent(size, total), "</td>");
        page.element("<td class=\"n\">", grouped(packets), "</td>");
        page.element("<td>", credentials, "</td></tr>\n");
    };
    for at in &chapter.rows {
        let credentials = kinds(at.credentials.iter());
        let count = at.count;
        row(
            at.protocol.name(),
            at.exposure,
            count.bytes,
            count.packets,
            credentials,
        );
    }
    if chapter.in_esp.packets != 0 {
        let count = chapter.in_esp;
        row(
            "in ESP",
            Exposure::Encrypted,
            count.bytes,
            count.packets,
            String::new(),
        );
    }
    page.raw("</tbody></table></div>\n");
}

fn conversations(page: &mut Markup, chapter: &Chapter) {
    if chapter.rows.iter().all(|row| row.conversations.is_empty()) {
        return;
    }
    begin(page, chapter, "Who talks to whom");
    page.raw(
        "<th scope=\"col\">Protocol</th><th scope=\"col\">Client</th><th scope=\"col\">Server</th>\
         <th scope=\"col\">What was seen (redacted)</th><th scope=\"col\">Credentials</th></tr></thead>\n<tbody>\n",
    );
    for row in &chapter.rows {
        for at in row.conversations.iter().take(SHOWN) {
            conversation(page, row, at);
        }
        let more = row.conversations.len().saturating_sub(SHOWN) as u64;
        if more != 0 {
            page.element(
                "<tr><th scope=\"row\">",
                row.protocol,
                "</th><td colspan=\"4\">and ",
            )
            .element("", some(more, "more conversation"), "</td></tr>\n");
        }
    }
    page.raw("</tbody></table></div>\n");
    if chapter.beyond != 0 {
        let samples = some(chapter.beyond, "sample");
        page.element(
            "<p class=\"soft\">",
            samples,
            " of conversations beyond the limit.</p>\n",
        );
    }
}

fn conversation(page: &mut Markup, row: &Row, (conversation, speech): &(Conversation, Speech)) {
    page.element("<tr><th scope=\"row\">", row.protocol, "</th>");
    page.element("<td>", conversation.client, "</td><td>");
    page.text(Endpoint(conversation.server, conversation.port));
    page.element(" ", conversation.transport, "");
    if let Some(vni) = conversation.inner_vni {
        page.element(", inside VNI ", vni, "");
    }
    page.raw("</td><td>");
    if let Some(evidence) = &speech.evidence {
        page.element("<code>", evidence, "</code>");
    }
    page.element(
        "</td><td>",
        kinds(speech.credentials.iter()),
        "</td></tr>\n",
    );
}

fn todo(page: &mut Markup, chapter: &Chapter, platform: Platform) {
    let of_network = advice::of_chapter(chapter, platform);
    let of_rows: Vec<_> = chapter
        .rows
        .iter()
        .flat_map(|row| {
            let of_row = advice::of_row(row).map(|advice| (row, "", advice));
            let of_them = advice::of_credentials(row).map(|advice| (row, " credentials", advice));
            [of_row, of_them].into_iter().flatten()
        })
        .collect();
    if of_network.is_none() && of_rows.is_empty() {
        return;
    }
    page.raw("<p><strong>To do</strong></p>\n<ul class=\"do\">");
    if let Some(advice) = of_network {
        page.element("<li>", advice, ".</li>");
    }
    for (row, what, advice) in of_rows {
        page.element("<li>", row.protocol, "")
            .element("", what, ": ")
            .element("", advice, ".</li>");
    }
    page.raw("</ul>\n");
}

/// Credentials in cleartext, of all networks: the most important result.
pub(super) fn credentials(page: &mut Markup, exposure: &ExposureReport) {
    /// Conversations that are listed.
    const NAMED: usize = 12;
    if exposure.credentials().is_empty() {
        return;
    }
    page.raw("<h2>Credentials in cleartext</h2>\n");
    let mut all = exposure.chapters.iter().flat_map(|chapter| {
        let talks = chapter.rows.iter().flat_map(|row| &row.conversations);
        let with = talks.filter(|(_, speech)| !speech.credentials.is_empty());
        with.map(move |(conversation, speech)| (chapter, conversation, speech))
    });
    page.raw("<ul class=\"do\">");
    for (chapter, conversation, speech) in all.by_ref().take(NAMED) {
        page.element(
            "<li><strong>",
            kinds(speech.credentials.iter()),
            "</strong> of ",
        )
        .text(conversation.client)
        .text(" to ")
        .text(Endpoint(conversation.server, conversation.port))
        .element(" (", speech.protocol, "), ")
        .element("", chapter.title(), "</li>");
    }
    page.raw("</ul>\n");
    let more = all.count() as u64;
    if more != 0 {
        page.element("<p>", some(more, "more conversation"), " below.</p>\n");
    }
    page.raw("<p>Anyone on the path has them. Change them, once the path is encrypted.</p>\n");
}

/// Kinds of credentials, as a list.
fn kinds<'a>(kinds: impl Iterator<Item = &'a CredentialKind>) -> String {
    kinds.map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}
