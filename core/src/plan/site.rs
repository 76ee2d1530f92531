//! A web site that strangers see in place of a proxy or a tunnel.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::TlsClient;
use crate::addr::Target;
use crate::time::Time;
use crate::wire::http_date::http_date;

#[derive(Clone, Debug)]
pub struct Site {
    pub content: Content,
    /// Added to what we answer ourselves. `Server` replaces the usual one.
    pub headers: Vec<(String, String)>,
    /// Seconds since 1970 at [`Time::ZERO`]; without it, answers carry no date.
    pub epoch: Option<u64>,
}

#[derive(Clone, Debug)]
pub enum Content {
    /// An error page with this status, for everything.
    Status(u16),
    /// One page for everything.
    Page(Document),
    Files(Files),
    /// Another server.
    Backend(Backend),
}

#[derive(Clone, Debug)]
pub struct Document {
    /// `Content-Type`.
    pub kind: String,
    pub body: Bytes,
    /// With its quotes.
    pub etag: String,
    /// `Last-Modified`.
    pub modified: String,
}

/// Files by their path, without a slash in front: `css/main.css`. All in memory.
#[derive(Clone, Debug, Default)]
pub struct Files(pub BTreeMap<String, Document>);

/// What a path leads to.
#[derive(Debug)]
pub enum Found<'a> {
    Document(&'a Document),
    /// A folder whose slash was left out; the path with it.
    Folder(String),
    Missing,
    /// It leads out of the site, or is no path.
    Bad,
}

/// Reached directly, without the service's chain.
#[derive(Clone, Debug)]
pub struct Backend {
    pub target: Target,
    pub tls: Option<TlsClient>,
    /// Every request asks for this page of this host; `None` passes requests on as they are.
    pub page: Option<(String, String)>,
    /// It is ours, and learns who asks.
    pub own: bool,
}

/// An http proxy that strangers take for a site.
#[derive(Clone, Debug)]
pub struct Probe {
    pub site: std::sync::Arc<Site>,
    /// Hosts for which a request is told to authenticate. With none, every request is for the site.
    pub knock: Vec<String>,
}

impl Site {
    pub fn server(&self) -> &str {
        let own = self
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("server"));
        own.map_or("nginx", |(_, value)| value)
    }

    pub fn date(&self, now: Time) -> Option<String> {
        let since = now.since(Time::ZERO).as_secs();
        self.epoch.map(|epoch| http_date(epoch + since))
    }

    pub fn backend(&self) -> Option<&Backend> {
        match &self.content {
            Content::Backend(backend) => Some(backend),
            _ => None,
        }
    }
}

impl Files {
    /// `path` as in a request, escapes and all, without the query.
    pub fn find(&self, path: &str) -> Found<'_> {
        let Some(parts) = resolve(path) else {
            return Found::Bad;
        };
        let name = parts.join("/");
        let folder = parts.last().is_none_or(String::is_empty);
        let index = format!("{name}index.html");
        if let Some(document) = self.0.get(if folder { &index } else { &name }) {
            return Found::Document(document);
        }
        if !folder && self.0.contains_key(&format!("{name}/index.html")) {
            return Found::Folder(format!("/{}/", escape(&name)));
        }
        Found::Missing
    }
}

/// The parts of a path without `.`, `..` and empty ones; an empty last one is that of a folder.
fn resolve(path: &str) -> Option<Vec<String>> {
    let plain = unescape(path.strip_prefix('/')?)?;
    let mut parts: Vec<String> = Vec::new();
    let mut folder = false;
    for part in plain.split('/') {
        folder = matches!(part, "" | "." | "..");
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part.to_owned()),
        }
    }
    if folder {
        parts.push(String::new());
    }
    Some(parts)
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        plain.push(u8::try_from(value).ok().filter(|byte| *byte != 0)?);
    }
    String::from_utf8(plain).ok()
}

fn escape(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_files_and_never_out() {
        let names = ["index.html", "a b.txt", "docs/index.html", "docs/x.css"];
        let document = |name: &str| Document {
            kind: String::new(),
            body: Bytes::from(name.to_owned()),
            etag: String::new(),
            modified: String::new(),
        };
        let files = names.map(|name| (name.to_owned(), document(name)));
        let files = Files(files.into_iter().collect());
        for (path, expected) in [
            ("/", "index.html"),
            ("/index.html", "index.html"),
            ("//docs//x.css", "docs/x.css"),
            ("/docs/", "docs/index.html"),
            ("/docs/.", "docs/index.html"),
            ("/docs", "folder /docs/"),
            ("//docs", "folder /docs/"),
            ("/docs/../a%20b.txt", "a b.txt"),
            ("/docs/..", "index.html"),
            ("/%64ocs/x.css", "docs/x.css"),
            ("/docs/x.css/", "missing"),
            ("/nothing", "missing"),
            ("/..", "bad"),
            ("/%2e%2e/etc/passwd", "bad"),
            ("/docs/../../x", "bad"),
            ("/%00", "bad"),
            ("/%", "bad"),
            ("/%ff", "bad"),
            ("*", "bad"),
            ("", "bad"),
        ] {
            let found = match files.find(path) {
                Found::Document(document) => String::from_utf8(document.body.to_vec()).unwrap(),
                Found::Folder(path) => format!("folder {path}"),
                Found::Missing => "missing".to_owned(),
                Found::Bad => "bad".to_owned(),
            };
            assert_eq!(found, expected, "{path}");
        }
    }
}
