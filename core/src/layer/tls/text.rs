//! What rustls reports, in words that help.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

/// `ready`: the handshake was over.
pub(super) fn error_text(error: &rustls::Error, ready: bool) -> String {
    match error {
        rustls::Error::InvalidMessage(_) if !ready => "the peer does not speak TLS".to_owned(),
        rustls::Error::AlertReceived(alert) => format!("TLS: {}", alert_text(*alert)),
        rustls::Error::InvalidCertificate(fault) => {
            format!("TLS: the peer's certificate {}", certificate_text(fault))
        }
        rustls::Error::NoCertificatesPresented => {
            "TLS: the client shows no certificate, and caFile demands one".to_owned()
        }
        error => format!("TLS: {error}"),
    }
}

pub(super) fn alert_text(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA => format!("the peer refuses our certificate (alert {alert:?})"),
        Alert::CertificateRequired => {
            "the peer demands a client certificate: set certFile and keyFile".to_owned()
        }
        alert => format!("the peer answered with alert {alert:?}"),
    }
}

/// What is wrong with a certificate, and what helps; goes on after "the peer's certificate".
pub fn certificate_text(fault: &CertificateError) -> String {
    use CertificateError as Fault;
    let text = match fault {
        Fault::UnknownIssuer => {
            "is signed by nobody we trust: give its CA, or the certificate itself, with caFile"
        }
        Fault::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } | Fault::BadSignature => {
            "is not signed by the key of the CA it names: caFile has another CA of the same name"
        }
        Fault::Expired => "has expired",
        Fault::ExpiredContext { time, not_after } => {
            return format!("expired {} ago", days(not_after, time));
        }
        Fault::NotValidYet => "is not valid yet: is the clock right?",
        Fault::NotValidYetContext { time, not_before } => {
            let days = days(time, not_before);
            return format!("is not valid for another {days}: is the clock right?");
        }
        Fault::NotValidForName => "is for other names: set serverName",
        Fault::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            let names: Vec<_> = presented.iter().map(|name| plain_name(name)).collect();
            return match names.is_empty() {
                true => format!("names no host, expected {expected}"),
                false => format!(
                    "is for other names ({}), expected {expected}: set serverName",
                    names.join(", ")
                ),
            };
        }
        Fault::Revoked => "is revoked",
        Fault::InvalidPurpose | Fault::InvalidPurposeContext { .. } => {
            "is not made for this end of a connection (extended key usage)"
        }
        Fault::BadEncoding => "cannot be read",
        other => {
            let name = format!("{other:?}");
            if name.contains("CaUsedAsEndEntity") {
                return "is that of a CA (CA:TRUE), and not itself trusted: give it as caFile"
                    .to_owned();
            }
            let name = name.split([' ', '{']).next().unwrap_or_default();
            return format!("is refused ({name})");
        }
    };
    text.to_owned()
}

fn days(from: &UnixTime, to: &UnixTime) -> String {
    match to.as_secs().saturating_sub(from.as_secs()) / (24 * 60 * 60) {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// `DnsName("a.example")` and `IpAddress(10.0.0.1)` without what is around the name.
fn plain_name(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"')
}
