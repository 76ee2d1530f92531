//! Small web sites: read into memory at start, and again when a file changes.

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ginnel_core::plan::{Document, Files};
use ginnel_core::wire::http_date::http_date;

use crate::report::plain;

/// Of one site. What is larger belongs to a web server.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 32;

/// When this process began, in seconds since 1970: the same for all plans.
pub fn epoch() -> u64 {
    static EPOCH: OnceLock<u64> = OnceLock::new();
    #[allow(clippy::disallowed_methods)] // Answers of a site carry a date.
    *EPOCH.get_or_init(|| seconds(SystemTime::now()))
}

/// The files below a folder. Names that begin with a dot, and links that lead out of it, are left out.
pub fn files(dir: &str) -> Result<Files, String> {
    let mut files = Files::default();
    let mut bytes = 0;
    for (name, path) in walk(dir)? {
        let document = document(&path.to_string_lossy())?;
        bytes += document.body.len() as u64;
        if bytes > MAX_BYTES {
            return Err(too_large(dir));
        }
        files.0.insert(name, document);
    }
    match files.0.is_empty() {
        true => Err(format!("{dir}: there is no file in it")),
        false => Ok(files),
    }
}

pub fn document(path: &str) -> Result<Document, String> {
    let fail = |error| format!("{path}: {}", plain(&error));
    let metadata = fs::metadata(path).map_err(fail)?;
    if !metadata.is_file() {
        return Err(format!("{path}: it is no file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(too_large(path));
    }
    let body = fs::read(path).map_err(fail)?;
    let modified = metadata.modified().map_or(0, seconds);
    Ok(Document {
        kind: kind(path).to_owned(),
        etag: format!("\"{modified:x}-{:x}\"", body.len()),
        modified: http_date(modified),
        body: body.into(),
    })
}

/// Names, sizes and times of what is there, to see changes by.
pub fn listing(path: &str) -> String {
    let mut hasher = DefaultHasher::new();
    let found = match Path::new(path).is_dir() {
        true => walk(path).unwrap_or_default(),
        false => vec![(String::new(), path.into())],
    };
    for (name, path) in found {
        name.hash(&mut hasher);
        if let Ok(metadata) = fs::metadata(path) {
            (metadata.len(), metadata.modified().ok()).hash(&mut hasher);
        }
    }
    format!(" {:016x}", hasher.finish())
}

fn too_large(path: &str) -> String {
    format!(
        "{path}: more than {} MiB, which are kept in memory: let a web server serve it, and name that with http://",
        MAX_BYTES >> 20
    )
}

/// The files with their names on the site, in order.
fn walk(dir: &str) -> Result<Vec<(String, PathBuf)>, String> {
    let root = fs::canonicalize(dir).map_err(|error| format!("{dir}: {}", plain(&error)))?;
    if !root.is_dir() {
        return Err(format!("{dir}: it is no folder"));
    }
    let mut found = Vec::new();
    let mut seen = HashSet::from([root.clone()]);
    let mut folders = vec![(String::new(), root.clone(), 0)];
    while let Some((prefix, folder, depth)) = folders.pop() {
        let fail = |error| format!("{}: {}", folder.display(), plain(&error));
        for entry in fs::read_dir(&folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.starts_with('.') && name != ".well-known" {
                continue;
            }
            let Ok(path) = fs::canonicalize(entry.path()) else {
                continue;
            };
            if !path.starts_with(&root) {
                continue;
            }
            let name = format!("{prefix}{name}");
            if path.is_dir() {
                // A link may lead back up.
                if depth < MAX_DEPTH && seen.insert(path.clone()) {
                    folders.push((format!("{name}/"), path, depth + 1));
                }
            } else if path.is_file() {
                found.push((name, path));
            }
            if found.len() + folders.len() > MAX_FILES {
                return Err(format!("{dir}: more than {MAX_FILES} files"));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

/// By the ending, as nginx has them.
fn kind(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "html" | "htm" | "shtml" => "text/html",
        "css" => "text/css",
        "js" | "mjs" => "application/javascript",
        "json" | "map" => "application/json",
        "xml" => "text/xml",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "svg" | "svgz" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mp3" => "audio/mpeg",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        "zip" => "application/zip",
        "atom" => "application/atom+xml",
        "rss" => "application/rss+xml",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
