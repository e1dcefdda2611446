//! What is known of one command.

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
}
