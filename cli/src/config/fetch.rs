//! `-C https://...`: one GET, bounded in time and size. No message shows the URL's credentials.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ginnel_core::crypto::library;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Error};

use super::text::bounded;
use super::yaml::Format;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A URL in two halves.
struct Location {
    /// What is asked for: without userinfo and fragment.
    request: String,
    /// `user:password`, percent-decoded.
    credentials: Option<Vec<u8>>,
}

pub fn is_url(source: &str) -> bool {
    let rest = ["http://", "https://"].into_iter().find_map(|scheme| {
        let head = source.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme)
            .then(|| &source[scheme.len()..])
    });
    rest.is_some_and(|rest| !rest.is_empty())
}

/// The URL as messages name it: without userinfo and query, either of which may hold a secret.
pub fn shown(url: &str) -> String {
    let Location { request, .. } = Location::of(url);
    match request.split_once('?') {
        Some((before, _)) => format!("{before}?..."),
        None => request,
    }
}

/// The document and its format, by content type, else by the path's extension, else YAML.
pub fn fetch(url: &str) -> Result<(Vec<u8>, Format), String> {
    let Location {
        request: url,
        credentials,
    } = Location::of(url);
    let config = Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .max_redirects(5)
        .http_status_as_error(false)
        .user_agent(concat!("ginnel/", env!("CARGO_PKG_VERSION")));
    let secure = url.starts_with("https://");
    let config = match secure {
        false => config,
        // What was asked for in secret must not be answered in the open.
        true => config.https_only(true).tls_config(tls()?),
    };
    let agent: Agent = config.build().into();
    let mut request = agent.get(&url);
    if let Some(credentials) = credentials {
        request = request.header(
            "Authorization",
            format!("Basic {}", STANDARD.encode(credentials)),
        );
    }
    let mut response = request.call().map_err(|error| reason(&error))?;
    if response.status().as_u16() != 200 {
        return Err(format!(
            "expected status 200, got {}",
            response.status().as_u16()
        ));
    }
    let kind = response.headers().get("Content-Type");
    let kind = kind
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let bytes = bounded(&mut response.body_mut().as_reader())
        .map_err(|error| format!("reading the body: {error}"))?;
    Ok((bytes, format(&kind, &url)))
}

fn tls() -> Result<TlsConfig, String> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err("the system has no trusted certificates".to_owned());
    }
    let roots: Vec<_> = found
        .certs
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::from(roots))
        .unversioned_rustls_crypto_provider(Arc::new(library::default_provider()))
        .build())
}

/// Without the URL, which the library's texts may contain.
fn reason(error: &Error) -> String {
    match error {
        Error::Timeout(_) => format!("no answer within {} seconds", TIMEOUT.as_secs()),
        Error::HostNotFound => "the host is not known".to_owned(),
        Error::TooManyRedirects => "too many redirects".to_owned(),
        Error::BadUri(_) | Error::Http(_) => {
            "expected a URL such as https://host/gost.yml".to_owned()
        }
        Error::RequireHttpsOnly(_) => "redirected from https to http".to_owned(),
        other => other.to_string(),
    }
}

fn format(kind: &str, url: &str) -> Format {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/json" => return Format::Json,
        "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => {
            return Format::Yaml;
        }
        _ => {}
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match path.to_ascii_lowercase().ends_with(".json") {
        true => Format::Json,
        false => Format::Yaml,
    }
}

impl Location {
    fn of(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let tail = tail.split('#').next().unwrap_or_default();
        Self {
            request: format!("{}://{host}{tail}", scheme.to_ascii_lowercase()),
            credentials: user.map(decode),
        }
    }
}

fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = tail
            .get(..2)
            .and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}
