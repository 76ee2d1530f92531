//! A name server for tests: over UDP, over TCP, and over HTTP for whoever puts TLS in front of it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;

use crate::client::{field, read_head};
use crate::target::Target;

type Table = Arc<Vec<(String, IpAddr)>>;

fn table(names: &[(&str, &str)]) -> Table {
    let names = names.iter();
    let names = names.map(|(name, ip)| ((*name).to_owned(), ip.parse().expect("an address")));
    Arc::new(names.collect())
}

/// Answers over TCP (RFC 1035 4.2.2); names that it does not have do not exist.
pub fn tcp(names: &[(&str, &str)]) -> Target {
    let table = table(names);
    Target::start(move |mut stream| drop(serve(&mut stream, &table)))
}

/// Answers datagrams, as long as the test runs.
pub fn udp(names: &[(&str, &str)]) -> SocketAddr {
    let table = table(names);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port on the loopback");
    let addr = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut question = [0; 1500];
        while let Ok((len, from)) = socket.recv_from(&mut question) {
            let _ = socket.send_to(&answer(&question[..len], &table), from);
        }
    });
    addr
}

/// Answers POST requests of RFC 8484.
pub fn http(names: &[(&str, &str)]) -> Target {
    let table = table(names);
    Target::start(move |mut stream| drop(post(&mut stream, &table)))
}

fn serve(stream: &mut TcpStream, table: &Table) -> io::Result<()> {
    loop {
        let mut len = [0; 2];
        stream.read_exact(&mut len)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut question)?;
        let answer = answer(&question, table);
        let mut framed = (answer.len() as u16).to_be_bytes().to_vec();
        framed.extend(answer);
        stream.write_all(&framed)?;
    }
}

fn post(stream: &mut TcpStream, table: &Table) -> io::Result<()> {
    let Some(head) = read_head(stream) else {
        return Ok(());
    };
    let is_right = head.starts_with("POST /dns-query HTTP/1.1\r\n")
        && field(&head, "Content-Type") == Some("application/dns-message");
    if !is_right {
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    }
    let len = field(&head, "Content-Length").and_then(|len| len.parse().ok());
    let mut question = vec![0; len.unwrap_or_default()];
    stream.read_exact(&mut question)?;
    let answer = answer(&question, table);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nContent-Length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all(&[head.as_bytes(), &answer].concat())
}

/// The question with one record, with none if the name has an address of the other kind, or as one for a
/// name that does not exist.
pub fn answer(question: &[u8], table: &[(String, IpAddr)]) -> Vec<u8> {
    let mut labels = Vec::new();
    let mut at = 12;
    while let Some(len) = question.get(at).filter(|len| **len > 0) {
        let label = &question[at + 1..at + 1 + usize::from(*len)];
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += 1 + usize::from(*len);
    }
    let (name, end) = (labels.join("."), at + 5);
    let wants_v6 = question[at + 2] == 28;
    let mut answer = question[..end].to_vec();
    // Whatever else was asked is left out.
    answer[10..12].fill(0);
    answer[2] |= 0x80;
    let found = table.iter().find(|(known, _)| *known == name);
    let Some((_, ip)) = found else {
        answer[3] = 3;
        return answer;
    };
    let data = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    if ip.is_ipv6() == wants_v6 {
        answer[7] = 1;
        let kind = if wants_v6 { 28 } else { 1 };
        answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        answer.extend(data);
    }
    answer
}
