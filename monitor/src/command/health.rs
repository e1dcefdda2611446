//! `health`: asks the agent of this host whether it answers, or whether it sees all that it should.

use anyhow::anyhow;
use monitor_classify::text::escape;

use crate::base::failure::Failure;
use crate::base::output::Output;
use crate::surface::http;

use super::cli::HealthArgs;
use super::settings::endpoint;

/// Characters of an answer that are printed.
const SHOWN: usize = 1_000;

pub(super) async fn run(args: &HealthArgs) -> Result<(), Failure> {
    let (listens, web) = endpoint(
        args.config.as_deref(),
        args.listen.as_deref(),
        args.web_config.as_deref(),
    )?;
    let path = if args.ready { "/-/ready" } else { "/-/healthy" };
    let (status, text) = http::get(listens, web.as_deref(), path).await?;
    let text = escape(text.trim_end(), SHOWN);
    if !status.is_success() {
        return Err(Failure::violation(anyhow!("{text} ({status})")));
    }
    Output::stdout().print(format_args!("{text}\n"))
}
