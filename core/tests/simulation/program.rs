//! The programs at both ends of a tunnel: clients with a proxy protocol, and targets.

use std::net::SocketAddr;

use ginnel_core::error::Eof;

use crate::random::Random;

/// The proxy protocol that a client speaks before its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Socks5,
    Socks4a,
    Connect,
    /// Nothing: a forwarding service.
    Raw,
}

pub enum Said {
    Nothing,
    Bytes(Vec<u8>),
    Fin,
    Reset,
}

/// Byte `i` of the stream number `key`: position and stream can be told from any part of it.
pub fn byte(key: u64, i: usize) -> u8 {
    let x = (key ^ (i as u64 >> 3)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x >> (8 * (i & 7))) as u8
}

#[derive(Default)]
pub struct Program {
    /// Handshake bytes: what to say, and what must be answered before the next.
    script: Vec<(Vec<u8>, Vec<u8>)>,
    heard: Vec<u8>,
    /// Echo everything; otherwise send `to_send` bytes of stream `key`.
    pub echo: bool,
    key: u64,
    to_send: usize,
    sent: usize,
    pending: Vec<u8>,
    /// Expected of the other side: stream `expect_key`, this many bytes.
    expect_key: u64,
    expect: usize,
    pub received: usize,
    pub end: Option<Eof>,
    fin_said: bool,
    /// Say FIN only after the other side did.
    waits_for_end: bool,
    reset_after: Option<usize>,
    pub failed: Option<String>,
    pub client: bool,
    /// A client of SOCKS5 UDP ASSOCIATE, and the address it was told.
    associates: bool,
    pub bound: Option<SocketAddr>,
}

impl Program {
    /// Asks for an association, and keeps its connection open.
    pub fn associate() -> Self {
        let greeting = (vec![5, 1, 0], vec![5, 0]);
        let request = vec![5, 3, 0, 1, 0, 0, 0, 0, 0, 0];
        Self {
            script: vec![greeting, (request, vec![5, 0, 0, 1])],
            waits_for_end: true,
            client: true,
            associates: true,
            ..Self::default()
        }
    }

    /// Asks for a port, waits for somebody, sends them `n` bytes and wants them back.
    pub fn binding_client(port: SocketAddr, key: u64, n: usize) -> Self {
        let greeting = (vec![5, 1, 0], vec![5, 0]);
        let SocketAddr::V4(addr) = port else {
            panic!("an IPv4 address");
        };
        let tail = [&addr.ip().octets()[..], &addr.port().to_be_bytes()].concat();
        let request = [&[5, 2, 0, 1], &tail[..]].concat();
        let bound = [&[5, 0, 0, 1], &tail[..]].concat();
        let came = (Vec::new(), vec![5, 0, 0, 1]);
        Self {
            script: vec![greeting, (request, bound), came],
            key,
            to_send: n,
            expect_key: key,
            expect: n,
            client: true,
            associates: true,
            ..Self::default()
        }
    }

    /// Ends its connection.
    pub fn leave(&mut self) {
        self.waits_for_end = false;
    }

    /// Sends `n` bytes to an echo and wants them back.
    pub fn echo_client(speaks: Speaks, target: (&str, u16), key: u64, n: usize) -> Self {
        Self {
            script: script(speaks, target),
            key,
            to_send: n,
            expect_key: key,
            expect: n,
            client: true,
            ..Self::default()
        }
    }

    /// Wants the `n` bytes that a speaking target sends first; says its own FIN only then.
    pub fn listening_client(speaks: Speaks, target: (&str, u16), n: usize) -> Self {
        Self {
            script: script(speaks, target),
            expect_key: 7,
            expect: n,
            waits_for_end: true,
            client: true,
            ..Self::default()
        }
    }

    pub fn echo() -> Self {
        Self {
            echo: true,
            ..Self::default()
        }
    }

    /// Speaks first: `n` bytes, then its end.
    pub fn speaker(n: usize) -> Self {
        Self {
            key: 7,
            to_send: n,
            ..Self::default()
        }
    }

    pub fn resetting(mut self, after: usize) -> Self {
        self.reset_after = Some(after);
        self
    }

    /// Has its say and keeps the connection.
    pub fn staying(mut self) -> Self {
        self.fin_said = true;
        self
    }

    /// It ended the connection and is told nothing.
    pub fn reset_itself(&self) -> bool {
        let after = self.reset_after;
        after.is_some_and(|after| self.received + self.sent >= after)
    }

    pub fn expected(&self) -> usize {
        self.expect
    }

    /// It got nothing but what was for it, or an answer that says no.
    pub fn was_told(&self) -> bool {
        let failed = self.failed.as_deref();
        failed.is_none_or(|text| text.starts_with("unexpected answer"))
    }

    pub fn done(&self) -> bool {
        self.end == Some(Eof::Fin) && self.received == self.expect && self.script.is_empty()
    }

    pub fn says(&mut self, random: &mut Random, room: usize) -> Said {
        if let Some((say, _)) = self.script.first_mut() {
            let say = std::mem::take(say);
            return if say.is_empty() {
                Said::Nothing
            } else {
                Said::Bytes(say)
            };
        }
        if self.reset_itself() {
            return Said::Reset;
        }
        let n = (1 + random.below(30_000)).min(room);
        if self.echo {
            if !self.pending.is_empty() {
                let n = n.min(self.pending.len());
                return Said::Bytes(self.pending.drain(..n).collect());
            }
        } else if self.sent < self.to_send {
            let n = n.min(self.to_send - self.sent);
            let bytes = (self.sent..self.sent + n)
                .map(|i| byte(self.key, i))
                .collect();
            self.sent += n;
            return Said::Bytes(bytes);
        }
        let waits = self.echo || self.waits_for_end;
        if self.fin_said || (waits && self.end.is_none()) {
            return Said::Nothing;
        }
        self.fin_said = true;
        Said::Fin
    }

    pub fn received(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        if let Some((_, answer)) = self.script.first() {
            self.heard.extend_from_slice(&bytes);
            if self.heard.len() < answer.len() {
                return;
            }
            if !self.heard.starts_with(answer) {
                let text = String::from_utf8_lossy(&self.heard).into_owned();
                self.failed
                    .get_or_insert(format!("unexpected answer {text:?}"));
                return;
            }
            if self.associates && answer.len() == 4 {
                let Some(&[a, b, c, d, p0, p1]) = self.heard.get(4..10) else {
                    return;
                };
                let port = u16::from_be_bytes([p0, p1]);
                self.bound = Some(SocketAddr::from(([a, b, c, d], port)));
                self.heard.drain(..6);
            }
            bytes = self.heard.split_off(answer.len());
            self.script.remove(0);
            self.heard.clear();
        }
        if bytes.is_empty() {
            return;
        }
        if self.echo {
            self.pending.extend_from_slice(&bytes);
            self.received += bytes.len();
            return;
        }
        for value in bytes {
            if self.client && value != byte(self.expect_key, self.received) {
                let text = format!("byte {} is wrong", self.received);
                self.failed.get_or_insert(text);
            }
            self.received += 1;
        }
        if self.client && self.received > self.expect {
            self.failed
                .get_or_insert("more bytes than were sent".to_owned());
        }
    }

    pub fn ended(&mut self, how: Eof) {
        self.end = Some(how);
    }
}

fn script(speaks: Speaks, (host, port): (&str, u16)) -> Vec<(Vec<u8>, Vec<u8>)> {
    let port_bytes = port.to_be_bytes();
    match speaks {
        Speaks::Raw => Vec::new(),
        Speaks::Socks5 => {
            let mut request = vec![5, 1, 0, 3, host.len() as u8];
            request.extend_from_slice(host.as_bytes());
            request.extend_from_slice(&port_bytes);
            let greeting = (vec![5, 1, 0], vec![5, 0]);
            vec![greeting, (request, vec![5, 0, 0, 1, 0, 0, 0, 0, 0, 0])]
        }
        Speaks::Socks4a => {
            let mut request = vec![4, 1, port_bytes[0], port_bytes[1], 0, 0, 0, 1, 0];
            request.extend_from_slice(host.as_bytes());
            request.push(0);
            vec![(request, vec![0, 0x5a, 0, 0, 0, 0, 0, 0])]
        }
        Speaks::Connect => {
            let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
            let answer = "HTTP/1.1 200 Connection established\r\nProxy-Agent: gost/3.0\r\n\r\n";
            vec![(request.into_bytes(), answer.into())]
        }
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("handshake_left", &self.script.len())
            .field("sent", &self.sent)
            .field("to_send", &self.to_send)
            .field("received", &self.received)
            .field("expect", &self.expect)
            .field("end", &self.end)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
