//! A small HTTP/1.1 server to put behind a proxy. The path chooses what it does; it keeps
//! connections alive and counts them.
//!
//! | path | answer |
//! |---|---|
//! | `/length/N` | N bytes of seed 1 with a content length (also to HEAD, without the body) |
//! | `/chunked/N` | the same in chunks |
//! | `/close/N` | the same up to the end of the connection |
//! | `/204`, `/304` | that status, no body |
//! | `/hash` | length and hash of the request's body, after `100 Continue` if it was asked for |
//! | `/seen` | the request's head |
//! | `/upgrade` | 101, then an echo |

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::client::{field, read_head};
use crate::payload::{Hash, bytes};
use crate::target::Target;

pub const SEED: u64 = 1;

pub fn origin() -> Target {
    Target::start(|stream| {
        // Ends with the connection, also by an error.
        let _ = serve(stream);
    })
}

/// What the body of `/hash` says about a request's body.
pub fn digest(body: &[u8]) -> String {
    format!("{} {:016x}", body.len(), Hash::of(body).0)
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    while let Some(head) = read_head(&mut stream) {
        let mut words = head.split(' ');
        let method = words.next().unwrap_or_default();
        let path = words.next().unwrap_or_default();
        if field(&head, "Expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = read_body(&mut stream, &head)?;
        let (place, number) = path.rsplit_once('/').unwrap_or_default();
        let n = number.parse().unwrap_or(0);
        match (place, path) {
            ("/length", _) => sized(&mut stream, method, &bytes(SEED, n))?,
            ("/chunked", _) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                for piece in bytes(SEED, n).chunks(1000) {
                    write!(stream, "{:x}\r\n", piece.len())?;
                    stream.write_all(piece)?;
                    stream.write_all(b"\r\n")?;
                }
                stream.write_all(b"0\r\n\r\n")?;
            }
            ("/close", _) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                return stream.write_all(&bytes(SEED, n));
            }
            (_, "/204") => stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?,
            (_, "/304") => stream.write_all(b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n")?,
            (_, "/hash") => sized(&mut stream, method, digest(&body).as_bytes())?,
            (_, "/seen") => sized(&mut stream, method, head.as_bytes())?,
            (_, "/upgrade") => {
                stream.write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
                )?;
                let mut from = stream.try_clone()?;
                io::copy(&mut from, &mut stream)?;
                return stream.shutdown(std::net::Shutdown::Write);
            }
            _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
    }
    Ok(())
}

fn sized(stream: &mut TcpStream, method: &str, body: &[u8]) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nX-Origin: yes\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    if method == "HEAD" {
        return Ok(());
    }
    stream.write_all(body)
}

/// The body of a request or response with this head, if it says how long it is; else nothing.
pub fn read_body(stream: &mut impl Read, head: &str) -> io::Result<Vec<u8>> {
    if let Some(len) = field(head, "Content-Length") {
        let len: usize = len.parse().map_err(|_| invalid("a content length"))?;
        let mut body = vec![0; len];
        stream.read_exact(&mut body)?;
        return Ok(body);
    }
    let mut body = Vec::new();
    if field(head, "Transfer-Encoding") == Some("chunked") {
        loop {
            let line = read_line(stream)?;
            let size = line.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(|_| invalid("a chunk size"))?;
            let mut piece = vec![0; size + 2];
            stream.read_exact(&mut piece)?;
            body.extend(&piece[..size]);
            if size == 0 {
                return Ok(body);
            }
        }
    }
    Ok(body)
}

fn read_line(from: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(|_| invalid("a line of text"))
}

fn invalid(expected: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("expected {expected}"))
}
