//! `overlay-monitor top`: the networks on a screen, of an agent that it starts itself, or of one that runs.

mod terminal;

use std::future::Future;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::cli::TopArgs;
use super::own_agent;
use super::pages::Pages;
use crate::base::failure::Failure;
use crate::base::output::Output;
use crate::surface::format::Format;
use crate::surface::live::Reading;
use crate::surface::top::{Board, Look, frame, lines, press};

use terminal::Screen;

/// How often the agent is read.
const EVERY: Duration = Duration::from_secs(1);
/// Columns of a frame that is printed once, and its rows beside those of the networks.
const COLUMNS: u16 = 120;
const ROWS: usize = 4;

pub(super) async fn run(args: &TopArgs, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    if args.has_screen() && !io::stdout().is_terminal() {
        return Err(Failure::usage(anyhow!(
            "standard output is no terminal; give --once or --format json"
        )));
    }
    let shown = async |pages: Pages| {
        tokio::select! {
            result = show(args, &pages) => result,
            () = stop => Ok(()),
        }
    };
    if let Some(url) = &args.url {
        return shown(Pages::of_url(url, args.access.read()?)?).await;
    }
    args.access.refuse("--url")?;
    let session = own_agent::watch(&args.watch, &args.policy, &args.docker)?;
    let pages = Pages::of_agent(session.agent());
    let ended = session.run(|_| ControlFlow::Continue(()), shown(pages));
    ended.await?.unwrap_or(Ok(()))
}

/// Reads and shows until the user leaves.
async fn show(args: &TopArgs, pages: &Pages) -> Result<(), Failure> {
    let start = Instant::now();
    let mut board = Board::default();
    board.read(read(pages, start).await.map_err(Failure::runtime)?);
    if args.has_screen() {
        return on_screen(pages, start, board).await;
    }
    loop {
        tokio::time::sleep(EVERY).await;
        board.read(read(pages, start).await.map_err(Failure::runtime)?);
        let text = match args.format {
            Format::Json => lines(&board).map_err(Failure::runtime)?,
            Format::Text => {
                let rows = u16::try_from(board.networks() + ROWS).unwrap_or(u16::MAX);
                frame(&board, COLUMNS, rows).map_err(Failure::runtime)?
            }
        };
        let mut output = Output::stdout();
        output.print(format_args!("{text}"))?;
        if args.once || output.is_closed() {
            return Ok(());
        }
    }
}

async fn on_screen(pages: &Pages, start: Instant, mut board: Board) -> Result<(), Failure> {
    let look = Look {
        is_coloured: std::env::var_os("NO_COLOR").is_none(),
    };
    let mut screen = Screen::open().map_err(Failure::runtime)?;
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        screen.draw(&board, look).map_err(Failure::runtime)?;
        tokio::select! {
            event = screen.next() => match event {
                // The terminal is gone, or its user wants to leave.
                None | Some(terminal::Event::Leave) => return Ok(()),
                Some(terminal::Event::Resized) => {}
                Some(terminal::Event::Pressed(key)) => {
                    if !press(&mut board, key) {
                        return Ok(());
                    }
                }
            },
            _ = tick.tick() => match read(pages, start).await {
                Ok(reading) => board.read(reading),
                Err(error) => board.miss(monitor_classify::text::escape(format!("{error:#}"), 200)),
            },
        }
    }
}

async fn read(pages: &Pages, start: Instant) -> anyhow::Result<Reading> {
    pages.reading(|| start.elapsed()).await
}
