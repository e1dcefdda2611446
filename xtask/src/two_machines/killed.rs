//! SIGKILL of either side, at moments from the first connection to the end.

use std::time::{Duration, Instant};

use anyhow::Result;

use self::Event::{Printed, Reached};
use super::run::Side::{Caller, Listener};
use super::run::{self, End, Side};
use super::trial::Trial;
use crate::outcome::Row;

/// Ways with all kinds of devices, associations and policies, and few enough for many runs.
const WAYS: &str = "vxlan,esp-aes-128-gcm,wireguard";
/// How soon the other side must have ended: a client of requests may run for a minute.
const PROMPT: Duration = Duration::from_secs(100);
/// Until a moment comes.
const PATIENCE: Duration = Duration::from_secs(400);

/// When a side is killed: a while after something has happened.
struct Moment {
    what: &'static str,
    after: Event,
    later: Duration,
}

enum Event {
    /// The control connection is there, and nobody has proved anything yet.
    Reached,
    /// A side has printed a text.
    Printed(Side, &'static str),
}

const fn moment(what: &'static str, after: Event, milliseconds: u64) -> Moment {
    Moment {
        what,
        after,
        later: Duration::from_millis(milliseconds),
    }
}

/// Each way is set up, and measured by datagrams of all sizes; then come the rounds with all loads in each way.
const MOMENTS: &[Moment] = &[
    moment("before the connection", Printed(Listener, "Token, "), 0),
    moment("in the handshake", Reached, 0),
    moment("after the handshake", Printed(Listener, "has connected"), 0),
    moment(
        "while VXLAN is set up",
        Printed(Listener, "has connected"),
        4000,
    ),
    moment(
        "when VXLAN is set up",
        Printed(Listener, "VXLAN: set up"),
        0,
    ),
    moment(
        "in the sizes of ESP",
        Printed(Listener, "(Docker): set up"),
        3000,
    ),
    moment(
        "when WireGuard is set up",
        Printed(Listener, "WireGuard: set up"),
        0,
    ),
    moment("at the first load", Printed(Caller, "1 rounds"), 0),
    moment("5 s into the loads", Printed(Caller, "1 rounds"), 5000),
    moment("15 s into the loads", Printed(Caller, "1 rounds"), 15_000),
];

/// Kills either side at each moment.
pub(super) fn kill_each(trial: &mut Trial) -> Result<()> {
    for moment in MOMENTS {
        for victim in Side::BOTH {
            kill(trial, moment, victim)?;
        }
    }
    Ok(())
}

fn kill(trial: &mut Trial, moment: &Moment, victim: Side) -> Result<()> {
    const STEP: &str = "kill -9";
    run::start(&mut trial.nodes, &trial.program, "macvlan", WAYS, 10)?;
    match moment.after {
        Reached => run::until_reached(&mut trial.nodes[Listener.node()], PATIENCE)?,
        Printed(side, text) => run::until(&mut trial.nodes[side.node()], text, PATIENCE)?,
    }
    std::thread::sleep(moment.later);
    let of = format!("{} is killed {}", victim.name(), moment.what);
    run::kill(&mut trial.nodes[victim.node()])?;
    let begin = Instant::now();
    let end = run::end(&mut trial.nodes[victim.other().node()], PROMPT)?;
    trial.outcome.add(Row {
        step: STEP,
        what: format!("{of}: the other one"),
        expected: format!("ends with an error within {} s", PROMPT.as_secs()),
        found: match &end {
            Some(end) => format!(
                "exit code {} after {:.1} s: {}",
                end.code,
                begin.elapsed().as_secs_f64(),
                last_line(&end.said)
            ),
            None => "it still runs".to_owned(),
        },
        holds: end.as_ref().is_some_and(is_clear),
    });
    trial.untouched(STEP, &of)
}

/// Whether it ended by itself, and says why.
fn is_clear(end: &End) -> bool {
    let last = last_line(&end.said);
    (1..100).contains(&end.code)
        && last.starts_with("overlay-lab: ")
        && !end.said.contains("panicked")
}

fn last_line(said: &str) -> &str {
    said.trim_end().lines().next_back().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_clear_with_an_error_of_the_program() {
        let end = |code, said: &str| {
            is_clear(&End {
                code,
                said: said.to_owned(),
            })
        };
        assert!(end(
            4,
            "VXLAN: set up\noverlay-lab: the other machine has ended the connection\n"
        ));
        assert!(!end(0, "overlay-lab: all is well\n"));
        assert!(!end(137, "overlay-lab: killed\n"));
        assert!(!end(1, "Segmentation fault\n"));
        assert!(!end(1, "thread panicked\noverlay-lab: an error\n"));
    }
}
