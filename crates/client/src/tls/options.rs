//! Whom to trust and who the client is, from PEM texts.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};
use secrecy::{ExposeSecret, SecretString};

/// The CAs whose certificates count, and the client's own certificate and key where it has them.
#[derive(Clone)]
pub struct TlsOptions {
    pub(super) config: Arc<ClientConfig>,
    pub(super) has_identity: bool,
}

impl TlsOptions {
    /// Reads `ca`, one or more certificates, and the client's `identity`: its certificate, followed by those between it
    /// and the CA, and its private key (PKCS #8, PKCS #1 or SEC 1, not encrypted). Everything is PEM; sections of other
    /// kinds are skipped.
    ///
    /// # Errors
    /// [`TlsError`] says which of the three texts is wrong, and how; it never repeats what the key's text holds.
    ///
    /// ```
    /// use slotwright_client::TlsOptions;
    /// let error = TlsOptions::from_pem(b"", None).unwrap_err();
    /// assert!(error.to_string().starts_with("CA certificates: there is none in it"));
    /// ```
    pub fn from_pem(ca: &[u8], identity: Option<(&[u8], &SecretString)>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in certificates(ca).map_err(TlsError::Authority)?.into_iter().enumerate() {
            let unreadable = |_| TlsError::Authority(PemFault::Unreadable { number: index + 1 });
            roots.add(certificate).map_err(unreadable)?;
        }
        // The provider is named: which one the process has as its default is not this crate's to decide.
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| TlsError::Provider)?
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain).map_err(TlsError::Certificate)?;
                let key = private_key(key).map_err(TlsError::Key)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| match error {
                    rustls::Error::InvalidCertificate(_) => {
                        TlsError::Certificate(PemFault::Unreadable { number: 1 })
                    }
                    rustls::Error::InconsistentKeys(_) => TlsError::Key(PemFault::Mismatch),
                    _ => TlsError::Key(PemFault::Unsupported),
                })?
            }
        };
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), has_identity: identity.is_some() })
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions").field("has_identity", &self.has_identity).finish_non_exhaustive()
    }
}

/// Why no TLS connector came about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The text with the CAs.
    #[error("CA certificates: {0}")]
    Authority(#[source] PemFault),
    /// The text with the client's certificate.
    #[error("client certificate: {0}")]
    Certificate(#[source] PemFault),
    /// The text with the client's private key.
    #[error("private key of the client: {0}")]
    Key(#[source] PemFault),
    /// No certificate can be valid for such a name.
    #[error("`{0}` cannot be the name of a server; give a DNS name or an IP address, without a port")]
    Name(Box<str>),
    /// The cryptographic library offers no version of TLS.
    #[error("the cryptographic library supports neither TLS 1.2 nor 1.3")]
    Provider,
}

/// What is wrong with a PEM text. Never holds what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemFault {
    /// No certificate.
    #[error("there is none in it; give PEM with `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    /// No private key.
    #[error("there is none in it; give PEM with `-----BEGIN PRIVATE KEY-----`")]
    NoKey,
    /// A section has no end, or is not base64.
    #[error("a PEM section in it is cut off or garbled; give the text as it was issued")]
    Garbled,
    /// A certificate is well-formed PEM, but not X.509.
    #[error("number {number} in it cannot be read; give X.509 certificates, of version 3")]
    Unreadable {
        /// Which one, from 1.
        number: usize,
    },
    /// The key is under a passphrase.
    #[error("it is encrypted; give it decrypted (`openssl pkey -in KEY -out DECRYPTED`)")]
    Encrypted,
    /// The key is of a kind or size the library cannot use.
    #[error("its kind cannot be used; give RSA from 2048 bits, ECDSA on P-256 or P-384, or Ed25519")]
    Unsupported,
    /// The key belongs to another certificate.
    #[error("it does not belong to the client certificate; give the key the certificate was made for")]
    Mismatch,
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemFault> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(PemFault::NoCertificate),
        Ok(found) => Ok(found),
        Err(_) => Err(PemFault::Garbled),
    }
}

fn private_key(text: &SecretString) -> Result<PrivateKeyDer<'static>, PemFault> {
    let text = text.expose_secret();
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        // The old form says so in a header, which leaves the section readable up to there.
        _ if text.contains("ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") => {
            Err(PemFault::Encrypted)
        }
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(PemFault::NoKey),
        // The library's own text may repeat a line.
        Err(_) => Err(PemFault::Garbled),
    }
}

/// Options that trust nobody.
#[cfg(test)]
pub(super) fn untrusting() -> TlsOptions {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    TlsOptions { config: Arc::new(config), has_identity: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &str = "bm90IFguNTA5Cg==";

    fn pem(label: &str, content: &str) -> String {
        format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
    }

    #[test]
    fn the_cas_must_be_certificates() {
        let cases = [
            (String::new(), PemFault::NoCertificate),
            ("no PEM at all".into(), PemFault::NoCertificate),
            (pem("PRIVATE KEY", SECTION), PemFault::NoCertificate),
            (pem("CERTIFICATE", SECTION), PemFault::Unreadable { number: 1 }),
            (pem("CERTIFICATE", "*"), PemFault::Garbled),
            ("-----BEGIN CERTIFICATE-----\nbm90".into(), PemFault::Garbled),
        ];
        for (text, fault) in cases {
            let error = TlsOptions::from_pem(text.as_bytes(), None).unwrap_err();
            assert_eq!(error, TlsError::Authority(fault), "{text}");
        }
    }

    #[test]
    fn a_wrong_key_is_told_without_its_text() {
        let secret = "c2VjcmV0c2VjcmV0";
        let cases = [
            (String::new(), PemFault::NoKey),
            (secret.into(), PemFault::NoKey),
            (pem("CERTIFICATE", secret), PemFault::NoKey),
            (pem("PRIVATE KEY", "c2VjcmV0c2VjcmV0*"), PemFault::Garbled),
            (format!("-----BEGIN PRIVATE KEY\n{secret}"), PemFault::Garbled),
            (format!("-----BEGIN PRIVATE KEY-----\n{secret}"), PemFault::Garbled),
            (pem("ENCRYPTED PRIVATE KEY", secret), PemFault::Encrypted),
            (pem("RSA PRIVATE KEY", &format!("Proc-Type: 4,ENCRYPTED\n\n{secret}")), PemFault::Encrypted),
        ];
        for (text, fault) in cases {
            let found = private_key(&text.as_str().into()).unwrap_err();
            assert_eq!(found, fault, "{text}");
            assert!(!format!("{found} {found:?}").contains("c2Vj"), "{found:?}");
        }
    }
}
