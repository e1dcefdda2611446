//! What the README says to type.

use anyhow::{Context, Result};

/// How the block begins that installs Debian's package.
const FIRST: &str = "apt install ./";

/// The lines of the block of the README that installs the package, without their comments.
pub(super) fn commands(readme: &str) -> Result<Vec<String>> {
    let block = readme
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```"))
        .map(|(block, _)| block)
        .find(|block| block.starts_with(FIRST))
        .with_context(|| format!("the README has no block that begins with `{FIRST}`"))?;
    Ok(block
        .lines()
        .map(|line| line.split("  #").next().unwrap_or_default().trim_end())
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_that_installs_is_found() {
        let readme = "# Name\n```sh\ncargo install\n```\ntext\n```sh\napt install ./a_*.deb\n\
            sed -i 's/a/b/' file    # the interface\nstart\n```\n";
        assert_eq!(
            commands(readme).unwrap(),
            ["apt install ./a_*.deb", "sed -i 's/a/b/' file", "start"]
        );
        commands("# Name\n```sh\ncargo install\n```\n").unwrap_err();
    }
}
