//! TLS 1.3 in which both machines prove that they know the token: each has the key that is derived from it, as a raw
//! public key (RFC 7250), and admits no other.

use std::sync::Arc;

use anyhow::Context;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    ServerConfig, SignatureScheme,
};

use super::token::Token;

/// What comes before the seed in PKCS #8 (RFC 8410, section 7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The key of both machines.
#[derive(Debug)]
struct Identity {
    certified: Arc<CertifiedKey>,
    public: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl Identity {
    fn of(token: &Token) -> anyhow::Result<Arc<Identity>> {
        let seed = token.seed()?;
        let document = PrivatePkcs8KeyDer::from([&PKCS8[..], &seed].concat());
        let key = ring::sign::any_eddsa_type(&document).context("cannot make a key")?;
        let public = key.public_key().context("a key without a public key")?;
        let public = CertificateDer::from(public.to_vec());
        Ok(Arc::new(Identity {
            certified: Arc::new(CertifiedKey::new(vec![public.clone()], key)),
            public,
            provider: Arc::new(ring::default_provider()),
        }))
    }

    /// Admits the own key alone.
    fn admit(&self, shown: &CertificateDer<'_>) -> Result<(), Error> {
        if shown.as_ref() == self.public.as_ref() {
            Ok(())
        } else {
            Err(CertificateError::UnknownIssuer.into())
        }
    }

    fn verify(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(shown.as_ref()),
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }
}

/// Neither end offers TLS 1.2.
fn no_tls12() -> Error {
    Error::General("TLS 1.2 is not offered".to_owned())
}

/// Looks at the other machine's key.
#[derive(Debug)]
struct Verifier(Arc<Identity>);

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.0.admit(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.admit(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// The listener's side.
pub(super) fn server(token: &Token) -> anyhow::Result<Arc<ServerConfig>> {
    let identity = Identity::of(token)?;
    let keys =
        rustls::server::AlwaysResolvesServerRawPublicKeys::new(Arc::clone(&identity.certified));
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&identity.provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(Verifier(identity)))
        .with_cert_resolver(Arc::new(keys));
    // There is one connection, so there is nothing to resume.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The other side.
pub(super) fn client(token: &Token) -> anyhow::Result<Arc<ClientConfig>> {
    let identity = Identity::of(token)?;
    let keys =
        rustls::client::AlwaysResolvesClientRawPublicKeys::new(Arc::clone(&identity.certified));
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&identity.provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier(identity)))
        .with_client_cert_resolver(Arc::new(keys));
    config.enable_sni = false;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}
