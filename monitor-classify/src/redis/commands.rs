//! What is known of a command, and how to find it.

use super::command_table::{COMMANDS, COMMON_WORDS, SUBCOMMANDS};

/// Longest name of a command, and some room.
const NAME_MAX: usize = 32;

/// What may be shown of a command's arguments; everything else is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// The first argument: a key or a channel.
    Key,
    /// The first argument, if it is a known subcommand.
    Subcommand,
    /// No argument.
    Nothing,
}

/// A command that Redis knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    pub(super) name: &'static str,
    /// Words including the name; negative: at least so many.
    pub(super) arity: i8,
    pub(super) shows: Shows,
}

impl Command {
    /// The command of this name, in any case.
    pub(super) fn find(name: &[u8]) -> Option<&'static Self> {
        let mut upper = [0; NAME_MAX];
        let upper = upper.get_mut(..name.len())?;
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        let found = COMMANDS.binary_search_by(|command| command.name.as_bytes().cmp(&*upper));
        found.ok().map(|at| &COMMANDS[at])
    }

    /// Whether so many words, the name included, can be this command.
    pub(super) fn takes(&self, words: u64) -> bool {
        let arity = u64::from(self.arity.unsigned_abs());
        if self.arity < 0 {
            words >= arity
        } else {
            words == arity
        }
    }

    /// Whether so many words can be the beginning of this command.
    pub(super) fn may_still_take(&self, words: u64) -> bool {
        self.arity < 0 || words <= u64::from(self.arity.unsigned_abs())
    }

    /// Whether a line that starts with this word may well be another text
    /// protocol (SMTP, POP3, FTP, NATS, memcached, STOMP) or plain English.
    pub(super) fn is_common_word(&self) -> bool {
        COMMON_WORDS.binary_search(&self.name).is_ok()
    }
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
                .all(|word| Command::find(word.as_bytes()).is_some())
        );
    }

    #[test]
    fn commands_are_found_in_any_case_and_by_arity() {
        let get = Command::find(b"gEt").unwrap();
        assert!(get.takes(2) && !get.takes(1) && !get.takes(3));
        assert!(Command::find(b"HSET").unwrap().takes(6));
        assert!(Command::find(b"GE").is_none() && Command::find(b"").is_none());
        assert_eq!(subcommand(b"setuser"), Some("SETUSER"));
    }
}
