//! Who may ask the endpoint, and how: TLS, client certificates, users and headers, from a file in the format of Prometheus'
//! exporter-toolkit. The file, and those that it names, are read again when they change.

mod file;
mod own_certificate;
mod tls;
mod users;
mod yaml;

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

use crate::base::failure::Failure;
pub(super) use users::Admission;
use users::{Users, Verifier};

/// How often the agent looks whether a file has changed.
const LOOK: Duration = Duration::from_secs(2);

/// The web configuration, as it was last read.
pub struct WebConfig {
    path: Option<PathBuf>,
    verifier: Verifier,
    state: RwLock<State>,
}

/// What was read, and of which files.
struct State {
    rules: Arc<Rules>,
    files: Vec<Seen>,
    /// What was seen instead at the last look. It is read when the next look sees the same: a file that is written in place
    /// is cut off for a moment, and a part of it may ask for less.
    changed: Vec<Seen>,
    /// Why what was seen last is not in force; empty if it is.
    refused: String,
}

/// A file that was read.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    /// Taken before the file was read. `None` for a file that cannot be seen.
    stamp: Option<Stamp>,
}

/// What a web configuration asks for. The default asks for nothing.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// A client without a certificate is not answered.
    wants_certificates: bool,
    users: Users,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// What changes when a file is written or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    changed: (i64, i64),
    size: u64,
}

impl WebConfig {
    /// Reads a file, and the certificates and keys that it names. Without a file the endpoint speaks cleartext, and answers
    /// anyone.
    ///
    /// # Errors
    /// A usage failure that names the file and the key.
    pub fn read(path: Option<&Path>) -> Result<WebConfig, Failure> {
        let verifier = Verifier::new().map_err(Failure::runtime)?;
        let path = path
            .map(std::path::absolute)
            .transpose()
            .context("the path of the web configuration")
            .map_err(Failure::usage)?;
        let mut files = Vec::new();
        let rules = match &path {
            None => Rules::default(),
            Some(path) => Rules::read(path, &mut files).map_err(Failure::usage)?,
        };
        Ok(WebConfig {
            path,
            verifier,
            state: RwLock::new(State {
                rules: Arc::new(rules),
                files,
                changed: Vec::new(),
                refused: String::new(),
            }),
        })
    }

    /// Reads the files anew, and keeps nothing of it: whether they can be read again with the privileges that are left.
    ///
    /// # Errors
    /// Why not.
    pub fn try_again(&self) -> Result<()> {
        let path = self.path.as_deref();
        path.map_or(Ok(()), |path| Rules::read(path, &mut Vec::new()).map(drop))
    }

    /// The files that are read again.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.files.iter().map(|seen| seen.path.clone()).collect()
    }

    /// Scheme of the endpoint's URL.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self.rules().tls {
            Some(_) => "https",
            None => "http",
        }
    }

    /// What an endpoint that others reach lacks; `None` if nothing.
    #[must_use]
    pub fn lacks(&self) -> Option<&'static str> {
        self.rules().lacks()
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state.rules)
    }

    /// Whether a request with these headers is answered.
    pub(super) async fn admit(&self, rules: &Rules, headers: &HeaderMap) -> Admission {
        let authorization = headers.get(header::AUTHORIZATION);
        self.verifier.admit(&rules.users, authorization).await
    }

    /// Reads the files again whenever they have changed and stay as they are from one look to the next. An error is logged
    /// once, and changes nothing; the next look tries again.
    pub(super) async fn keep_current(self: Arc<Self>) -> Infallible {
        let mut tick = tokio::time::interval(LOOK);
        while self.path.is_some() {
            tick.tick().await;
            let config = Arc::clone(&self);
            // Files may be slow.
            drop(tokio::task::spawn_blocking(move || config.look()).await);
        }
        std::future::pending().await
    }

    fn look(&self) {
        let Some(path) = &self.path else { return };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let now: Vec<Seen> = state.files.iter().map(|of| Seen::now(&of.path)).collect();
        if now == state.files {
            state.changed.clear();
            return;
        }
        if now != state.changed {
            state.changed = now;
            return;
        }
        drop(state);
        let mut files = Vec::new();
        let read = Rules::read(path, &mut files);
        if files.iter().any(|seen| *seen != Seen::now(&seen.path)) {
            return;
        }
        match read {
            Ok(rules) => self.replace(rules, files, path),
            Err(error) => self.refuse(&format!("{error:#}")),
        }
    }

    /// Puts in force what was read.
    fn replace(&self, rules: Rules, files: Vec<Seen>, path: &Path) {
        self.verifier.keep(&rules.users);
        let lacks = rules.lacks();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let lacked = state.rules.lacks();
        *state = State {
            rules: Arc::new(rules),
            files,
            changed: Vec::new(),
            refused: String::new(),
        };
        drop(state);
        tracing::info!("the web configuration was read again: {}", path.display());
        if let Some(lacks) = lacks.filter(|_| lacks != lacked) {
            tracing::warn!("by the changed web configuration the endpoint answers {lacks}");
        }
    }

    /// Says once why what was read is not in force.
    fn refuse(&self, error: &str) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.refused == error {
            return;
        }
        error.clone_into(&mut state.refused);
        drop(state);
        tracing::error!(
            "the changed web configuration is refused: {error}; the one before stays in force; correct the file"
        );
    }
}

impl Rules {
    /// What an endpoint that others reach lacks; `None` if nothing.
    fn lacks(&self) -> Option<&'static str> {
        let is_open = self.users.is_empty() && !self.wants_certificates;
        match (self.tls.is_some(), is_open) {
            (false, true) => Some("without TLS and to anyone"),
            (false, false) => Some("without TLS: anyone on the path can read the password"),
            (true, true) => Some("to anyone"),
            (true, false) => None,
        }
    }

    /// Reads a file, and notes it and those that it names in `files`.
    fn read(path: &Path, files: &mut Vec<Seen>) -> Result<Rules> {
        let mut read = || -> Result<Rules> {
            files.push(Seen::now(path));
            let file = parse(path)?;
            let tls = match &file.tls {
                None => None,
                Some(tls) => {
                    files.extend(tls.files().map(|file| Seen::now(file)));
                    let server = tls::server(tls).context("tls_server_config")?;
                    Some(Arc::new(server))
                }
            };
            Ok(Rules {
                tls,
                wants_certificates: file.tls.is_some_and(|tls| tls.wants_certificates()),
                users: Users::new(file.users).context("basic_auth_users")?,
                headers: file.headers,
            })
        };
        read().with_context(|| path.display().to_string())
    }
}

/// The ways in which a client on this host may reach an agent with this web configuration, with TLS or without. There are
/// two where the files cannot be read: the agent that runs has read them before. The error says why.
pub(super) fn client(path: &Path) -> (Vec<Option<Arc<ClientConfig>>>, Result<()>) {
    let read = || -> Result<Option<ClientConfig>> {
        let tls = parse(path)?.tls;
        let client = tls.map(|tls| tls::client(Some(&tls)).context("tls_server_config"));
        client.transpose()
    };
    match read().with_context(|| path.display().to_string()) {
        Ok(client) => (vec![client.map(Arc::new)], Ok(())),
        Err(error) => {
            let any = tls::client(None).ok().map(Arc::new);
            (vec![any, None], Err(error))
        }
    }
}

fn parse(path: &Path) -> Result<file::File> {
    let text = String::from_utf8(tls::content(path)?).map_err(|_| anyhow!("it is not text"))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    file::parse(&text, folder)
}

impl Seen {
    fn now(path: &Path) -> Seen {
        let stamp = fs::metadata(path).ok().map(|data| Stamp {
            inode: (data.dev(), data.ino()),
            changed: (data.ctime(), data.ctime_nsec()),
            size: data.size(),
        });
        Seen {
            path: path.to_owned(),
            stamp,
        }
    }
}
