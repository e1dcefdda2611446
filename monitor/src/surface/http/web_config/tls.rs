//! TLS as the web configuration wants it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
};

use super::file::{ClientAuth, Curve, Tls, Version};
use super::own_certificate::{AnyServer, OwnOr};

/// Longest file that is read, in bytes.
pub(super) const FILE_MAX: u64 = 1 << 20;
/// What follows the name of a cipher of TLS 1.3, which cannot be chosen.
const TLS13_CIPHERS: &str = "TLS13_";
/// The digest that Go leaves out of the names of two ciphers.
const DIGEST_LEFT_OUT: &str = "_SHA256";

/// The certificate of the agent with its chain, and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// How the agent speaks TLS.
pub(super) fn server(tls: &Tls) -> Result<ServerConfig> {
    let identity = Identity::read(tls)?;
    let provider = Arc::new(provider(tls)?);
    let versions: Vec<&'static SupportedProtocolVersion> =
        [(Version::Tls12, &TLS12), (Version::Tls13, &TLS13)]
            .into_iter()
            .filter(|(version, _)| {
                tls.min_version.is_none_or(|min| *version >= min)
                    && tls.max_version.is_none_or(|max| *version <= max)
            })
            .map(|(_, spoken)| spoken)
            .collect();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .context("the versions and the ciphers do not fit")?;
    let builder = match tls.client_auth_type {
        None | Some(ClientAuth::None) => builder.with_no_client_auth(),
        Some(kind) => {
            let roots = Arc::new(authorities(tls)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier = match kind {
                ClientAuth::Required => verifier,
                _ => verifier.allow_unauthenticated(),
            };
            let own = identity.own()?;
            builder.with_client_cert_verifier(Arc::new(OwnOr::new(own, verifier.build()?)))
        }
    };
    let mut server = builder
        .with_single_cert(identity.chain, identity.key)
        .context("the certificate and the key do not fit")?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    server.ignore_client_order = tls.prefer_server_cipher_suites.unwrap_or(true);
    Ok(server)
}

/// How a client on this host speaks TLS to the agent: it shows the agent's own certificate, if it could be read.
pub(super) fn client(tls: Option<&Tls>) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let any = AnyServer::new(&provider);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(any));
    let Some(tls) = tls else {
        return Ok(builder.with_no_client_auth());
    };
    let identity = Identity::read(tls)?;
    builder
        .with_client_auth_cert(identity.chain, identity.key)
        .context("the certificate and the key do not fit")
}

impl Identity {
    fn read(tls: &Tls) -> Result<Identity> {
        let certificate = pem(tls.cert_file.as_deref(), tls.cert.as_deref(), "cert")?;
        let chain = certificates(&certificate).context("cert_file")?;
        let key = pem(tls.key_file.as_deref(), tls.key.as_deref(), "key")?;
        // The error of the parser is left out: it could hold a part of the key.
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_| anyhow!("key_file: it holds no private key in PEM without a password"))?;
        Ok(Identity { chain, key })
    }

    fn own(&self) -> Result<CertificateDer<'static>> {
        self.chain.first().cloned().context("no certificate")
    }
}

fn authorities(tls: &Tls) -> Result<RootCertStore> {
    let text = pem(
        tls.client_ca_file.as_deref(),
        tls.client_ca.as_deref(),
        "client_ca",
    )?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&text).context("client_ca_file")? {
        roots
            .add(certificate)
            .context("client_ca_file: a certificate is refused")?;
    }
    Ok(roots)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|_| anyhow!("it is not valid PEM"))?;
    if all.is_empty() {
        bail!("it holds no certificate in PEM");
    }
    Ok(all)
}

/// The PEM of a file, or the text that stands in its place.
fn pem(file: Option<&Path>, text: Option<&str>, name: &str) -> Result<Vec<u8>> {
    match (file, text) {
        (Some(path), _) => content(path).with_context(|| format!("{name}_file")),
        (None, Some(text)) => Ok(text.as_bytes().to_vec()),
        (None, None) => bail!("{name}_file is missing"),
    }
}

/// The content of a file of limited size.
pub(super) fn content(path: &Path) -> Result<Vec<u8>> {
    let read = || {
        let mut bytes = Vec::new();
        let file = File::open(path)?;
        file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > FILE_MAX {
        bail!("{} has more than {FILE_MAX} bytes", path.display());
    }
    Ok(bytes)
}

/// The ciphers and groups that are wanted, in the order of the file.
fn provider(tls: &Tls) -> Result<CryptoProvider> {
    let mut provider = ring::default_provider();
    if let Some(names) = &tls.cipher_suites {
        let (of_tls13, others): (Vec<_>, Vec<_>) = provider
            .cipher_suites
            .iter()
            .partition(|suite| name(suite).starts_with(TLS13_CIPHERS));
        provider.cipher_suites = of_tls13;
        for wanted in names {
            let suite = others.iter().find(|suite| is_named(suite, wanted));
            let suite = suite.with_context(|| {
                let known: Vec<_> = others.iter().map(name).collect();
                format!(
                    "cipher_suites: {wanted:?} is not supported; use {}. Those of TLS 1.3 cannot be chosen",
                    known.join(", ")
                )
            })?;
            provider.cipher_suites.push(*suite);
        }
    }
    if let Some(curves) = &tls.curve_preferences {
        let group = |curve: &Curve| match curve {
            Curve::P256 => ring::kx_group::SECP256R1,
            Curve::P384 => ring::kx_group::SECP384R1,
            Curve::X25519 => ring::kx_group::X25519,
        };
        provider.kx_groups = curves.iter().map(group).collect();
    }
    Ok(provider)
}

fn name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite())
}

fn is_named(suite: &SupportedCipherSuite, wanted: &str) -> bool {
    let name = name(suite);
    name == wanted || name.strip_suffix(DIGEST_LEFT_OUT) == Some(wanted)
}
