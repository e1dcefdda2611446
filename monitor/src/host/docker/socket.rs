//! Which socket Docker is queried at.

use std::path::{Path, PathBuf};

use anyhow::bail;

/// The default socket of Docker's daemon.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// Longest path of a Unix socket in bytes: `sun_path` of `struct sockaddr_un` (`unix(7)`), less its final zero.
const PATH_MAX: usize = 107;
const ACCEPTED: &str =
    "give the path of its Unix socket, such as /var/run/docker.sock, or auto or off";

/// Whether and where Docker is queried for its networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerSocket {
    /// Docker is not queried.
    Off,
    /// At [`DEFAULT_SOCKET`], as soon as it exists. A host without Docker is no error.
    Auto,
    /// At this path. It is an error if nothing answers there.
    Path(PathBuf),
}

impl DockerSocket {
    /// Parses the flag or the field of the configuration file: `off`, `auto`, a path, or a path as `unix://…`.
    ///
    /// # Errors
    /// The text is none of these; the message names what is accepted.
    pub fn parse(text: &str) -> anyhow::Result<DockerSocket> {
        match text {
            "off" => return Ok(DockerSocket::Off),
            "auto" => return Ok(DockerSocket::Auto),
            _ => {}
        }
        let path = text.strip_prefix("unix://").unwrap_or(text);
        if path.contains("://") {
            bail!("docker {text:?}: only Unix sockets are supported; {ACCEPTED}");
        }
        if !path.starts_with('/') {
            bail!("docker {text:?}: not an absolute path; {ACCEPTED}");
        }
        if path.len() > PATH_MAX || path.contains('\0') {
            bail!("docker {text:?}: the path of a socket has at most {PATH_MAX} bytes and no NUL");
        }
        Ok(DockerSocket::Path(path.into()))
    }

    /// The first that is given: the flag, the configuration file, the environment variable `DOCKER_HOST`, which
    /// Docker's own tools use; else [`DockerSocket::Auto`]. A `DOCKER_HOST` that is not a Unix socket names another
    /// machine, whose networks are not on this one's wire: it is ignored.
    ///
    /// # Errors
    /// The flag is invalid; the message names what it accepts.
    pub fn choose(
        flag: Option<&str>,
        file: Option<&DockerSocket>,
        environment: Option<&str>,
    ) -> anyhow::Result<DockerSocket> {
        if let Some(text) = flag {
            return DockerSocket::parse(text);
        }
        if let Some(socket) = file {
            return Ok(socket.clone());
        }
        let path = environment.filter(|text| text.starts_with("unix://"));
        path.map_or(Ok(DockerSocket::Auto), DockerSocket::parse)
    }

    /// The path to query; `None` if Docker is not queried.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            DockerSocket::Off => None,
            DockerSocket::Auto => Some(Path::new(DEFAULT_SOCKET)),
            DockerSocket::Path(path) => Some(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_auto_and_paths_are_accepted() {
        assert_eq!(DockerSocket::parse("off").unwrap(), DockerSocket::Off);
        assert_eq!(DockerSocket::parse("auto").unwrap(), DockerSocket::Auto);
        for text in ["/run/d.sock", "unix:///run/d.sock"] {
            assert_eq!(
                DockerSocket::parse(text).unwrap(),
                DockerSocket::Path("/run/d.sock".into())
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_accepted() {
        let long = format!("/{}", "x".repeat(PATH_MAX));
        for text in [
            "",
            "on",
            "docker.sock",
            "tcp://10.0.0.1:2375",
            "ssh://node1",
            "unix://d.sock",
            &long,
            "/a\0b",
        ] {
            let error = DockerSocket::parse(text).unwrap_err().to_string();
            assert!(
                error.contains("docker")
                    && (error.contains("auto or off") || error.contains("107")),
                "{error}"
            );
        }
    }

    #[test]
    fn the_flag_overrides_the_file_overrides_the_environment() {
        let choose =
            |flag, file, environment| DockerSocket::choose(flag, file, environment).unwrap();
        let at = |path: &str| DockerSocket::Path(path.into());
        let file = at("/f");
        assert_eq!(choose(None, None, None), DockerSocket::Auto);
        assert_eq!(choose(None, None, Some("")), DockerSocket::Auto);
        assert_eq!(choose(None, None, Some("unix:///e")), at("/e"));
        assert_eq!(choose(None, Some(&file), Some("unix:///e")), at("/f"));
        assert_eq!(choose(Some("/a"), Some(&file), Some("tcp://x:1")), at("/a"));
        assert_eq!(choose(None, None, Some("tcp://x:1")), DockerSocket::Auto);
    }
}
