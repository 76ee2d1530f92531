//! The web sites that strangers see, of `fallback` and `probeResist`.

use std::sync::Arc;

use ginnel_core::addr::Target;
use ginnel_core::plan::{Backend, Content, Probe, Site};

use super::Lowering;
use super::tls;
use crate::config::model::Tls;
use crate::config::options::Options;
use crate::config::value;
use crate::site;
use crate::url::without_zone;

/// In front of a websocket listener.
pub(super) fn fallback(
    to: &mut Lowering<'_>,
    options: &Options<'_>,
    at: &str,
) -> Option<Arc<Site>> {
    let text = options.text("fallback")?;
    let content = match text.split_once(':') {
        Some(("file", dir)) => site::files(dir).map(Content::Files),
        Some(("http" | "https", _)) => {
            backend(to, &text, at).and_then(|(backend, page)| match page.1.as_str() {
                "/" => Ok(Content::Backend(Backend {
                    own: true,
                    ..backend
                })),
                path => Err(format!("requests keep their own path: leave out {path:?}")),
            })
        }
        _ => Err(format!(
            "expected http://HOST:PORT, https://HOST:PORT or file:DIR, got {text:?}"
        )),
    };
    let headers = options.fields("header");
    site(to, "fallback", content, headers, at)
}

/// In place of the http handler.
pub(super) fn probe(
    to: &mut Lowering<'_>,
    options: &Options<'_>,
    has_users: bool,
    headers: &[(String, String)],
    at: &str,
) -> Option<Arc<Probe>> {
    let text = options.text("probeResist")?;
    let (kind, rest) = text.split_once(':').unwrap_or((&text, ""));
    let content = match kind {
        "code" => match rest.parse() {
            Ok(status @ 300..=599) => Ok(Content::Status(status)),
            _ => Err(format!("expected code:404 or another status, got {text:?}")),
        },
        "file" => site::document(rest).map(Content::Page),
        "web" => {
            let url = match rest.contains("://") {
                true => rest.to_owned(),
                false => format!("http://{rest}"),
            };
            backend(to, &url, at).map(|(backend, page)| {
                Content::Backend(Backend {
                    page: Some(page),
                    ..backend
                })
            })
        }
        "host" => match Target::parse(rest).or_else(|| Target::parse(&format!("{rest}:80"))) {
            Some(target) if target.port != 0 && !rest.is_empty() => Ok(Content::Backend(Backend {
                target,
                tls: None,
                page: None,
                own: false,
            })),
            _ => Err(format!("expected host:HOST:PORT, got {text:?}")),
        },
        _ => Err(format!(
            "expected code:STATUS, web:URL, host:HOST:PORT or file:PATH, got {text:?}"
        )),
    };
    let site = site(to, "probeResist", content, headers.to_vec(), at)?;
    if !has_users {
        let text = "probeResist has no effect without users: everybody may use the proxy";
        to.findings.warn(at, text);
        return None;
    }
    let knock = options.get("knock").map(value::to_texts);
    Some(Arc::new(Probe {
        site,
        knock: knock.unwrap_or_default(),
    }))
}

fn site(
    to: &mut Lowering<'_>,
    option: &str,
    content: Result<Content, String>,
    headers: Vec<(String, String)>,
    at: &str,
) -> Option<Arc<Site>> {
    match content {
        Ok(content) => Some(Arc::new(Site {
            content,
            headers,
            epoch: Some(site::epoch()),
        })),
        Err(error) => {
            to.findings.error(at, format_args!("{option}: {error}"));
            None
        }
    }
}

/// The server of a URL; and its page, as host and path. A certificate is verified by the system's roots.
fn backend(
    to: &mut Lowering<'_>,
    url: &str,
    at: &str,
) -> Result<(Backend, (String, String)), String> {
    let wrong = || format!("expected a URL such as http://127.0.0.1:8080, got {url:?}");
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if host.is_empty() || host.contains('@') || !plain(rest) {
        return Err(wrong());
    }
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(wrong()),
    };
    let target = Target::parse(host).or_else(|| Target::parse(&format!("{host}:{port}")));
    let target = target.filter(|target| target.port != 0).ok_or_else(wrong)?;
    let tls = match scheme {
        "https" => {
            let section = Tls {
                secure: true,
                ..Tls::default()
            };
            let addr = target.to_string();
            let tls = tls::client(to, &section, &addr, None, at);
            Some(tls.ok_or("its certificate cannot be verified")?)
        }
        _ => None,
    };
    let path = match path {
        "" => "/".to_owned(),
        path if path.starts_with('?') => format!("/{path}"),
        path => path.to_owned(),
    };
    let backend = Backend {
        target,
        tls,
        page: None,
        own: false,
    };
    Ok((backend, (without_zone(host), path)))
}
