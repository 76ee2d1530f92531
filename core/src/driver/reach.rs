//! What the kernel knows of a connection's far end (Linux: `sock_diag(7)`, one socket looked up by its
//! addresses, no privilege needed).
//!
//! A peer that does not read answers no ping, but its system goes on to acknowledge, if only that there is no
//! room. That tells a stalled reader from a path on which everything vanishes.

use std::time::Duration;

use crate::engine::{ConnMeta, Reach};

/// Whether anything was acknowledged within `within`, or nothing is due; and whether something waits for room.
#[cfg(target_os = "linux")]
pub fn reach(meta: &ConnMeta, within: Duration) -> Reach {
    linux::ask(meta).map_or(Reach::Unknown, |answer| linux::judge(&answer, within))
}

#[cfg(not(target_os = "linux"))]
pub fn reach(_: &ConnMeta, _: Duration) -> Reach {
    Reach::Unknown
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{Read, Write};
    use std::net::IpAddr;
    use std::time::Duration;

    use socket2::{Domain, Protocol, Socket, Type};

    use crate::addr::zone;
    use crate::engine::{ConnMeta, Reach};

    /// `AF_NETLINK`, `NETLINK_SOCK_DIAG`, `SOCK_DIAG_BY_FAMILY`, `NLM_F_REQUEST`.
    const NETLINK: i32 = 16;
    const SOCK_DIAG: i32 = 4;
    const BY_FAMILY: u16 = 20;
    const REQUEST: u16 = 1;
    /// `INET_DIAG_INFO`: with `struct tcp_info`.
    const INFO: u16 = 2;
    const TCP: u8 = 6;
    const NETLINK_HEADER: usize = 16;
    /// `struct inet_diag_msg`.
    const MESSAGE: usize = 72;
    /// Of `idiag_wqueue` in `struct inet_diag_msg`: bytes that are not acknowledged.
    const UNACKNOWLEDGED: usize = 60;
    /// Of `tcpi_last_ack_recv` in `struct tcp_info`.
    const LAST_ACK: usize = 56;

    /// Timers of `inet_diag_msg`: retransmission (and loss probe), and zero window probe.
    const RETRANSMIT: u8 = 1;
    const WINDOW_PROBE: u8 = 4;

    /// The kernel's answer: an `inet_diag_msg` and its attributes.
    pub(super) fn ask(meta: &ConnMeta) -> Option<Vec<u8>> {
        let socket = Socket::new(
            Domain::from(NETLINK),
            Type::DGRAM,
            Some(Protocol::from(SOCK_DIAG)),
        )
        .ok()?;
        // It answers before `write` returns; nothing is waited for.
        socket.set_nonblocking(true).ok()?;
        (&socket).write_all(&request(meta)?).ok()?;
        let mut answer = vec![0; 2048];
        let n = (&socket).read(&mut answer).ok()?;
        answer.truncate(n);
        let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
        (kind == BY_FAMILY).then(|| answer.split_off(NETLINK_HEADER))
    }

    /// `struct nlmsghdr` and `struct inet_diag_req_v2`.
    fn request(meta: &ConnMeta) -> Option<Vec<u8>> {
        let (family, local, remote) = match (meta.local.ip(), meta.remote.ip()) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let wide = |ip: std::net::Ipv4Addr| {
                    let mut wide = [0; 16];
                    wide[..4].copy_from_slice(&ip.octets());
                    wide
                };
                (2, wide(local), wide(remote))
            }
            (IpAddr::V6(local), IpAddr::V6(remote)) => (10, local.octets(), remote.octets()),
            _ => return None,
        };
        let mut body = vec![family, TCP, 1 << (INFO - 1), 0];
        body.extend(u32::MAX.to_ne_bytes());
        body.extend(meta.local.port().to_be_bytes());
        body.extend(meta.remote.port().to_be_bytes());
        body.extend(local);
        body.extend(remote);
        // Link-local addresses are found by their interface.
        body.extend(zone(meta.remote).to_ne_bytes());
        // No cookie.
        body.extend([0xff; 8]);
        let len = NETLINK_HEADER + body.len();
        let mut request = u32::try_from(len).ok()?.to_ne_bytes().to_vec();
        request.extend(BY_FAMILY.to_ne_bytes());
        request.extend(REQUEST.to_ne_bytes());
        request.extend([0; 8]);
        request.extend(body);
        Some(request)
    }

    pub(super) fn judge(message: &[u8], within: Duration) -> Reach {
        let Some((timer, unanswered)) = message.get(2).zip(message.get(3)) else {
            return Reach::Unknown;
        };
        let Some((last_ack, left)) = last_ack(message).zip(number(message, UNACKNOWLEDGED)) else {
            return Reach::Unknown;
        };
        // One may be under way; probes of a closed window come seldom, and not each has an answer.
        let waits = matches!(*timer, RETRANSMIT | WINDOW_PROBE) && *unanswered >= 2;
        match waits && last_ack >= within {
            true => Reach::Silent,
            false if left > 0 => Reach::Full,
            false => Reach::Answers,
        }
    }

    fn number(bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    }

    fn last_ack(message: &[u8]) -> Option<Duration> {
        let mut rest = message.get(MESSAGE..)?;
        loop {
            let len = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
            let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
            if kind == INFO {
                let info = rest.get(4..len)?;
                return Some(Duration::from_millis(number(info, LAST_ACK)?.into()));
            }
            rest = rest.get(len.max(4).next_multiple_of(4)..)?;
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{ErrorKind, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    fn pair(addr: &str) -> Option<(TcpStream, TcpStream)> {
        let listener = TcpListener::bind(addr).ok()?;
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Some((client, listener.accept().unwrap().0))
    }

    fn meta(stream: &TcpStream) -> ConnMeta {
        ConnMeta::new(stream.peer_addr().unwrap(), stream.local_addr().unwrap())
    }

    fn fill(mut stream: &TcpStream) {
        stream.set_nonblocking(true).unwrap();
        let full = loop {
            if let Err(error) = stream.write(&[1; 65536]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn a_peer_that_does_not_read_still_answers() {
        for addr in ["127.0.0.1:0", "[::1]:0"] {
            let Some((client, server)) = pair(addr) else {
                continue;
            };
            assert_eq!(reach(&meta(&client), Duration::ZERO), Reach::Answers);
            fill(&client);
            assert_eq!(reach(&meta(&client), Duration::from_secs(1)), Reach::Full);
            assert_eq!(reach(&meta(&server), Duration::ZERO), Reach::Answers);
        }
    }

    #[test]
    fn what_the_kernel_does_not_know_is_unknown() {
        // At any other port, somebody may listen.
        let nobody: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let meta = ConnMeta::new(nobody, nobody);
        assert_eq!(reach(&meta, Duration::ZERO), Reach::Unknown);
    }

    /// An answer with this timer, unanswered probes, time since the last acknowledgement, bytes that have none.
    fn answer(timer: u8, unanswered: u8, millis: u32, left: u32) -> Vec<u8> {
        let mut message = vec![2, 1, timer, unanswered];
        message.resize(60, 0);
        message.extend(left.to_ne_bytes());
        message.resize(72, 0);
        // Another attribute in front.
        message.extend([5, 0, 8, 0, 0, 0, 0, 0]);
        message.extend([64, 0, 2, 0]);
        message.extend([0; 56]);
        message.extend(millis.to_ne_bytes());
        message
    }

    #[test]
    fn only_repetitions_without_an_answer_are_silence() {
        let second = Duration::from_secs(1);
        let judge = |answer: &[u8]| linux::judge(answer, second);
        assert_eq!(judge(&answer(1, 3, 5000, 9)), Reach::Silent);
        assert_eq!(judge(&answer(4, 2, 5000, 9)), Reach::Silent);
        assert_eq!(judge(&answer(1, 3, 900, 9)), Reach::Full);
        assert_eq!(judge(&answer(4, 1, 90_000, 9)), Reach::Full);
        assert_eq!(judge(&answer(0, 0, 90_000, 0)), Reach::Answers);
        let whole = answer(1, 3, 5000, 9);
        for len in 0..whole.len() {
            assert_eq!(judge(&whole[..len]), Reach::Unknown);
        }
    }
}
