//! Networks with their requirement and state, violations and doubts, as markup.

use super::tags::tag_of_state;
use crate::host::described_network::shown;
use crate::policy::{NetworkKind, NetworkStatus, State};
use crate::surface::html::Markup;
use crate::surface::numbers::{grouped, percent};
use crate::surface::report::Audit;
use crate::surface::report::conclusion;
use crate::surface::report::listed::Listed;

pub(super) fn violations(page: &mut Markup, audit: &Audit) {
    if audit.report.violations.is_empty() {
        return;
    }
    page.raw("<h2>Violations</h2>\n");
    for finding in conclusion::findings(&audit.report.violations) {
        page.element(
            "<div class=\"card\"><p><strong>",
            &finding.what,
            "</strong></p>\n",
        );
        for violation in &finding.directions {
            page.element("<p>", finding.direction(violation), ".</p>\n");
        }
        if !finding.causes().is_empty() {
            page.raw("<ul class=\"do\">");
            for cause in finding.causes() {
                page.element("<li>Likely cause: ", cause, "</li>");
            }
            page.raw("</ul>");
        }
        page.raw("</div>\n");
    }
}

pub(super) fn tables(page: &mut Markup, audit: &Audit) {
    let is_ingress = |status: &&NetworkStatus| {
        let network = status.network.as_ref();
        network.is_some_and(|network| network.kind == NetworkKind::Ingress)
    };
    let (ingress, networks): (Vec<_>, Vec<_>) = audit.report.networks.iter().partition(is_ingress);
    page.raw("<h2>Networks</h2>\n");
    if networks.is_empty() {
        page.raw("<p>No networks: none is configured, Docker reports none, and no overlay traffic was seen.</p>\n");
    } else {
        table(page, "Overlay networks, by VNI", &networks);
    }
    if !ingress.is_empty() {
        let says = "Published ports: the ingress network, which Docker encrypts only on request";
        table(page, says, &ingress);
    }
}

fn table(page: &mut Markup, caption: &'static str, rows: &[&NetworkStatus]) {
    page.element(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"",
        caption,
        "\">",
    );
    page.element("<table><caption>", caption, "</caption>\n<thead><tr>");
    page.raw(
        "<th scope=\"col\">Network</th><th scope=\"col\" class=\"n\">VNI</th><th scope=\"col\">Encryption</th>\
         <th scope=\"col\">State</th><th scope=\"col\" class=\"n\">Cleartext packets</th>\
         <th scope=\"col\" class=\"n\">Packets in ESP</th></tr></thead>\n<tbody>\n",
    );
    let listed = Listed::of(rows);
    for status in &listed.rows {
        let network = status.network.as_ref();
        let name = network.map(|network| shown(&network.name));
        page.element(
            "<tr><th scope=\"row\">",
            name.as_deref().unwrap_or("-"),
            "</th>",
        );
        page.element("<td class=\"n\">", status.vni, "</td>");
        let wanted = network.map_or("-", |network| network.required.name());
        page.element("<td>", wanted, "</td><td>");
        page.element(tag_of_state(status.state), status.state.name(), "</span>");
        let (cleartext, encrypted) = (
            status.seen.cleartext_packets(),
            status.seen.encrypted_packets(),
        );
        if status.state == State::Mixed {
            let share = percent(cleartext, cleartext.saturating_add(encrypted));
            page.element(" ", share, " in cleartext");
        }
        page.element("</td><td class=\"n\">", grouped(cleartext), "</td>");
        page.element("<td class=\"n\">", grouped(encrypted), "</td></tr>\n");
    }
    page.raw("</tbody></table></div>\n");
    if let Some(rest) = listed.rest() {
        page.element("<p>", rest, "</p>\n");
    }
}

pub(super) fn doubts(page: &mut Markup, audit: &Audit) {
    let undecided = audit.undecided();
    let all = audit.report.networks.iter();
    let mut why: Vec<_> = all.flat_map(|status| status.doubts.clone()).collect();
    why.sort_unstable();
    why.dedup();
    if undecided.is_empty() && why.is_empty() {
        return;
    }
    page.raw("<h2>What could not be determined</h2>\n<ul>");
    for doubt in undecided {
        page.element("<li>", doubt, "</li>");
    }
    for doubt in why {
        page.element("<li>", doubt.name(), ": ")
            .element("", doubt.sentence(), "</li>");
    }
    page.raw("</ul>\n");
}
