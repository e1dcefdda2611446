//! The web configuration file, in the format of Prometheus' exporter-toolkit. What the agent does not support is an error:
//! a key that was silently ignored would protect nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use axum::http::{HeaderName, HeaderValue};
use monitor_classify::text::escape;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::yaml;

/// Headers that the format knows.
const HEADERS: [&str; 5] = [
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Strict-Transport-Security",
];

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) tls: Option<Tls>,
    /// Names of users, and the bcrypt hashes of their passwords.
    pub(super) users: BTreeMap<String, String>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// `tls_server_config`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tls {
    pub(super) cert: Option<String>,
    pub(super) cert_file: Option<PathBuf>,
    pub(super) key: Option<String>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) client_ca: Option<String>,
    pub(super) client_ca_file: Option<PathBuf>,
    pub(super) client_auth_type: Option<ClientAuth>,
    pub(super) min_version: Option<Version>,
    pub(super) max_version: Option<Version>,
    pub(super) cipher_suites: Option<Vec<String>>,
    pub(super) curve_preferences: Option<Vec<Curve>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
}

/// Which certificates clients must have. The kinds that verify none are not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum ClientAuth {
    #[serde(rename = "NoClientCert")]
    None,
    #[serde(rename = "VerifyClientCertIfGiven")]
    IfGiven,
    #[serde(rename = "RequireAndVerifyClientCert")]
    Required,
}

/// Versions of TLS. Older ones are not spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum Version {
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

/// Groups of the key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Curve {
    #[serde(rename = "CurveP256")]
    P256,
    #[serde(rename = "CurveP384")]
    P384,
    X25519,
}

/// `http_server_config`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Http {
    http2: Option<bool>,
    headers: BTreeMap<String, String>,
}

/// Reads a file. Paths in it are relative to its folder.
///
/// # Errors
/// Which line or key is wrong, and what it may be.
pub(super) fn parse(text: &str, folder: &Path) -> Result<File> {
    let Value::Object(mut sections) = yaml::read(text)? else {
        bail!("it must be a mapping of tls_server_config, basic_auth_users and http_server_config");
    };
    // A file that is being written is empty for a moment.
    if sections.is_empty() {
        bail!(
            "it is empty: give tls_server_config, basic_auth_users or http_server_config, or no web configuration for an \
             endpoint that answers anyone"
        );
    }
    let mut tls: Option<Tls> = section(&mut sections, "tls_server_config")?;
    if let Some(tls) = &mut tls {
        tls.complete(folder).context("tls_server_config")?;
    }
    let users = section(&mut sections, "basic_auth_users")?;
    let http: Option<Http> = section(&mut sections, "http_server_config")?;
    if let Some(key) = sections.keys().next() {
        bail!(
            "the key {key:?} is not supported; use tls_server_config, basic_auth_users and http_server_config"
        );
    }
    let headers = http.unwrap_or_default().headers();
    Ok(File {
        tls,
        users: users.unwrap_or_default(),
        headers: headers.context("http_server_config")?,
    })
}

/// Bytes of a parser's message that are shown.
const MESSAGE_MAX: usize = 400;

fn section<T: DeserializeOwned>(
    sections: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<T>> {
    match sections.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value @ Value::Object(_)) => serde_json::from_value(value)
            .map(Some)
            // It quotes names of keys, which may hold anything.
            .map_err(|error| anyhow!("{name}: {}", escape(error.to_string(), MESSAGE_MAX))),
        // The message of the parser would show the value, which may hold a hash or a key.
        Some(_) => bail!("{name} must be a mapping"),
    }
}

impl Tls {
    /// Makes paths absolute, and checks what belongs together.
    fn complete(&mut self, folder: &Path) -> Result<()> {
        let files = [
            &mut self.cert_file,
            &mut self.key_file,
            &mut self.client_ca_file,
        ];
        for path in files.into_iter().flatten() {
            *path = folder.join(&*path);
        }
        for (file, text, name) in [
            (&self.cert_file, &self.cert, "cert"),
            (&self.key_file, &self.key, "key"),
        ] {
            if file.is_some() == text.is_some() {
                bail!("give one of {name}_file and {name}");
            }
        }
        let has_authority = self.client_ca.is_some() || self.client_ca_file.is_some();
        if self.client_ca.is_some() && self.client_ca_file.is_some() {
            bail!("give one of client_ca_file and client_ca");
        }
        if has_authority != self.verifies_clients() {
            bail!(
                "client_ca_file belongs to a client_auth_type of RequireAndVerifyClientCert or VerifyClientCertIfGiven: \
                 give both, or neither"
            );
        }
        if let (Some(min), Some(max)) = (self.min_version, self.max_version)
            && min > max
        {
            bail!("min_version is higher than max_version");
        }
        Ok(())
    }

    /// Whether a client must have a certificate.
    pub(super) fn wants_certificates(&self) -> bool {
        self.client_auth_type == Some(ClientAuth::Required)
    }

    fn verifies_clients(&self) -> bool {
        !matches!(self.client_auth_type, None | Some(ClientAuth::None))
    }

    /// The files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.cert_file, &self.key_file, &self.client_ca_file]
            .into_iter()
            .flatten()
    }
}

impl Http {
    fn headers(self) -> Result<Vec<(HeaderName, HeaderValue)>> {
        if self.http2 == Some(true) {
            bail!("http2: true is not supported: the agent speaks HTTP/1.1");
        }
        let pair = |(name, value): (String, String)| {
            if !HEADERS.contains(&name.as_str()) {
                bail!(
                    "the header {name:?} is not supported; use {}",
                    HEADERS.join(", ")
                );
            }
            let value =
                HeaderValue::from_str(&value).with_context(|| format!("the value of {name}"))?;
            Ok((name.parse()?, value))
        };
        self.headers.into_iter().map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_exporter_toolkit_is_read() {
        let text = "tls_server_config:\n  cert_file: node.crt\n  key_file: /keys/node.key\n  client_auth_type: RequireAndVerifyClientCert\n  \
                    client_ca_file: ca.crt\n  min_version: TLS13\n  curve_preferences: [X25519]\nbasic_auth_users:\n  scraper: $2y$10$abc\n\
                    http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n";
        let file = parse(text, Path::new("/etc/web")).unwrap();
        let tls = file.tls.unwrap();
        let files: Vec<_> = tls.files().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(
            files,
            ["/etc/web/node.crt", "/keys/node.key", "/etc/web/ca.crt"]
        );
        assert_eq!(tls.client_auth_type, Some(ClientAuth::Required));
        assert_eq!(tls.min_version, Some(Version::Tls13));
        assert_eq!(file.users["scraper"], "$2y$10$abc");
        assert_eq!(file.headers.len(), 1);
        assert!(file_of(ClientAuth::Required).wants_certificates());
        assert!(!file_of(ClientAuth::IfGiven).wants_certificates());
    }

    #[test]
    fn the_name_of_a_key_is_escaped_in_the_message() {
        let text = "tls_server_config:\n  \"cert\\e[2J\\n\": x\n";
        let error = format!(
            "{:#}",
            parse(text, Path::new("/etc/web")).map(drop).unwrap_err()
        );
        assert!(error.contains(r"`cert\x1b[2J\x0a`"), "{error}");
    }

    fn file_of(kind: ClientAuth) -> Tls {
        Tls {
            client_auth_type: Some(kind),
            ..Tls::default()
        }
    }

    #[test]
    fn no_error_shows_a_hash_or_a_key() {
        for text in [
            "basic_auth_users: \"ann:$2y$10$hidden\"",
            "tls_server_config: |\n  -----BEGIN hidden",
            "basic_auth_users: {ann: [$2y$10$hidden]}",
        ] {
            let error = parse(text, Path::new("/")).map(drop).unwrap_err();
            assert!(!format!("{error:#}").contains("hidden"), "{error:#}");
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (text, says) in [
            ("tls_config: {}", "\"tls_config\" is not supported"),
            ("rate_limit: {burst: 3}", "\"rate_limit\" is not supported"),
            (
                "tls_server_config: {cert_file: a, key_file: b, client_allowed_sans: [x]}",
                "client_allowed_sans",
            ),
            ("tls_server_config: {cert_file: a}", "key_file"),
            ("tls_server_config: {}", "cert_file"),
            (
                "tls_server_config: {cert_file: a, cert: b, key_file: c}",
                "one of cert_file and cert",
            ),
            (
                "tls_server_config: {cert_file: a, key_file: b, min_version: TLS10}",
                "TLS10",
            ),
            (
                "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequestClientCert, client_ca_file: c}",
                "RequestClientCert",
            ),
            (
                "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert}",
                "client_ca_file belongs to",
            ),
            (
                "tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}",
                "client_ca_file belongs to",
            ),
            (
                "tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, max_version: TLS12}",
                "higher than max_version",
            ),
            ("http_server_config: {http2: true}", "http2: true"),
            (
                "http_server_config: {headers: {Server: x}}",
                "\"Server\" is not supported",
            ),
            (
                "basic_auth_users: [a]",
                "basic_auth_users must be a mapping",
            ),
            ("- a", "must be a mapping"),
            ("", "it is empty"),
            ("# written next\n", "it is empty"),
        ] {
            let error = parse(text, Path::new("/")).map(drop).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
