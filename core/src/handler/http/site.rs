//! The answers of a web site: our own pages, and requests passed on to the server that has it. They look
//! like nginx's, as the most common server is the least conspicuous.

use bytes::Bytes;

use super::fields::{Hop, end_head, write_field};
use super::range::{Part, part};
use super::request::Forward;
use crate::buffer::Rope;
use crate::handler::Cx;
use crate::plan::{Backend, Content, Document, FoundFile, Site};
use crate::time::Time;
use crate::wire::http1::{Request, reason};
use crate::wire::http1_body::Framing;

/// What is put into the client's queue at once.
const PIECE: usize = 64 * 1024;

/// A body of ours on its way.
#[derive(Debug)]
pub(super) struct Serving {
    body: Bytes,
    pub(super) keep: bool,
}

impl Serving {
    /// True: that was all.
    pub(super) fn pass(&mut self, out: &mut Rope) -> bool {
        let piece = self.body.split_to(self.body.len().min(PIECE));
        out.push_slice(&piece);
        self.body.is_empty()
    }
}

/// A head and its body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Vec<u8>,
    pub(super) serving: Serving,
}

#[derive(Debug)]
pub(super) enum Turn {
    Here(Answer),
    There(Forward),
}

/// What becomes of a request.
pub(super) fn turn(site: &Site, cx: &Cx, request: &Request) -> Turn {
    let mut voice = Voice {
        site,
        now: cx.now,
        to_head: request.method == "HEAD",
        keep: false,
    };
    let hosts = request.fields.all("host").count();
    let is_bad = hosts > 1 || (hosts == 0 && request.minor == 1);
    let Some(framing) = Framing::of_request(request).ok().filter(|_| !is_bad) else {
        return Turn::Here(voice.error(400));
    };
    if let Some(backend) = site.backend() {
        return Turn::There(pass_on(backend, cx, request, framing));
    }
    // A body would have to be read to the end to find the next request.
    voice.keep = request.minor == 1
        && !request.fields.has_token("connection", "close")
        && matches!(framing, Framing::None | Framing::Length(0));
    let reads = matches!(request.method.as_str(), "GET" | "HEAD");
    Turn::Here(match &site.content {
        Content::Status(status) => voice.error(*status),
        _ if !reads => voice.error(405),
        Content::Page(document) => voice.document(200, document, request),
        Content::Files(files) => match files.find(path(&request.target)) {
            FoundFile::Document(document) => voice.document(200, document, request),
            FoundFile::Folder(place) => voice.moved(&whole(&place, cx, request)),
            FoundFile::Bad => voice.error(400),
            FoundFile::Missing => match files.0.get("404.html") {
                Some(document) => voice.document(404, document, request),
                None => voice.error(404),
            },
        },
        Content::Backend(_) => voice.error(502),
    })
}

/// An answer behind which the connection closes.
pub(super) fn last_words(site: &Site, now: Time, status: u16, to_head: bool, out: &mut Rope) {
    let voice = Voice {
        site,
        now,
        to_head,
        keep: false,
    };
    let mut answer = voice.error(status);
    out.push_slice(&answer.head);
    while !answer.serving.pass(out) {}
}

struct Voice<'a> {
    site: &'a Site,
    now: Time,
    to_head: bool,
    keep: bool,
}

impl Voice<'_> {
    fn error(&self, status: u16) -> Answer {
        self.page(status, None)
    }

    fn moved(&self, place: &str) -> Answer {
        self.page(301, Some(("Location", place)))
    }

    fn page(&self, status: u16, field: Option<(&str, &str)>) -> Answer {
        let title = format!("{status} {}", phrase(status));
        let body = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
             <center><h1>{title}</h1></center>\r\n<hr><center>{}</center>\r\n</body>\r\n</html>\r\n",
            self.site.server()
        );
        let fields = field.into_iter().collect::<Vec<_>>();
        self.answer(status, "text/html", body.into(), None, &fields)
    }

    fn document(&self, status: u16, document: &Document, request: &Request) -> Answer {
        let known = request.fields.get("if-none-match");
        let etag = document.etag.as_bytes();
        let fresh = status == 200 && known == Some(etag)
            || known.is_none()
                && request.fields.get("if-modified-since") == Some(document.modified.as_bytes());
        let modified = Some(document.modified.as_str()).filter(|text| !text.is_empty());
        let mut fields = Vec::new();
        if !document.etag.is_empty() {
            fields.push(("ETag", document.etag.as_str()));
        }
        if fresh && status == 200 {
            return self.answer(304, "", Bytes::new(), modified, &fields);
        }
        let kind = &document.kind;
        let body = document.body.clone();
        if status != 200 {
            return self.answer(status, kind, body, None, &[]);
        }
        if fields.is_empty() {
            return self.answer(200, kind, body, modified, &[]);
        }
        let all = body.len();
        let asked = request.fields.get("range").filter(|_| {
            let version = request.fields.get("if-range");
            version.is_none_or(|version| version == etag || version == document.modified.as_bytes())
        });
        match asked.map_or(Part::Whole, |value| part(value, all)) {
            Part::Whole => {
                fields.push(("Accept-Ranges", "bytes"));
                self.answer(200, kind, body, modified, &fields)
            }
            Part::Bytes(range) => {
                let place = format!("bytes {}-{}/{all}", range.start, range.end - 1);
                fields.push(("Content-Range", &place));
                self.answer(206, kind, body.slice(range), modified, &fields)
            }
            Part::Missing => self.page(416, Some(("Content-Range", &format!("bytes */{all}")))),
        }
    }

    fn answer(
        &self,
        status: u16,
        kind: &str,
        body: Bytes,
        modified: Option<&str>,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut head = format!("HTTP/1.1 {status} {}\r\n", phrase(status)).into_bytes();
        let mut add = |name: &str, value: &str| write_field(&mut head, name, value.as_bytes());
        add("Server", self.site.server());
        if let Some(date) = self.site.date(self.now) {
            add("Date", &date);
        }
        if status != 304 {
            add("Content-Type", kind);
            add("Content-Length", &body.len().to_string());
        }
        if let Some(modified) = modified {
            add("Last-Modified", modified);
        }
        add("Connection", if self.keep { "keep-alive" } else { "close" });
        for (name, value) in fields {
            add(name, value);
        }
        for (name, value) in &self.site.headers {
            if !name.eq_ignore_ascii_case("server") {
                add(name, value);
            }
        }
        head.extend_from_slice(b"\r\n");
        Answer {
            head,
            serving: Serving {
                body: if self.to_head { Bytes::new() } else { body },
                keep: self.keep,
            },
        }
    }
}

/// nginx's own for the one where it differs.
fn phrase(status: u16) -> &'static str {
    match status {
        206 => "Partial Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        401 => "Unauthorized",
        405 => "Not Allowed",
        410 => "Gone",
        414 => "Request-URI Too Large",
        416 => "Requested Range Not Satisfiable",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        504 => "Gateway Time-out",
        status => reason(status),
    }
}

/// The place with the host that was asked, as nginx says it.
fn whole(place: &str, cx: &Cx, request: &Request) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    let host = request.fields.get("host").unwrap_or_default();
    let host = std::str::from_utf8(host)
        .ok()
        .filter(|host| host.as_bytes().iter().all(plain));
    match (host, cx.encrypted) {
        (None | Some(""), _) => place.to_owned(),
        (Some(host), false) => format!("http://{host}{place}"),
        (Some(host), true) => format!("https://{host}{place}"),
    }
}

/// The path of a target in origin or absolute form, without the query.
fn path(target: &str) -> &str {
    let path = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            rest.find(['/', '?']).map_or("/", |at| &rest[at..])
        }
        _ => target,
    };
    match path.split(['?', '#']).next().unwrap_or_default() {
        "" => "/",
        path => path,
    }
}

/// The request as the backend gets it: as it came, but for fields of this connection alone, with the client
/// appended to `X-Forwarded-For` for a backend of ours.
fn pass_on(backend: &Backend, cx: &Cx, request: &Request, framing: Framing) -> Forward {
    let fields = &request.fields;
    let hop = Hop::new(fields);
    let modern = request.minor > 0;
    let fixed = backend.page.as_ref();
    let has_body = !matches!(framing, Framing::None | Framing::Length(0));
    let keep = modern && !hop.has("close") && !(fixed.is_some() && has_body);
    let switches = modern && hop.has("upgrade") && fixed.is_none();
    let upgrade = match switches {
        true => fields.all("upgrade").collect::<Vec<_>>().join(&b", "[..]),
        false => Vec::new(),
    };
    let (method, target, framing) = match fixed {
        None => (request.method.as_str(), request.target.as_str(), framing),
        Some((_, path)) if request.method == "HEAD" => ("HEAD", path.as_str(), Framing::None),
        Some((_, path)) => ("GET", path.as_str(), Framing::None),
    };
    let mut head = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    if let Some((host, _)) = fixed {
        write_field(&mut head, "Host", host.as_bytes());
    } else if fields.get("host").is_none() {
        write_field(&mut head, "Host", backend.target.to_string().as_bytes());
    }
    let mut clients = Vec::new();
    let mut framed = fixed.is_some();
    for (name, value) in &fields.0 {
        match name.to_ascii_lowercase().as_str() {
            "host" if fixed.is_some() => {}
            "content-length" | "transfer-encoding" => {
                if !std::mem::replace(&mut framed, true) {
                    super::request::write_framing(&mut head, name, framing);
                }
            }
            "x-forwarded-for" if backend.own => clients.push(value.clone()),
            "x-forwarded-proto" if backend.own && cx.encrypted => {}
            "proxy-authorization" if !backend.own => {}
            "expect" if !modern || fixed.is_some() => {}
            "upgrade" => {}
            // What a client asks of this connection is not for the next one; `te` says so by itself.
            "te" => {}
            lower if hop.ends_here(lower) => {}
            _ => write_field(&mut head, name, value),
        }
    }
    if backend.own {
        clients.push(cx.remote.ip().to_string().into_bytes());
        write_field(&mut head, "X-Forwarded-For", &clients.join(&b", "[..]));
        if cx.encrypted {
            write_field(&mut head, "X-Forwarded-Proto", b"https");
        }
    }
    end_head(&mut head, Vec::new(), &upgrade, keep);
    Forward {
        target: backend.target.clone(),
        head,
        framing,
        keep,
        upgrade,
        repeatable: matches!(method, "GET" | "HEAD") && !has_body,
    }
}
