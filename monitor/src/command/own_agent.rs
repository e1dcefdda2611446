//! An agent of its own, for a command that shows for a while what it counts.

use std::sync::Arc;

use super::cli::{DockerArgs, ExportArgs, PolicyArgs, WatchArgs};
use super::settings::{self, Defaults};
use crate::agent::session::{Session, SessionOptions};
use crate::base::failure::Failure;
use crate::host::docker::DockerSocket;

/// Watches what an audit watches.
///
/// # Errors
/// A usage failure, or why it cannot be watched.
pub(super) fn watch(
    watch: &WatchArgs,
    policy: &PolicyArgs,
    docker: &DockerArgs,
) -> Result<Session, Failure> {
    let mut plan = settings::plan(watch, policy, &ExportArgs::default(), Defaults::AUDIT)?;
    let docker = docker.place(plan.docker.as_ref())?;
    plan.load.policy |= docker != DockerSocket::Off;
    let options = SessionOptions {
        docker,
        show_payload: false,
        show_users: false,
        update_over: plan.state_window,
        manager: Arc::default(),
    };
    Session::start(&plan, options)
}
