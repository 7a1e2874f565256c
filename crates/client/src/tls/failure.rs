//! What went wrong in TLS, and what to do about it: the library's errors in the words of whoever runs the servers.

use std::{fmt, io};

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

/// A failure of the handshake.
pub(super) fn in_handshake(error: io::Error, has_identity: bool) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let reason = "the server closed the connection in the TLS handshake; see its log, and whether the port is its \
                      `tls-port`";
        return explained(error, reason.into());
    }
    afterwards(error, has_identity)
}

/// A failure of the encrypted stream; errors that are not about TLS stay as they are.
pub(super) fn afterwards(error: io::Error, has_identity: bool) -> io::Error {
    let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match of_tls.map(|of_tls| reason(of_tls, has_identity)) {
        Some(reason) => explained(error, reason),
        None => error,
    }
}

fn reason(error: &rustls::Error, has_identity: bool) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => certificate(error),
        rustls::Error::AlertReceived(alert) => refusal(*alert, has_identity),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server speaks no TLS on this port; connect without TLS, or to its `tls-port`".into()
        }
        rustls::Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig) => {
            "the server offers neither TLS 1.2 nor 1.3; see its `tls-protocols`".into()
        }
        error => format!("TLS failed: {error}"),
    }
}

/// What the client has against the server's certificate.
fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::NotValidForNameContext { expected, presented } if presented.is_empty() => format!(
            "the server's certificate is not valid for {}: it names no host at all; issue one with that name as \
             subjectAltName",
            expected.to_str()
        ),
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the server's certificate is not valid for {}, only for {}; connect under such a name, or give \
             the server name to expect",
            expected.to_str(),
            presented.iter().map(|name| bare(name)).collect::<Vec<_>>().join(", ")
        ),
        CertificateError::UnknownIssuer => {
            "the server's certificate was issued by none of the given CAs; give the CA that issued it".into()
        }
        CertificateError::BadSignature => {
            "the server's certificate names a given CA as its issuer, but was signed by \
                                           another; give the CA that issued it"
                .into()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the server's certificate expired {} ago; renew it, and see the clock of this machine",
            Span(time.as_secs().saturating_sub(not_after.as_secs()))
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the server's certificate becomes valid in {}; see the clocks of this machine and of its issuer",
            Span(not_before.as_secs().saturating_sub(time.as_secs()))
        ),
        CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate is not one for servers; issue one with extendedKeyUsage serverAuth"
                .into()
        }
        // The verifier's own words, which the library passes on as they are.
        CertificateError::Other(error) => match error.to_string().as_str() {
            "UnsupportedCertVersion" => {
                "the server's certificate is of X.509 version 1, which can name no host; issue one of version 3, with \
                 its names as subjectAltName"
                    .into()
            }
            "CaUsedAsEndEntity" => {
                "the server's certificate is that of a CA; issue one for the server itself (CA:FALSE)".into()
            }
            error => format!("the server's certificate is not acceptable: {error}"),
        },
        error => format!("the server's certificate is not acceptable: {error}"),
    }
}

/// What the server has against the client.
fn refusal(alert: AlertDescription, has_identity: bool) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the server requires a client certificate, and none was given; give one with its key".into()
        }
        // How TLS 1.2 says the same, among much else.
        AlertDescription::HandshakeFailure if !has_identity => {
            "the server refused the TLS handshake; it may require a client certificate, and none was given"
                .into()
        }
        AlertDescription::HandshakeFailure => {
            "the server refused the TLS handshake; see its log, and whether its \
                                               `tls-ciphers` leave any in common"
                .into()
        }
        AlertDescription::UnknownCA => {
            "the server does not trust the CA of the client certificate; give one issued by \
                                        a CA in its `tls-ca-cert-file`"
                .into()
        }
        AlertDescription::CertificateExpired => {
            "the server says that the client certificate has expired; renew it".into()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown => {
            format!("the server refuses the client certificate ({alert:?}); see its log for the reason")
        }
        AlertDescription::ProtocolVersion => {
            "the server accepts neither TLS 1.2 nor 1.3; see its `tls-protocols`".into()
        }
        alert => format!("the server ended TLS ({alert:?}); see its log for the reason"),
    }
}

/// A name as it stands in a certificate; the library wraps it in the name of its kind.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// A number of seconds, in the largest unit that fits.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0 {
            seconds @ ..60 => (seconds, "second"),
            seconds @ ..3600 => (seconds / 60, "minute"),
            seconds @ ..86_400 => (seconds / 3600, "hour"),
            seconds => (seconds / 86_400, "day"),
        };
        write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" })
    }
}

/// An error with its explanation as text and the original as its source.
#[derive(Debug)]
struct Explained {
    reason: String,
    source: io::Error,
}

fn explained(source: io::Error, reason: String) -> io::Error {
    io::Error::new(source.kind(), Explained { reason, source })
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Explained {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;

    fn shown(error: rustls::Error, has_identity: bool) -> String {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        in_handshake(error, has_identity).to_string()
    }

    #[test]
    fn a_certificate_for_other_names_is_told_with_those_names() {
        let with = |presented: &[&str]| {
            let expected = ServerName::try_from("node.example").unwrap();
            let presented = presented.iter().map(|&name| name.into()).collect();
            let error = CertificateError::NotValidForNameContext { expected, presented };
            shown(rustls::Error::InvalidCertificate(error), false)
        };
        let text = with(&["DnsName(\"*.test\")", "IpAddress(127.0.0.1)", "other"]);
        assert!(text.contains("not valid for node.example, only for *.test, 127.0.0.1, other;"), "{text}");
        assert!(with(&[]).contains("not valid for node.example: it names no host"), "{}", with(&[]));
    }

    #[test]
    fn times_are_told_as_spans() {
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let expired =
            CertificateError::ExpiredContext { time: at(1_000_000), not_after: at(1_000_000 - 86_400) };
        let text = shown(rustls::Error::InvalidCertificate(expired), false);
        assert!(text.contains("expired 1 day ago;"), "{text}");
        let early =
            CertificateError::NotValidYetContext { time: at(1_000_000), not_before: at(1_000_000 + 7200) };
        let text = shown(rustls::Error::InvalidCertificate(early), false);
        assert!(text.contains("becomes valid in 2 hours;"), "{text}");
    }

    #[test]
    fn a_refusal_depends_on_what_the_client_showed() {
        let refused = |alert, has_identity| shown(rustls::Error::AlertReceived(alert), has_identity);
        let cases = [
            (AlertDescription::CertificateRequired, false, "requires a client certificate"),
            (AlertDescription::HandshakeFailure, false, "may require a client certificate"),
            (AlertDescription::HandshakeFailure, true, "tls-ciphers"),
            (AlertDescription::UnknownCA, true, "does not trust the CA of the client certificate"),
            (AlertDescription::CertificateRevoked, true, "CertificateRevoked"),
            (AlertDescription::InternalError, true, "InternalError"),
        ];
        for (alert, has_identity, expected) in cases {
            let text = refused(alert, has_identity);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_of_tls_stays_as_it_is() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let kept = in_handshake(reset, true);
        assert_eq!((kept.kind(), kept.get_ref().is_none()), (io::ErrorKind::ConnectionReset, true));
        let end = in_handshake(io::ErrorKind::UnexpectedEof.into(), true);
        assert!(end.to_string().contains("closed the connection in the TLS handshake"), "{end}");
    }
}
