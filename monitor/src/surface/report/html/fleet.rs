//! The page of a fleet: the verdict, what is wrong or not known, and a table.

use super::shell;
use super::tags::tag_of_state;
use crate::base::failure::{Failure, FailureKind};
use crate::base::plural::counted;
use crate::host::described_network::shown;
use crate::policy::State;
use crate::surface::html::Markup;
use crate::surface::numbers::{bytes, grouped, long, moment};
use crate::surface::report::fleet::{FleetHistory, FleetNow, NetworkHistory, Scope, Verdict};

/// Phrases of a list that are shown.
const LISTED: usize = 500;
const FOOTER: &str = "It shows which networks exist and where: share it accordingly.";

/// The page of a fleet at this moment.
#[must_use]
pub fn now(fleet: &FleetNow) -> String {
    let mut page = Markup::default();
    begin(&mut page, &fleet.scope, &moment(fleet.scope.to));
    let says = match kind(&fleet.outcome()) {
        None => ("<p class=\"verdict good\"><strong>", "No policy violations"),
        Some(FailureKind::Violation) => ("<p class=\"verdict bad\"><strong>", "Policy is violated"),
        Some(_) => ("<p class=\"verdict dim\"><strong>", "Undecided"),
    };
    page.element(says.0, says.1, "</strong> ")
        .element("", fleet.sentence(), ".</p>\n");
    list(&mut page, "<h2>Violations</h2>\n<ul>", &fleet.violations());
    list(
        &mut page,
        "<h2>What could not be determined</h2>\n<ul>",
        &fleet.undecided(),
    );
    page.raw(
        "<h2>Networks</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Networks by node\">\
         <table><caption>Networks by node</caption>\n<thead><tr><th scope=\"col\">Network</th>\
         <th scope=\"col\" class=\"n\">VNI</th><th scope=\"col\">Node</th><th scope=\"col\">Encryption</th>\
         <th scope=\"col\">State</th><th scope=\"col\" class=\"n\">Readable</th>\
         <th scope=\"col\">Readable protocols</th></tr></thead>\n<tbody>\n",
    );
    for row in &fleet.rows {
        head(&mut page, &row.name, row.vni, &row.node.to_string());
        let wanted = row.required.map_or("-", |required| required.name());
        page.element("<td>", wanted, "</td><td>");
        match row.state {
            Some(state) => page.element(tag_of_state(state), state.name(), "</span></td>"),
            None => page.raw("-</td>"),
        };
        let readable: Vec<&str> = row.readable.iter().map(String::as_str).collect();
        page.element("<td class=\"n\">", row.share_text(), "</td>");
        page.element("<td>", readable.join(", "), "</td></tr>\n");
    }
    page.raw("</tbody></table></div>\n");
    shell::close(&mut page, FOOTER);
    page.finish()
}

/// The page of a fleet over a time.
#[must_use]
pub fn history(fleet: &FleetHistory) -> String {
    let mut page = Markup::default();
    let times = format!("{} to {}", moment(fleet.from), moment(fleet.scope.to));
    begin(&mut page, &fleet.scope, &times);
    let says = match fleet.verdict() {
        Verdict::Proven => ("<p class=\"verdict good\"><strong>", "Proven"),
        Verdict::Violated => ("<p class=\"verdict bad\"><strong>", "Violated"),
        Verdict::NotProven => ("<p class=\"verdict dim\"><strong>", "Not proven"),
    };
    page.element(says.0, says.1, "</strong> ")
        .element("", fleet.sentence(), ".</p>\n");
    list(&mut page, "<h2>Violations</h2>\n<ul>", &fleet.violations());
    list(
        &mut page,
        "<h2>What is not proven</h2>\n<ul>",
        &fleet.doubts(),
    );
    page.raw(
        "<h2>Required networks</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Required networks by node\">\
         <table><caption>Required networks by node: how long each was what</caption>\n<thead><tr><th scope=\"col\">Network</th>\
         <th scope=\"col\" class=\"n\">VNI</th><th scope=\"col\">Node</th><th scope=\"col\" class=\"n\">Encrypted</th>\
         <th scope=\"col\" class=\"n\">Cleartext</th><th scope=\"col\" class=\"n\">Idle</th>\
         <th scope=\"col\" class=\"n\">Unknown</th><th scope=\"col\" class=\"n\">Undescribed</th>\
         <th scope=\"col\" class=\"n\">Not covered</th><th scope=\"col\" class=\"n\">Cleartext packets</th>\
         <th scope=\"col\" class=\"n\">Their bytes</th></tr></thead>\n<tbody>\n",
    );
    for row in &fleet.rows {
        times_of(&mut page, row);
    }
    page.raw("</tbody></table></div>\n").raw(WORDS);
    shell::close(&mut page, FOOTER);
    page.finish()
}

fn times_of(page: &mut Markup, row: &NetworkHistory) {
    head(page, &row.name, row.vni, &row.node.to_string());
    let times = [
        row.time(State::Encrypted),
        row.in_cleartext(),
        row.time(State::Idle),
        row.time(State::Unknown),
        row.undescribed,
        row.uncovered(),
    ];
    for time in times {
        page.element("<td class=\"n\">", long(time), "</td>");
    }
    let seen = row
        .cleartext
        .as_ref()
        .map(|seen| (seen.packets, seen.bytes));
    let (packets, size) = seen.unwrap_or_default();
    page.element("<td class=\"n\">", grouped(packets), "</td>")
        .element("<td class=\"n\">", bytes(size), "</td></tr>\n");
}

fn begin(page: &mut Markup, scope: &Scope, times: &str) {
    shell::open(page, "Overlay networks of a fleet");
    page.raw("<header>\n<h1>Overlay networks of a fleet</h1>\n");
    page.element("<p class=\"soft\">", times, "; ").element(
        "",
        format_args!(
            "{} of the job {:?}, by {}",
            counted(scope.nodes, "node"),
            scope.job,
            scope.server
        ),
        "</p>\n</header>\n<main>\n",
    );
}

fn head(page: &mut Markup, name: &str, vni: u32, node: &str) {
    let name = if name.is_empty() {
        "-".to_owned()
    } else {
        shown(name)
    };
    page.element("<tr><th scope=\"row\">", name, "</th>")
        .element("<td class=\"n\">", vni, "</td>")
        .element("<td>", node, "</td>");
}

fn list(page: &mut Markup, open: &'static str, phrases: &[String]) {
    if phrases.is_empty() {
        return;
    }
    page.raw(open);
    for phrase in &phrases[..phrases.len().min(LISTED)] {
        page.element("<li>", phrase, "</li>\n");
    }
    if phrases.len() > LISTED {
        let more = phrases.len() - LISTED;
        page.element("<li>and ", more, " more; the JSON has all</li>\n");
    }
    page.raw("</ul>\n");
}

fn kind(outcome: &Result<(), Failure>) -> Option<FailureKind> {
    outcome.as_ref().err().map(|failure| failure.kind)
}

const WORDS: &str = "<h2>Terms</h2>\n<dl class=\"words card\">\
    <dt>encrypted, cleartext, idle</dt><dd>What was seen within the window of the state, a minute by default: only ESP; cleartext, alone or beside ESP; nothing.</dd>\
    <dt>unknown</dt><dd>The agent ran and could not determine the state. Unknown is never counted as encrypted.</dd>\
    <dt>undescribed</dt><dd>The agent ran and had no description of the network on this node.</dd>\
    <dt>not covered</dt><dd>No agent is known to have watched.</dd>\
    <dt>between … and …</dt><dd>The scrapes around what was counted: the last one before, and the first one after.</dd></dl>\n";
