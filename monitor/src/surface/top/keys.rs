//! What the keys do.

use super::board::Board;

/// A key that is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Character(char),
    /// Up by one.
    Up,
    /// Down by one.
    Down,
    /// Enter.
    Enter,
    /// Backspace.
    Back,
    /// Escape.
    Escape,
}

/// Longest filter in characters.
const FILTER: usize = 40;

/// Does what a key means. Returns whether to go on.
pub fn press(board: &mut Board, key: Key) -> bool {
    if board.is_typing {
        match key {
            Key::Character(c) if matches!(c, ' '..='~') && board.filter.len() < FILTER => {
                board.filter.push(c);
            }
            Key::Back => drop(board.filter.pop()),
            Key::Escape => {
                board.filter.clear();
                board.is_typing = false;
            }
            Key::Enter => board.is_typing = false,
            Key::Character(_) | Key::Up | Key::Down => {}
        }
        board.selected = 0;
        return true;
    }
    match key {
        Key::Character('q') => return false,
        Key::Character('?' | 'h') => board.is_help = !board.is_help,
        Key::Character('p' | ' ') => board.is_paused = !board.is_paused,
        Key::Character('s') => board.order = board.order.next(),
        Key::Character('/') => board.is_typing = true,
        Key::Character('j') | Key::Down => {
            let last = board.rows().len().saturating_sub(1);
            board.selected = (board.selected + 1).min(last);
        }
        Key::Character('k') | Key::Up => board.selected = board.selected.saturating_sub(1),
        Key::Enter => board.opened = board.rows().get(board.selected).map(|row| row.vni),
        Key::Escape | Key::Back => {
            let was_open = board.is_help || board.opened.is_some();
            (board.is_help, board.opened) = (false, None);
            if !was_open {
                board.filter.clear();
            }
        }
        Key::Character(_) => {}
    }
    true
}
