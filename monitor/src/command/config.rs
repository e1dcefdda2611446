//! `config check`: whether `run` would take the configuration file.

use std::path::PathBuf;

use anyhow::anyhow;

use super::cli::{ConfigArgs, ConfigCommand, ExportArgs, PolicyArgs, WatchArgs};
use super::settings::{self, CONFIG_FILE, Defaults};
use crate::base::failure::Failure;
use crate::base::output::Output;
use crate::base::plural::counted;
use crate::surface::http::WebConfig;

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let ConfigCommand::Check(args) = &args.command;
    let path = args
        .config
        .clone()
        .unwrap_or_else(|| PathBuf::from(CONFIG_FILE));
    if args.config.is_none() && !path.exists() {
        return Err(Failure::usage(anyhow!(
            "there is no {CONFIG_FILE}: name a file with --config"
        )));
    }
    let watch = WatchArgs {
        config: Some(path.clone()),
        ..WatchArgs::default()
    };
    let plan = settings::plan(
        &watch,
        &PolicyArgs::default(),
        &ExportArgs::default(),
        Defaults::RUN,
    )?;
    WebConfig::read(plan.web_config.as_deref())?;
    Output::stdout().print(format_args!(
        "{}: valid, with {}\n",
        path.display(),
        counted(plan.networks.len(), "network")
    ))
}
