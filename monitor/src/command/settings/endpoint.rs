//! Where an agent of this host is asked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::config_file::File;
use super::values::listen_address;
use crate::base::failure::Failure;
use crate::base::output::message;

/// Address and web configuration of the agent with this configuration file, unless they are given.
///
/// A file that is not valid is passed over with a message: the agent that runs has refused it too, and lives.
///
/// # Errors
/// A usage failure, if the address is none.
pub(in crate::command) fn endpoint(
    config: Option<&Path>,
    listen: Option<&str>,
    web: Option<&Path>,
) -> Result<(SocketAddr, Option<PathBuf>), Failure> {
    let file = File::read(config).unwrap_or_else(|failure| {
        message(format_args!("{failure}; it is passed over"));
        File::default()
    });
    let listens = listen_address(listen.or(file.listen.as_deref()))?;
    let of_file = file.web_config.filter(|path| !path.is_empty());
    let web = web.map(Path::to_owned).or(of_file.map(PathBuf::from));
    Ok((listens, web))
}
