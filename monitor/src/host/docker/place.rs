//! Where Docker's socket is looked for.

use std::path::{Path, PathBuf};

use anyhow::bail;

/// Where Docker's daemon listens unless told otherwise.
pub const SOCKET: &str = "/var/run/docker.sock";
/// Longest path of a Unix socket: `sun_path` of `struct sockaddr_un` (`unix(7)`), less its final zero.
const PATH_MAX: usize = 107;
const TAKES: &str =
    "give the path of its Unix socket, such as /var/run/docker.sock, or auto or off";

/// Whether Docker is asked for its networks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is not.
    Off,
    /// At [`SOCKET`], now or as soon as it is there: a host without Docker is a host too.
    Auto,
    /// At this socket, which should be there.
    Socket(PathBuf),
}

impl Place {
    /// From a flag or the configuration file: `off`, `auto`, a path, or a path as `unix://…`.
    ///
    /// # Errors
    /// With what it takes.
    pub fn parse(text: &str) -> anyhow::Result<Place> {
        match text {
            "off" => return Ok(Place::Off),
            "auto" => return Ok(Place::Auto),
            _ => {}
        }
        let path = text.strip_prefix("unix://").unwrap_or(text);
        if path.contains("://") {
            bail!("docker {text:?}: only Unix sockets are spoken to; {TAKES}");
        }
        if !path.starts_with('/') {
            bail!("docker {text:?}: not a path from the root on; {TAKES}");
        }
        if path.len() > PATH_MAX || path.contains('\0') {
            bail!("docker {text:?}: the path of a socket is at most {PATH_MAX} bytes long");
        }
        Ok(Place::Socket(path.into()))
    }

    /// The first that was said: by the flag, by the configuration file, by the environment variable `DOCKER_HOST`,
    /// which Docker's own tools follow; else [`Place::Auto`]. A `DOCKER_HOST` that is no Unix socket is of another
    /// machine, whose networks are not on this one's wire: it is left alone.
    ///
    /// # Errors
    /// With what the flag takes.
    pub fn choose(
        flag: Option<&str>,
        file: Option<&Place>,
        environment: Option<&str>,
    ) -> anyhow::Result<Place> {
        if let Some(text) = flag {
            return Place::parse(text);
        }
        if let Some(place) = file {
            return Ok(place.clone());
        }
        let path = environment.filter(|text| text.starts_with("unix://"));
        path.map_or(Ok(Place::Auto), Place::parse)
    }

    /// The socket to ask; `None` if Docker is not asked.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        match self {
            Place::Off => None,
            Place::Auto => Some(Path::new(SOCKET)),
            Place::Socket(path) => Some(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_auto_and_paths_are_taken() {
        assert_eq!(Place::parse("off").unwrap(), Place::Off);
        assert_eq!(Place::parse("auto").unwrap(), Place::Auto);
        for text in ["/run/d.sock", "unix:///run/d.sock"] {
            assert_eq!(
                Place::parse(text).unwrap(),
                Place::Socket("/run/d.sock".into())
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_to_give() {
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
            let error = Place::parse(text).unwrap_err().to_string();
            assert!(
                error.contains("docker")
                    && (error.contains("auto or off") || error.contains("107")),
                "{error}"
            );
        }
    }

    #[test]
    fn the_flag_wins_over_the_file_over_the_environment() {
        let choose = |flag, file, environment| Place::choose(flag, file, environment).unwrap();
        let at = |path: &str| Place::Socket(path.into());
        let file = at("/f");
        assert_eq!(choose(None, None, None), Place::Auto);
        assert_eq!(choose(None, None, Some("")), Place::Auto);
        assert_eq!(choose(None, None, Some("unix:///e")), at("/e"));
        assert_eq!(choose(None, Some(&file), Some("unix:///e")), at("/f"));
        assert_eq!(choose(Some("/a"), Some(&file), Some("tcp://x:1")), at("/a"));
        assert_eq!(choose(None, None, Some("tcp://x:1")), Place::Auto);
    }
}
