//! TLS as libpq's `sslmode` asks for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::endpoint::TlsMode;
use crate::error::{Error, ErrorKind, Result};

/// The files that a connection names.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    /// The roots that the server's certificate must go back to: a PEM file, or `system`.
    pub(super) roots: Option<String>,
    /// Our own certificate.
    pub(super) certificate: Option<PathBuf>,
    /// The key to it.
    pub(super) key: Option<PathBuf>,
}

/// Makes what a connection shakes hands with.
pub(super) fn connector(mode: TlsMode, files: &Files) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let roots = match mode {
        TlsMode::Disable | TlsMode::Prefer => None,
        // As in libpq, a file of roots makes `require` check what `verify-ca` checks.
        TlsMode::Require => root_file(files).map(|file| from_file(&file)).transpose()?,
        TlsMode::VerifyCa => match root_file(files) {
            Some(file) => Some(from_file(&file)?),
            None => return Err(weak_roots()),
        },
        TlsMode::VerifyFull => Some(match root_file(files) {
            Some(file) => from_file(&file)?,
            None => from_system()?,
        }),
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::config("TLS cannot be set up").with_cause(cause))?;
    let builder = match roots {
        Some(roots) if mode == TlsMode::VerifyFull => builder.with_root_certificates(roots),
        roots => builder.dangerous().with_custom_certificate_verifier(Arc::new(Chain { roots, provider })),
    };
    let config = match (&files.certificate, &files.key) {
        (None, _) => builder.with_no_client_auth(),
        (Some(certificate), key) => {
            // A PEM file may hold both.
            let key = key.as_ref().unwrap_or(certificate);
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|cause| unreadable("the client's key", key, cause))?;
            let refused = |cause| Error::config("the client's certificate and key do not fit").with_cause(cause);
            builder.with_client_auth_cert(chain, key).map_err(refused)?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// The file of roots that is named, or libpq's usual one, if it is there.
fn root_file(files: &Files) -> Option<PathBuf> {
    match files.roots.as_deref() {
        Some("system") => None,
        Some(named) => Some(PathBuf::from(named)),
        None => {
            let usual = Path::new(&std::env::var_os("HOME")?).join(".postgresql/root.crt");
            usual.is_file().then_some(usual)
        }
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let found: Vec<_> = found.map_err(|cause| unreadable("certificates", file, cause))?;
    match found.is_empty() {
        true => Err(Error::config(format!("{} holds no certificate", file.display())).with_hint("name a PEM file")),
        false => Ok(found),
    }
}

fn from_file(file: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        let refused = |cause| Error::config(format!("{} holds no usable root", file.display())).with_cause(cause);
        roots.add(certificate).map_err(refused)?;
    }
    Ok(roots)
}

fn from_system() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(Error::config("the system has no root certificates to check the server's against")
            .with_hint("install ca-certificates, or name a file with sslrootcert")),
        false => Ok(roots),
    }
}

fn weak_roots() -> Error {
    Error::config("sslmode=verify-ca needs sslrootcert: under the system's roots anyone can have a certificate")
        .with_hint("name the file with sslrootcert, or use sslmode=verify-full")
}

fn unreadable(what: &str, file: &Path, cause: rustls::pki_types::pem::Error) -> Error {
    Error::new(ErrorKind::Config, format!("{what} cannot be read from {}: {cause}", file.display()))
}

/// Checks that a certificate goes back to the roots, if there are any, and never whose name it bears.
#[derive(Debug)]
struct Chain {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Chain {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(certificate)?;
            let known = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, known)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
