//! The terminal while `top` has it. It is given back when the screen is dropped, and in a panic.

use std::io;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use crate::surface::top::{Board, Key, Look, draw};

/// Events that wait for the screen.
const WAITING: usize = 64;

/// What happens on a terminal.
pub(super) enum Event {
    Pressed(Key),
    Resized,
    /// Ctrl-C.
    Leave,
}

/// The terminal.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    events: mpsc::Receiver<Event>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It cannot be switched to.
    pub(super) fn open() -> io::Result<Screen> {
        let terminal = ratatui::try_init()?;
        let (to, events) = mpsc::channel(WAITING);
        // It ends with the process: there is no way to interrupt a read of a terminal.
        std::thread::spawn(move || {
            while let Ok(event) = event::read() {
                if let Some(event) = understood(&event)
                    && to.blocking_send(event).is_err()
                {
                    return;
                }
            }
        });
        Ok(Screen { terminal, events })
    }

    /// Draws a frame.
    ///
    /// # Errors
    /// The terminal does not take it.
    pub(super) fn draw(&mut self, board: &Board, look: Look) -> io::Result<()> {
        self.terminal.draw(|frame| draw(board, look, frame))?;
        Ok(())
    }

    /// The next event; `None` once the terminal is gone.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn understood(event: &event::Event) -> Option<Event> {
    let key = match event {
        event::Event::Resize(..) => return Some(Event::Resized),
        event::Event::Key(key) if key.kind != KeyEventKind::Release => key,
        _ => return None,
    };
    let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let pressed = match key.code {
        KeyCode::Char('c') if has_control => return Some(Event::Leave),
        KeyCode::Char(character) if !has_control => Key::Character(character),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Enter => Key::Enter,
        KeyCode::Backspace => Key::Back,
        KeyCode::Esc => Key::Escape,
        _ => return None,
    };
    Some(Event::Pressed(pressed))
}
