//! Fields that end at a connection (RFC 9110, 7.6.1).

use crate::wire::http1::Fields;

/// The connection options of one message.
#[derive(Debug)]
pub(super) struct Hop {
    /// In lower case.
    options: Vec<String>,
}

impl Hop {
    pub(super) fn new(fields: &Fields) -> Self {
        let options = fields
            .all("connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(|option| String::from_utf8_lossy(option.trim_ascii()).to_ascii_lowercase())
            .filter(|option| !option.is_empty())
            .collect();
        Self { options }
    }

    pub(super) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|have| have == option)
    }

    /// Whether the field `lower` (a name in lower case) is not for the next recipient. Framing fields
    /// and `Host` are decided by who writes the head: a client must not remove them by naming them.
    pub(super) fn ends_here(&self, lower: &str) -> bool {
        matches!(lower, "connection" | "keep-alive" | "proxy-connection") || self.has(lower)
    }
}

pub(super) fn write_field(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

/// Ends a request's head: `Upgrade` and `Connection` as they go to the next recipient, with the options that are named
/// there already.
pub(super) fn end_head(head: &mut Vec<u8>, mut options: Vec<&str>, upgrade: &[u8], keep: bool) {
    if !upgrade.is_empty() {
        write_field(head, "Upgrade", upgrade);
        options.push("Upgrade");
    }
    if !keep {
        options.push("close");
    }
    if !options.is_empty() {
        write_field(head, "Connection", options.join(", ").as_bytes());
    }
    head.extend_from_slice(b"\r\n");
}
