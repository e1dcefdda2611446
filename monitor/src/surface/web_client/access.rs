//! The credentials for a server, and the authorities that vouch for it: read from files, since a command line is
//! visible to every process.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::base::failure::Failure;

/// Longest file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// The credentials for a server, and the authorities that may vouch for it.
#[derive(Clone, Default)]
pub struct Access {
    /// Value of the header `Authorization`.
    pub(super) authorization: Option<HeaderValue>,
    /// How TLS is spoken; `None` for the authorities of this host.
    tls: Option<Arc<ClientConfig>>,
}

impl Access {
    /// Reads the files: a bearer token; `user:password`; certificates of authorities in PEM.
    ///
    /// # Errors
    /// A usage failure that names the file and what it must hold.
    pub fn read(
        token: Option<&Path>,
        user: Option<&Path>,
        authorities: Option<&Path>,
    ) -> Result<Access, Failure> {
        let authorization = match (token, user) {
            (Some(path), _) => Some(format!("Bearer {}", one_line(path)?)),
            (None, Some(path)) => {
                let pair = one_line(path)?;
                if !pair.contains(':') {
                    return Err(bad(path, "it must hold one line, user:password"));
                }
                Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
            }
            (None, None) => None,
        };
        let authorization = authorization.map(|text| {
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                Failure::usage(anyhow!(
                    "the credentials have characters that no header may have; write the file again"
                ))
            })?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Access {
            authorization: authorization.transpose()?,
            tls: authorities.map(only).transpose()?,
        })
    }

    /// How TLS is spoken.
    ///
    /// # Errors
    /// A usage failure where this host has no authorities.
    pub(super) fn tls(&self) -> Result<Arc<ClientConfig>, Failure> {
        if let Some(tls) = &self.tls {
            return Ok(Arc::clone(tls));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(Failure::usage(anyhow!(
                "this host has no certificates of authorities; install ca-certificates, or give --ca-file"
            )));
        }
        Ok(config(roots))
    }
}

/// TLS with the authorities of a file and no others.
fn only(path: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let text = content(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| bad(path, "it is not valid PEM"))?;
        roots
            .add(certificate)
            .map_err(|error| bad(path, &format!("a certificate is refused: {error}")))?;
    }
    if roots.is_empty() {
        return Err(bad(path, "it holds no certificate in PEM"));
    }
    Ok(config(roots))
}

fn config(roots: RootCertStore) -> Arc<ClientConfig> {
    Arc::new(
        ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

fn content(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_MAX).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    read()
        .with_context(|| format!("cannot read {}", path.display()))
        .map_err(Failure::usage)
}

/// The only line of a file.
fn one_line(path: &Path) -> Result<String, Failure> {
    let text = String::from_utf8(content(path)?).map_err(|_| bad(path, "it is not text"))?;
    let line = text.trim();
    if line.is_empty() || line.contains(['\n', '\r']) {
        return Err(bad(path, "it must hold one line"));
    }
    Ok(line.to_owned())
}

fn bad(path: &Path, what: &str) -> Failure {
    Failure::usage(anyhow!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_checked_and_named() {
        let folder =
            std::env::temp_dir().join(format!("overlay-monitor-access-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let token = file("token", "abc.def\n");
        let user = file("user", "reader:pa:ss\n");
        let value = |access: Access| access.authorization.unwrap();
        let access = Access::read(Some(&token), None, None).unwrap();
        assert_eq!(value(access), "Bearer abc.def");
        let access = Access::read(None, Some(&user), None).unwrap();
        assert_eq!(value(access), "Basic cmVhZGVyOnBhOnNz");
        let two = file("two", "a\nb\n");
        let nowhere = folder.join("nowhere");
        for (result, says) in [
            (Access::read(Some(&two), None, None), "one line"),
            (Access::read(None, Some(&token), None), "user:password"),
            (Access::read(Some(&nowhere), None, None), "cannot read"),
            (Access::read(None, None, Some(&token)), "no certificate"),
        ] {
            let failure = result.err().unwrap().to_string();
            assert!(failure.contains(says), "{failure}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
