//! How bad it is: what everyone who looks must see first.

use crate::policy::State;

/// How bad a network is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::surface) enum Concern {
    Violated,
    Undecided,
    Readable,
    Fine,
}

/// The one thing to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::surface) enum Headline<'a> {
    /// There is no new reading, and why.
    NoAnswer(&'a str),
    /// So many networks break their requirement.
    Violated(usize),
    /// What is not watched.
    Blind(&'a [String]),
    /// So many networks must be encrypted, and nothing shows that they are.
    Undecided(usize),
    /// Nothing is wrong.
    Fine,
}

impl Headline<'_> {
    pub(in crate::surface) const fn concern(&self) -> Concern {
        match self {
            Headline::Violated(_) => Concern::Violated,
            Headline::NoAnswer(_) | Headline::Blind(_) | Headline::Undecided(_) => {
                Concern::Undecided
            }
            Headline::Fine => Concern::Fine,
        }
    }
}

/// A symbol beside the colour.
pub(in crate::surface) const fn symbol(concern: Concern, state: State) -> &'static str {
    match (concern, state) {
        (Concern::Violated, _) => "!",
        (Concern::Undecided, _) | (_, State::Unknown) => "?",
        (Concern::Readable, _) => "~",
        (Concern::Fine, State::Idle) => ".",
        (Concern::Fine, _) => "+",
    }
}
