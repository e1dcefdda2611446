//! Finds commands and subcommands by name.

use super::command::Command;
use super::command_table::{COMMANDS, COMMON_WORDS, SUBCOMMANDS};

/// Longest name of a command, and some room.
const NAME_MAX: usize = 32;

/// The command of this name, in any case.
pub(super) fn command(name: &[u8]) -> Option<&'static Command> {
    let mut upper = [0; NAME_MAX];
    let upper = upper.get_mut(..name.len())?;
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    let found = COMMANDS.binary_search_by(|command| command.name.as_bytes().cmp(&*upper));
    found.ok().map(|at| &COMMANDS[at])
}

/// Whether a line that starts with this command may well be of another text
/// protocol (SMTP, POP3, FTP, NATS, memcached, STOMP) or plain English.
pub(super) fn is_common_word(command: &Command) -> bool {
    COMMON_WORDS.binary_search(&command.name).is_ok()
}

/// The subcommand of this name, in any case.
pub(super) fn subcommand(name: &[u8]) -> Option<&'static str> {
    SUBCOMMANDS
        .iter()
        .find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_agree() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
        assert!(COMMANDS.iter().all(|command| command.name.len() < NAME_MAX));
        assert!(COMMON_WORDS.is_sorted_by(|a, b| a < b));
        assert!(
            COMMON_WORDS
                .iter()
                .all(|word| command(word.as_bytes()).is_some())
        );
    }

    #[test]
    fn commands_are_found_in_any_case_and_by_arity() {
        let get = command(b"gEt").unwrap();
        assert!(get.takes(2) && !get.takes(1) && !get.takes(3));
        assert!(command(b"HSET").unwrap().takes(6));
        assert!(command(b"GE").is_none() && command(b"").is_none());
        assert_eq!(subcommand(b"setuser"), Some("SETUSER"));
    }
}
