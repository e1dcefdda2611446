//! A frame: what is wrong in the first line, then the networks, then what can be pressed.

use std::io;

use ratatui::Frame;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Wrap};

use super::board::{Board, Concern, Row};
use super::words::{rate, sparkline};
use crate::base::plural::counted;
use crate::host::described_network::{Requirement, title};
use crate::policy::State;
use crate::surface::report::numbers::percent;

/// How a frame may look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Whether there are colours.
    pub is_coloured: bool,
}

impl Look {
    fn colour(self, colour: Color) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        if self.is_coloured {
            bold.fg(colour)
        } else {
            bold
        }
    }

    fn of(self, concern: Concern) -> Style {
        match concern {
            Concern::Violated => self.colour(Color::Red),
            Concern::Undecided => self.colour(Color::Yellow),
            Concern::Readable => self.colour(Color::Magenta),
            Concern::Fine if self.is_coloured => Style::new().fg(Color::Green),
            Concern::Fine => Style::new(),
        }
    }
}

/// A symbol beside the colour.
const fn symbol(concern: Concern, state: State) -> &'static str {
    match (concern, state) {
        (Concern::Violated, _) => "!",
        (Concern::Undecided, _) | (_, State::Unknown) => "?",
        (Concern::Readable, _) => "~",
        (Concern::Fine, State::Idle) => ".",
        (Concern::Fine, _) => "+",
    }
}

/// Draws a frame.
pub fn draw(board: &Board, look: Look, frame: &mut Frame<'_>) {
    let area = frame.area();
    let (top, middle, bottom) = (
        Rect {
            height: area.height.min(2),
            ..area
        },
        Rect {
            y: area.y + 2.min(area.height),
            height: area.height.saturating_sub(3),
            ..area
        },
        Rect {
            y: area.y + area.height.saturating_sub(1),
            height: area.height.min(1),
            ..area
        },
    );
    frame.render_widget(Paragraph::new(head(board, look)), top);
    let columns = usize::from(area.width);
    let body = match board.opened {
        _ if board.is_help => Text::from(HELP),
        Some(vni) => detail(board, vni, columns, look),
        None => table(board, columns, usize::from(middle.height), look),
    };
    let mut paragraph = Paragraph::new(body);
    if board.is_help || board.opened.is_some() {
        paragraph = paragraph.wrap(Wrap { trim: false });
    }
    frame.render_widget(paragraph, middle);
    frame.render_widget(Paragraph::new(foot(board)), bottom);
}

/// A frame as text.
///
/// # Errors
/// None is known: it is drawn into a buffer.
pub fn frame(board: &Board, columns: u16, rows: u16) -> io::Result<String> {
    let look = Look { is_coloured: false };
    let mut terminal = Terminal::new(TestBackend::new(columns, rows))?;
    terminal.draw(|frame| draw(board, look, frame))?;
    let buffer = terminal.backend().buffer();
    let cells: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
    let lines = cells.chunks(usize::from(columns));
    let mut text = String::new();
    for line in lines {
        text.push_str(line.concat().trim_end());
        text.push('\n');
    }
    Ok(text)
}

fn head(board: &Board, look: Look) -> Text<'static> {
    let (violated, undecided) = board.concerns();
    let blind = &board.last.blind;
    let (concern, says) = if let Some(trouble) = &board.trouble {
        (Concern::Undecided, format!("? NO ANSWER: {trouble}"))
    } else if violated != 0 {
        let says = format!("! {} VIOLATED", counted(violated, "network"));
        (Concern::Violated, says)
    } else if !blind.is_empty() {
        (Concern::Undecided, format!("? BLIND: {}", blind.join(", ")))
    } else if undecided != 0 {
        let says = format!("? {} undecided", counted(undecided, "network"));
        (Concern::Undecided, says)
    } else {
        (Concern::Fine, "+ no violation".to_owned())
    };
    let mut about = counted(board.last.networks.len(), "network");
    if !board.last.node.is_empty() {
        about = format!("{}: {about}", board.last.node);
    }
    about += &format!("; by {}", board.order.name());
    if board.is_typing || !board.filter.is_empty() {
        about += &format!("; with {:?}", board.filter);
    }
    let mut first = vec![Span::styled(says, look.of(concern))];
    if board.is_paused {
        first.push(Span::styled("  PAUSED", look.colour(Color::Yellow)));
    }
    Text::from(vec![Line::from(first), Line::from(about)])
}

fn foot(board: &Board) -> String {
    if board.is_typing {
        return "type a part of a name, VNI or state; Enter keeps it, Esc clears it".to_owned();
    }
    "q quit  Enter open  s sort  / filter  p pause  ? help".to_owned()
}

/// The columns that fit, with their widths.
struct Columns {
    name: usize,
    has_rates: bool,
    spark: usize,
    protocols: usize,
}

impl Columns {
    fn of(width: usize) -> Columns {
        // Symbol, VNI, state and readable part take 34, the rates 22.
        let has_rates = width >= 72;
        let mut rest = width.saturating_sub(34 + 22 * usize::from(has_rates));
        let name = rest.min(24);
        rest -= name;
        let spark = if rest >= 17 {
            15 + (rest / 3).min(15)
        } else {
            0
        };
        let spark = spark.min(rest.saturating_sub(2));
        rest -= (spark + 2).min(rest) * usize::from(spark != 0);
        let protocols = if rest >= 10 { rest - 2 } else { 0 };
        Columns {
            name,
            has_rates,
            spark,
            protocols,
        }
    }
}

fn table(board: &Board, width: usize, height: usize, look: Look) -> Text<'static> {
    let columns = Columns::of(width);
    let mut title = format!(
        "  {:>8}  {:<name$}  {:<9}  {:>7}",
        "VNI",
        "network",
        "state",
        "read",
        name = columns.name
    );
    if columns.has_rates {
        title += &format!("  {:>9}  {:>9}", "received", "sent");
    }
    if columns.spark != 0 {
        title += &format!("  {:<spark$}", "last minute", spark = columns.spark);
    }
    if columns.protocols != 0 {
        title += "  readable";
    }
    let underlined = Style::new().add_modifier(Modifier::UNDERLINED);
    let mut lines = vec![Line::styled(title, underlined)];
    let rows = board.rows();
    if rows.is_empty() {
        lines.push(Line::from("  no network"));
    }
    let shown = height.saturating_sub(1).max(1);
    let first = (board.selected + 1).saturating_sub(shown);
    for (n, row) in rows.iter().enumerate().skip(first).take(shown) {
        let mut style = look.of(row.concern);
        if n == board.selected {
            style = style.add_modifier(Modifier::REVERSED);
        }
        let mark = symbol(row.concern, row.network.state);
        lines.push(Line::styled(line(board, row, mark, &columns), style));
    }
    Text::from(lines)
}

fn line(board: &Board, row: &Row<'_>, mark: &str, columns: &Columns) -> String {
    let network = row.network;
    let name = if network.name.is_empty() {
        "-"
    } else {
        &network.name
    };
    let mut text = format!(
        "{mark} {:>8}  {:<width$.width$}  {:<9}  {:>7}",
        row.vni,
        name,
        network.state.name(),
        share(network.readable()),
        width = columns.name
    );
    if columns.has_rates {
        let [received, sent] = row.rate.map(rate);
        text += &format!("  {received:>9}  {sent:>9}");
    }
    if columns.spark != 0 {
        let spark = sparkline(board.minute(row.vni), columns.spark);
        text += &format!("  {spark}");
    }
    if columns.protocols != 0 {
        let readable = network
            .protocols
            .iter()
            .filter(|(_, [part, _])| *part > 0.0);
        let names: Vec<&str> = readable.map(|(name, _)| name.as_str()).collect();
        text += &format!("  {:.width$}", names.join(" "), width = columns.protocols);
    }
    text
}

fn share(share: Option<f64>) -> String {
    const PARTS: f64 = 1e6;
    share.map_or_else(
        || "-".to_owned(),
        |share| percent((share * PARTS).ceil() as u64, PARTS as u64),
    )
}

fn detail(board: &Board, vni: u32, width: usize, look: Look) -> Text<'static> {
    let Some(network) = board.last.networks.get(&vni) else {
        return Text::from("This network is gone; Esc goes back.");
    };
    let wanted = network.required.map_or("no requirement", Requirement::name);
    let concern = board
        .rows()
        .iter()
        .find(|row| row.vni == vni)
        .map_or(Concern::Fine, |row| row.concern);
    let mark = symbol(concern, network.state);
    let title = format!(
        "{mark} {}: {}, {wanted}",
        title(vni, &network.name),
        network.state.name()
    );
    let mut lines = vec![Line::styled(title, look.of(concern))];
    for violation in board.violations(vni) {
        let when = if violation.is_active { "now" } else { "over" };
        lines.push(Line::from(format!(
            "violation ({when}): {}",
            violation.text
        )));
        let peers = violation.peers.iter();
        lines.extend(peers.map(|peer| Line::from(format!("  peer {peer}"))));
        let causes = violation.causes.iter();
        lines.extend(causes.map(|cause| Line::from(format!("  likely cause: {cause}"))));
    }
    let doubts = network.doubts.iter();
    lines.extend(doubts.map(|doubt| Line::from(format!("not certain: {doubt}"))));
    lines.push(Line::from(format!(
        "last minute |{}|",
        sparkline(board.minute(vni), width.saturating_sub(15).min(60))
    )));
    for (protocol, [readable, all]) in &network.protocols {
        let part = share((*all > 0.0).then_some(readable / all));
        lines.push(Line::from(format!("{protocol:<16} {part:>7} readable")));
    }
    Text::from(lines)
}

const HELP: &str = "\
! a requirement is violated       ? undecided: idle, unknown
~ in cleartext, with no requirement that it breaks
+ encrypted or as required        . idle

up, down, j, k  select            Enter  open a network
s  sort: state, rate, readable, name
/  filter by name, VNI or state   Esc  close, or show all
p, space  pause                   q, Ctrl-C  quit
";
