//! Agreeing on permessage-deflate (RFC 7692, 5 and 7.1).

use std::fmt::Write as _;

use super::printable;
use crate::error::Fail;
use crate::wire::deflate::{BITS, Deflate, Window};
use crate::wire::http1::Fields;

const NAME: &str = "permessage-deflate";

/// The parameters of an offer or an answer, each at most once, with a value that it may have.
#[derive(Default)]
struct Parameters {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// `Some(None)`: without a value, which only an offer may do.
    client_bits: Option<Option<u8>>,
}

/// A client's offer. For windows that outlive no message and have no limit it is gost's.
pub(super) fn offer(wish: Deflate) -> String {
    let mut text = names(wish.rx, wish.tx);
    if wish.rx.bits < BITS {
        let _ = write!(text, "; server_max_window_bits={}", wish.rx.bits);
    }
    // Our window only costs memory that the server may want to spare if it outlives a message.
    match wish.tx.bits {
        BITS if wish.tx.takeover => text.push_str("; client_max_window_bits"),
        BITS => {}
        bits => {
            let _ = write!(text, "; client_max_window_bits={bits}");
        }
    }
    text
}

/// What a server takes of the client's offers, the first that it can, and its answer.
pub(super) fn accept(wish: Deflate, fields: &Fields) -> Option<(Deflate, String)> {
    let offer = extensions(fields)
        .filter(|extension| name(extension).eq_ignore_ascii_case(NAME.as_bytes()))
        .find_map(|offer| Parameters::parse(offer).ok())?;
    let agreed = Deflate {
        tx: Window {
            takeover: wish.tx.takeover && !offer.server_no_takeover,
            bits: wish.tx.bits.min(offer.server_bits.unwrap_or(BITS)),
        },
        rx: Window {
            takeover: wish.rx.takeover && !offer.client_no_takeover,
            // A client that cannot limit its window is not asked to (7.1.2.2).
            bits: match offer.client_bits {
                None => BITS,
                Some(bits) => wish.rx.bits.min(bits.unwrap_or(BITS)),
            },
        },
    };
    let mut answer = names(agreed.tx, agreed.rx);
    if offer.server_bits.is_some() || agreed.tx.bits < BITS {
        let _ = write!(answer, "; server_max_window_bits={}", agreed.tx.bits);
    }
    if agreed.rx.bits < BITS {
        let _ = write!(answer, "; client_max_window_bits={}", agreed.rx.bits);
    }
    Some((agreed, answer))
}

/// What a server's answer to `wish` means. An answer that does not fit fails the connection (7.1).
pub(super) fn check(wish: Option<Deflate>, fields: &Fields) -> Result<Option<Deflate>, Fail> {
    let mut extensions = extensions(fields);
    let Some(answer) = extensions.next() else {
        return Ok(None);
    };
    let invalid = |expected: &str| {
        Fail::protocol(format!(
            "invalid compression negotiation: `{}`, expected {expected}",
            printable(answer)
        ))
    };
    let Some(wish) = wish else {
        return Err(invalid("no extension, as none was offered"));
    };
    if !name(answer).eq_ignore_ascii_case(NAME.as_bytes()) || extensions.next().is_some() {
        return Err(invalid("`permessage-deflate` once"));
    }
    let got = Parameters::parse(answer).map_err(|expected| invalid(&expected))?;
    if !wish.rx.takeover && !got.server_no_takeover {
        return Err(invalid("`server_no_context_takeover`"));
    }
    let server_bits = match (wish.rx.bits, got.server_bits) {
        (BITS, bits) => bits.unwrap_or(BITS),
        (wish, Some(bits)) if bits <= wish => bits,
        (wish, _) => return Err(invalid(&format!("`server_max_window_bits={wish}` or less"))),
    };
    let may_limit = offer(wish).contains("client_max_window_bits");
    let client_bits = match got.client_bits {
        None => wish.tx.bits,
        Some(Some(bits)) if may_limit && bits <= wish.tx.bits => bits,
        Some(_) if may_limit => {
            let most = wish.tx.bits;
            return Err(invalid(&format!("`client_max_window_bits={most}` or less")));
        }
        Some(_) => {
            return Err(invalid(
                "no `client_max_window_bits`, as it was not offered",
            ));
        }
    };
    Ok(Some(Deflate {
        tx: Window {
            takeover: wish.tx.takeover && !got.client_no_takeover,
            bits: client_bits,
        },
        rx: Window {
            takeover: !got.server_no_takeover,
            bits: server_bits,
        },
    }))
}

/// The extension with the parameters that take no value, in gost's order.
fn names(server: Window, client: Window) -> String {
    let mut text = NAME.to_owned();
    for (window, name) in [(server, "server"), (client, "client")] {
        if !window.takeover {
            let _ = write!(text, "; {name}_no_context_takeover");
        }
    }
    text
}

impl Parameters {
    /// An error says what was expected.
    fn parse(extension: &[u8]) -> Result<Self, String> {
        let mut found = Self::default();
        for parameter in extension.split(|byte| *byte == b';').skip(1) {
            let end = memchr::memchr(b'=', parameter).unwrap_or(parameter.len());
            let name = parameter[..end].trim_ascii().to_ascii_lowercase();
            let value = parameter.get(end + 1..).map(unquoted);
            let twice = match (&name[..], value) {
                (b"server_no_context_takeover", None) => {
                    std::mem::replace(&mut found.server_no_takeover, true)
                }
                (b"client_no_context_takeover", None) => {
                    std::mem::replace(&mut found.client_no_takeover, true)
                }
                (b"server_max_window_bits", Some(value)) => {
                    found.server_bits.replace(bits(value)?).is_some()
                }
                (b"client_max_window_bits", value) => {
                    let bits = value.map(bits).transpose()?;
                    found.client_bits.replace(bits).is_some()
                }
                _ => return Err("the parameters of RFC 7692, 7.1".to_owned()),
            };
            if twice {
                return Err("each parameter once".to_owned());
            }
        }
        Ok(found)
    }
}

fn bits(value: &[u8]) -> Result<u8, String> {
    match value {
        [digit @ b'8'..=b'9'] => Ok(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Ok(10 + digit - b'0'),
        _ => Err("window bits of 8 to 15".to_owned()),
    }
}

/// A value may be a token or the same as a quoted string (RFC 6455, 9.1).
fn unquoted(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|v| v.strip_suffix(b"\""));
    inner.unwrap_or(value)
}

fn extensions(fields: &Fields) -> impl Iterator<Item = &[u8]> {
    fields
        .all("Sec-WebSocket-Extensions")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        // Empty elements of a list mean nothing (RFC 9110, 5.6.1).
        .filter(|extension| !extension.is_empty())
}

fn name(extension: &[u8]) -> &[u8] {
    let end = memchr::memchr(b';', extension).unwrap_or(extension.len());
    extension[..end].trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[&str]) -> Fields {
        let name = || "Sec-WebSocket-Extensions".to_owned();
        let lines = lines.iter().map(|line| (name(), line.as_bytes().to_vec()));
        Fields(lines.collect())
    }

    fn window(takeover: bool, bits: u8) -> Window {
        Window { takeover, bits }
    }

    #[test]
    fn a_server_takes_the_first_offer_that_it_can() {
        let wish = Deflate::with_takeover();
        for (offers, answer, tx, rx) in [
            (
                "permessage-deflate",
                "permessage-deflate",
                window(true, 15),
                window(true, 15),
            ),
            (
                "x-webkit-deflate-frame, Permessage-Deflate; client_max_window_bits",
                "permessage-deflate",
                window(true, 15),
                window(true, 15),
            ),
            (
                "permessage-deflate; client_max_window_bits=10; server_max_window_bits=\"8\"",
                "permessage-deflate; server_max_window_bits=8; client_max_window_bits=10",
                window(true, 8),
                window(true, 10),
            ),
            (
                "permessage-deflate; server_max_window_bits=15",
                "permessage-deflate; server_max_window_bits=15",
                window(true, 15),
                window(true, 15),
            ),
            (
                "permessage-deflate; server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover",
                window(false, 15),
                window(true, 15),
            ),
            (
                "permessage-deflate; server_max_window_bits=16, permessage-deflate; \
                 client_no_context_takeover, permessage-deflate",
                "permessage-deflate; client_no_context_takeover",
                window(true, 15),
                window(false, 15),
            ),
        ] {
            let (agreed, text) = accept(wish, &fields(&[offers])).unwrap();
            assert_eq!((agreed, text.as_str()), (Deflate { tx, rx }, answer));
            let narrow = Deflate {
                tx: window(true, 9),
                rx: window(false, 9),
            };
            let (agreed, text) = accept(narrow, &fields(&["foo", offers])).unwrap();
            assert!(agreed.tx.bits <= 9 && !agreed.rx.takeover, "{text}");
            assert!(text.contains("server_max_window_bits"), "{text}");
            assert!(text.contains("client_no_context_takeover"), "{text}");
            let may_limit = offers.contains("client_max_window_bits");
            assert_eq!(text.contains("client_max_window_bits=9"), may_limit);
        }
    }

    #[test]
    fn an_offer_with_a_fault_is_declined() {
        for parameters in [
            "foo",
            "server_no_context_takeover=1",
            "client_no_context_takeover; client_no_context_takeover",
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=08",
            "server_max_window_bits=+9",
            "server_max_window_bits=",
            "server_max_window_bits=10; server_max_window_bits=10",
            "client_max_window_bits=16",
            "client_max_window_bits; client_max_window_bits=9",
            "",
        ] {
            let offer = format!("permessage-deflate; {parameters}");
            let declined = accept(Deflate::default(), &fields(&[&offer]));
            assert_eq!(declined, None, "{offer}");
        }
        assert_eq!(accept(Deflate::default(), &fields(&["deflate"])), None);
        assert_eq!(accept(Deflate::default(), &fields(&[])), None);
    }

    #[test]
    fn an_offer_is_gost_s_or_says_what_is_wished() {
        let narrow = Deflate {
            tx: window(false, 10),
            rx: window(true, 9),
        };
        for (wish, text) in [
            (
                Deflate::default(),
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            ),
            (
                Deflate::with_takeover(),
                "permessage-deflate; client_max_window_bits",
            ),
            (
                narrow,
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=9; \
                 client_max_window_bits=10",
            ),
        ] {
            assert_eq!(offer(wish), text);
        }
    }

    #[test]
    fn an_answer_has_to_fit_its_offer() {
        let narrow = Deflate {
            tx: window(true, 10),
            rx: window(true, 10),
        };
        let (gost, full) = (Deflate::default(), Deflate::with_takeover());
        for (wish, parameters, tx, rx) in [
            (full, "", window(true, 15), window(true, 15)),
            (
                full,
                "; client_no_context_takeover; server_no_context_takeover",
                window(false, 15),
                window(false, 15),
            ),
            (
                full,
                "; client_max_window_bits=8; server_max_window_bits=9",
                window(true, 8),
                window(true, 9),
            ),
            (
                gost,
                "; server_no_context_takeover",
                window(false, 15),
                window(false, 15),
            ),
            (
                narrow,
                "; server_max_window_bits=9",
                window(true, 10),
                window(true, 9),
            ),
        ] {
            let answer = format!("permessage-deflate{parameters}");
            let agreed = check(Some(wish), &fields(&[&answer])).unwrap();
            assert_eq!(agreed, Some(Deflate { tx, rx }), "{answer}");
        }
        for (wish, answer) in [
            (None, "permessage-deflate"),
            (Some(full), "foo"),
            (Some(full), "permessage-deflate, permessage-deflate"),
            (Some(full), "permessage-deflate, foo"),
            (Some(full), "permessage-deflate; client_max_window_bits"),
            (Some(full), "permessage-deflate; foo"),
            (Some(gost), "permessage-deflate; client_no_context_takeover"),
            (
                Some(gost),
                "permessage-deflate; server_no_context_takeover; client_max_window_bits=15",
            ),
            (Some(narrow), "permessage-deflate"),
            (
                Some(narrow),
                "permessage-deflate; server_max_window_bits=11",
            ),
            (
                Some(narrow),
                "permessage-deflate; server_max_window_bits=9; client_max_window_bits=11",
            ),
        ] {
            let fail = check(wish, &fields(&[answer])).unwrap_err();
            assert!(fail.text.contains(", expected "), "{}", fail.text);
        }
        assert_eq!(check(Some(full), &fields(&[])).unwrap(), None);
    }
}
