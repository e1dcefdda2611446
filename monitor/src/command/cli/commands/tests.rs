//! The command line, and the help of every command.

use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn help_of_every_command() {
    // The same width on every terminal.
    let mut cli = Cli::command().term_width(100);
    cli.build();
    insta::assert_snapshot!("help", cli.render_long_help());
    for command in cli.get_subcommands_mut() {
        if command.get_name() == "help" {
            continue;
        }
        let name = format!("help_{}", command.get_name());
        insta::assert_snapshot!(name, command.render_long_help());
    }
}
