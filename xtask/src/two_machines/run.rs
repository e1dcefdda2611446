//! `overlay-lab bench encryption` on a node.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::nodes::node::Node;
use crate::proc::quote;

/// Between two looks at what a program has printed.
const PERIOD: Duration = Duration::from_millis(100);

/// The listener, with the servers; or the one that connects, with the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Listener,
    Caller,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Listener, Self::Caller];

    /// Which of the nodes.
    pub(super) fn node(self) -> usize {
        match self {
            Self::Listener => 0,
            Self::Caller => 1,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Listener => "the listener",
            Self::Caller => "the caller",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Listener => Self::Caller,
            Self::Caller => Self::Listener,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) code: u8,
    /// What it printed to standard error.
    pub(super) said: String,
}

/// Starts both sides, over cards of the kind `via`: one short round of each way, for `limit` minutes at most. They go on while
/// scripts run.
pub(super) fn start(
    nodes: &mut [Node; 2],
    program: &Path,
    via: &str,
    ways: &str,
    limit: u32,
) -> Result<()> {
    launch(
        &mut nodes[0],
        program,
        &["--listen", "--wait", "1", "--via", via],
        None,
    )?;
    until(&mut nodes[0], "Token, ", Duration::from_secs(60))?;
    let said = said(&mut nodes[0])?;
    let token = token(&said).with_context(|| format!("the listener printed no token: {said}"))?;
    let to = nodes[0].address;
    let limit = limit.to_string();
    let mut arguments = vec!["--to", to, "--quick", "--via", via, "--ways", ways];
    arguments.extend(["--limit", &limit, "--runs", "1", "--milliseconds", "100"]);
    launch(&mut nodes[1], program, &arguments, Some(token))
}

fn launch(node: &mut Node, program: &Path, arguments: &[&str], token: Option<&str>) -> Result<()> {
    let arguments: Vec<String> = arguments.iter().map(|word| quote(word)).collect();
    let program = quote(&program.to_string_lossy());
    node.sh(&format!(
        "cd /bench && rm -f -- *\n\
         cat >start <<'EOF'\n\
         echo $$ >pid\n\
         exec {program} bench encryption {} --json report.json\n\
         EOF\n\
         export OVERLAY_LAB_TOKEN={}\n\
         (setsid sh start >out 2>err; echo $? >code) </dev/null >/dev/null 2>&1 &",
        arguments.join(" "),
        quote(token.unwrap_or_default())
    ))
    .map(drop)
}

/// The last word of the line with the token.
fn token(said: &str) -> Option<&str> {
    let line = said.lines().find(|line| line.starts_with("Token, "))?;
    line.rsplit_once(' ').map(|(_, token)| token)
}

/// What the program on a node has printed to standard error.
pub(super) fn said(node: &mut Node) -> Result<String> {
    node.sh("cat /bench/err")
}

/// Waits until the program on a node has printed a text.
pub(super) fn until(node: &mut Node, text: &str, limit: Duration) -> Result<()> {
    let end = Instant::now() + limit;
    loop {
        let said = said(node)?;
        if said.contains(text) {
            return Ok(());
        }
        if Instant::now() > end || ended(node)?.is_some() {
            bail!("{} has not printed `{text}`: {said}", node.name);
        }
        std::thread::sleep(PERIOD);
    }
}

/// Waits until the other machine has reached the listener.
pub(super) fn until_reached(node: &mut Node, limit: Duration) -> Result<()> {
    // Established, on port 9470, as the kernel writes it.
    let script = format!(
        "i=0; until grep -qE ':24FE [0-9A-F:]+ 01 ' /proc/net/tcp; do sleep 0.02; i=$((i + 1)); [ $i -lt {} ] || exit 1; done",
        limit.as_secs() * 20
    );
    match node.run(&script, limit * 2)? {
        (0, _) => Ok(()),
        _ => bail!("nobody has reached the listener on {}", node.name),
    }
}

/// Kills the program on a node, and nothing that it has started.
pub(super) fn kill(node: &mut Node) -> Result<()> {
    node.sh("kill -9 $(cat /bench/pid)").map(drop)
}

/// How the program on a node ended, if it has.
fn ended(node: &mut Node) -> Result<Option<End>> {
    let code = node.sh("cat /bench/code 2>/dev/null || true")?;
    if code.trim().is_empty() {
        return Ok(None);
    }
    Ok(Some(End {
        code: code
            .trim()
            .parse()
            .context("a shell printed no exit code")?,
        said: said(node)?,
    }))
}

/// Waits for the end of the program on a node; `None` if it goes on for longer than the limit.
pub(super) fn end(node: &mut Node, limit: Duration) -> Result<Option<End>> {
    let deadline = Instant::now() + limit;
    loop {
        let end = ended(node)?;
        if end.is_some() || Instant::now() > deadline {
            return Ok(end);
        }
        std::thread::sleep(PERIOD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_the_last_word_of_its_line() {
        let said = "Listening on 0.0.0.0:9470. On the other machine: …\nToken, for one connection within 2 min: abc-def\n";
        assert_eq!(token(said), Some("abc-def"));
        assert_eq!(token("Listening"), None);
    }
}
