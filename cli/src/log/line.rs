//! One log line, written field by field into a buffer that its thread keeps.

use std::cell::RefCell;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use time::{OffsetDateTime, UtcOffset};

use crate::duration::Span;

/// What a field says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    Text(&'a str),
    Number(u64),
    /// `host:port`.
    Addr(SocketAddr),
    Ip(IpAddr),
}

/// A name and its value, as they follow time, level and message.
pub(super) type Named<'a> = (&'static str, Field<'a>);

#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Json,
    Text,
}

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static SECOND: RefCell<Option<Second>> = const { RefCell::new(None) };
}

/// The part of a time that the lines of one second share.
struct Second {
    unix: i64,
    offset: UtcOffset,
    date: String,
    zone: String,
}

/// Calls `write` with an empty buffer, which is the same one again for the next lines of this thread.
pub(super) fn with_buffer(write: impl FnOnce(&mut Vec<u8>)) {
    /// A longer line is rare: its memory is given back.
    const KEPT: usize = 4096;
    LINES.with(|lines| {
        let mut lines = lines.take();
        lines.clear();
        write(&mut lines);
        if lines.capacity() <= KEPT {
            LINES.set(lines);
        }
    });
}

pub(super) fn append<'a>(
    line: &mut Vec<u8>,
    form: Form,
    fields: impl IntoIterator<Item = &'a Named<'a>>,
) {
    let begin = line.len();
    for (name, field) in fields {
        match form {
            Form::Json => {
                line.extend_from_slice(if line.len() == begin { b"{\"" } else { b",\"" });
                line.extend_from_slice(name.as_bytes());
                line.extend_from_slice(b"\":");
                json(line, *field);
            }
            Form::Text => {
                if line.len() > begin {
                    line.push(b' ');
                }
                line.extend_from_slice(name.as_bytes());
                line.push(b'=');
                match field {
                    Field::Number(nanos) if *name == "duration" => {
                        let _ = write!(line, "{}", Span(i64::try_from(*nanos).unwrap_or(0)));
                    }
                    field => text(line, *field),
                }
            }
        }
    }
    if matches!(form, Form::Json) {
        line.push(b'}');
    }
    line.push(b'\n');
}

fn json(line: &mut Vec<u8>, field: Field<'_>) {
    // Writing into memory cannot fail.
    let _ = match field {
        Field::Text(text) => serde_json::to_writer(line, text).map_err(Into::into),
        Field::Number(number) => write!(line, "{number}"),
        Field::Addr(addr) => write!(line, "\"{addr}\""),
        Field::Ip(ip) => write!(line, "\"{ip}\""),
    };
}

fn text(line: &mut Vec<u8>, field: Field<'_>) {
    let _ = match field {
        Field::Text(text) if needs_quotes(text) => {
            serde_json::to_writer(line, text).map_err(Into::into)
        }
        Field::Text(text) => line.write_all(text.as_bytes()),
        Field::Number(number) => write!(line, "{number}"),
        Field::Addr(addr) => write!(line, "{addr}"),
        Field::Ip(ip) => write!(line, "{ip}"),
    };
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '='))
}

/// RFC 3339 with milliseconds.
pub(super) fn stamp(now: OffsetDateTime, offset: UtcOffset) -> String {
    SECOND.with_borrow_mut(|second| {
        let unix = now.unix_timestamp();
        let known = second
            .take()
            .filter(|second| (second.unix, second.offset) == (unix, offset));
        let known = second.insert(known.unwrap_or_else(|| Second::of(now, offset)));
        format!("{}.{:03}{}", known.date, now.millisecond(), known.zone)
    })
}

impl Second {
    fn of(now: OffsetDateTime, offset: UtcOffset) -> Self {
        let local = now.to_offset(offset);
        let (hours, minutes, _) = offset.as_hms();
        Self {
            unix: now.unix_timestamp(),
            offset,
            date: format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
                local.year(),
                u8::from(local.month()),
                local.day(),
                local.hour(),
                local.minute(),
                local.second(),
            ),
            zone: match (hours, minutes) {
                (0, 0) => "Z".to_owned(),
                _ => {
                    let sign = if hours < 0 || minutes < 0 { '-' } else { '+' };
                    format!("{sign}{:02}:{:02}", hours.abs(), minutes.abs())
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::{datetime, offset};

    use super::*;

    #[test]
    fn times_have_milliseconds_and_the_zone() {
        for (now, offset, expected) in [
            (
                datetime!(2024-02-29 23:59:59.042 UTC),
                offset!(UTC),
                "2024-02-29T23:59:59.042Z",
            ),
            // The same second again, elsewhere, and the next one.
            (
                datetime!(2024-02-29 23:59:59.999 UTC),
                offset!(+05:30),
                "2024-03-01T05:29:59.999+05:30",
            ),
            (
                datetime!(2024-03-01 0:00 UTC),
                offset!(-03:00),
                "2024-02-29T21:00:00.000-03:00",
            ),
        ] {
            assert_eq!(stamp(now, offset), expected);
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let addr: SocketAddr = "[::1]:80".parse().unwrap();
        let fields: [Named<'_>; 6] = [
            ("msg", Field::Text("a \"b\"\n")),
            ("plain", Field::Text("c")),
            ("empty", Field::Text("")),
            ("remote", Field::Addr(addr)),
            ("client", Field::Ip(addr.ip())),
            ("duration", Field::Number(1_500_000_000)),
        ];
        for (form, expected) in [
            (
                Form::Json,
                "{\"msg\":\"a \\\"b\\\"\\n\",\"plain\":\"c\",\"empty\":\"\",\"remote\":\"[::1]:80\",\
                 \"client\":\"::1\",\"duration\":1500000000}\n",
            ),
            (
                Form::Text,
                "msg=\"a \\\"b\\\"\\n\" plain=c empty=\"\" remote=[::1]:80 client=::1 duration=1.5s\n",
            ),
        ] {
            let mut line = b"before\n".to_vec();
            append(&mut line, form, &fields);
            assert_eq!(
                String::from_utf8(line).unwrap(),
                format!("before\n{expected}")
            );
        }
    }
}
