//! A frame: what is wrong in the first line, then the networks, then what can be pressed.

use std::io;

use ratatui::Frame;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Wrap};

use super::board::{Board, Row};
use super::words::sparkline;
use crate::base::plural::counted;
use crate::host::described_network::Requirement;
use crate::surface::live::{Concern, Headline, rate, share, symbol, title};

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
    let headline = board.live.headline();
    let concern = headline.concern();
    let says = match headline {
        Headline::NoAnswer(trouble) => format!("? NO ANSWER: {trouble}"),
        Headline::Violated(networks) => format!("! {} VIOLATED", counted(networks, "network")),
        Headline::Blind(blind) => format!("? BLIND: {}", blind.join(", ")),
        Headline::Undecided(networks) => format!("? {} undecided", counted(networks, "network")),
        Headline::Fine => "+ no violation".to_owned(),
    };
    let mut about = counted(board.networks(), "network");
    let node = &board.live.last().node;
    if !node.is_empty() {
        about = format!("{node}: {about}");
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
        let spark = sparkline(minute(board, row.vni), columns.spark);
        text += &format!("  {spark}");
    }
    if columns.protocols != 0 {
        let names: Vec<&str> = network.readable_protocols().collect();
        text += &format!("  {:.width$}", names.join(" "), width = columns.protocols);
    }
    text
}

fn minute(board: &Board, vni: u32) -> impl ExactSizeIterator<Item = f64> {
    board.live.minute(vni).map(|(_, bytes)| bytes)
}

fn detail(board: &Board, vni: u32, width: usize, look: Look) -> Text<'static> {
    let Some(network) = board.live.last().networks.get(&vni) else {
        return Text::from("This network is gone; Esc goes back.");
    };
    let wanted = network.required.map_or("no requirement", Requirement::name);
    let concern = board.live.concern(vni, network);
    let mark = symbol(concern, network.state);
    let title = format!(
        "{mark} {}: {}, {wanted}",
        title(vni, &network.name),
        network.state.name()
    );
    let mut lines = vec![Line::styled(title, look.of(concern))];
    for violation in board.live.violations(vni) {
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
        sparkline(minute(board, vni), width.saturating_sub(15).min(60))
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
