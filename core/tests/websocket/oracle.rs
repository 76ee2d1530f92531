//! Against tungstenite over a memory stream, in both roles.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use proptest::prelude::*;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Error, Message};

use super::*;

#[derive(Default)]
struct Memory {
    input: VecDeque<u8>,
    output: Vec<u8>,
}

impl Read for Memory {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(buf)
    }
}

impl Write for Memory {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Our end in one role, tungstenite in the other.
struct Match {
    ours: End,
    theirs: WebSocket<Memory>,
    /// What tungstenite received.
    data: Vec<u8>,
    pongs: Vec<Vec<u8>>,
    close: Option<Option<u16>>,
    reason: String,
}

impl Match {
    fn new(we_serve: bool, max_frame: Option<usize>) -> Self {
        let client = WsClient {
            max_frame,
            ..client_plan()
        };
        let server = WsServer {
            max_frame,
            ..server_plan()
        };
        let (client, server) = strangers_of(client, server);
        let (ours, role) = if we_serve {
            (server, Role::Client)
        } else {
            (client, Role::Server)
        };
        Self {
            ours,
            theirs: WebSocket::from_raw_socket(Memory::default(), role, None),
            data: Vec::new(),
            pongs: Vec::new(),
            close: None,
            reason: String::new(),
        }
    }

    /// Their bytes to us, in pieces of the given sizes.
    fn deliver(&mut self, cuts: &mut impl Iterator<Item = usize>) -> Result<(), Fail> {
        let _ = self.theirs.flush();
        let output = std::mem::take(&mut self.theirs.get_mut().output);
        let mut rest = &output[..];
        while !rest.is_empty() {
            let n = cuts.next().unwrap_or(usize::MAX).min(rest.len());
            self.ours.recv(&rest[..n])?;
            rest = &rest[n..];
        }
        Ok(())
    }

    /// Our bytes to them.
    fn collect(&mut self) {
        let sent = self.ours.sent();
        self.theirs.get_mut().input.extend(sent);
        loop {
            match self.theirs.read() {
                Ok(Message::Binary(data)) => self.data.extend_from_slice(&data),
                Ok(Message::Pong(data)) => self.pongs.push(data.to_vec()),
                Ok(Message::Close(frame)) => {
                    let reason = frame.as_ref().map(|frame| frame.reason.to_string());
                    self.reason = reason.unwrap_or_default();
                    self.close = Some(frame.map(|frame| frame.code.into()));
                }
                Ok(Message::Ping(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(Error::ConnectionClosed) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Binary(Vec<u8>),
    Text(String),
    /// One message in these frames, a ping behind the first.
    Fragments(Vec<Vec<u8>>),
    Ping(Vec<u8>),
    Pong,
    Ours(Vec<u8>),
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..max)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        prop_oneof![bytes(300), bytes(70_000)].prop_map(Op::Binary),
        ".{0,40}".prop_map(Op::Text),
        proptest::collection::vec(bytes(200), 2..5).prop_map(Op::Fragments),
        bytes(126).prop_map(Op::Ping),
        Just(Op::Pong),
        prop_oneof![bytes(300), bytes(70_000)].prop_map(Op::Ours),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn tungstenite_agrees(
        we_serve: bool,
        max_frame in proptest::option::of(1usize..5000),
        ops in proptest::collection::vec(op(), 1..12),
        cuts in proptest::collection::vec(prop_oneof![1usize..20, 1usize..5000], 0..50),
        code in proptest::option::of(prop_oneof![Just(1000u16), Just(1001), Just(1011), Just(4000)]),
    ) {
        let mut m = Match::new(we_serve, max_frame);
        let mut cuts = cuts.into_iter();
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        let mut last_ping = None;
        for op in ops {
            match op {
                Op::Binary(data) => {
                    theirs.extend_from_slice(&data);
                    m.theirs.write(Message::binary(data)).unwrap();
                }
                Op::Text(data) => {
                    theirs.extend_from_slice(data.as_bytes());
                    m.theirs.write(Message::text(data)).unwrap();
                }
                Op::Fragments(parts) => {
                    let last = parts.len() - 1;
                    for (at, part) in parts.into_iter().enumerate() {
                        theirs.extend_from_slice(&part);
                        let kind = if at == 0 { Data::Binary } else { Data::Continue };
                        let frame = Frame::message(part, OpCode::Data(kind), at == last);
                        m.theirs.write(Message::Frame(frame)).unwrap();
                        if at == 0 {
                            m.theirs.write(Message::Ping(vec![b'!'].into())).unwrap();
                            last_ping = Some(vec![b'!']);
                        }
                    }
                }
                Op::Ping(data) => {
                    last_ping = Some(data.clone());
                    m.theirs.write(Message::Ping(data.into())).unwrap();
                }
                Op::Pong => m.theirs.write(Message::Pong(vec![1].into())).unwrap(),
                Op::Ours(data) => {
                    ours.extend_from_slice(&data);
                    m.ours.send(&data);
                    m.collect();
                }
            }
            m.deliver(&mut cuts).unwrap();
        }
        m.collect();
        prop_assert!(m.ours.data == theirs);
        prop_assert!(m.data == ours);
        prop_assert_eq!(m.pongs.last(), last_ping.as_ref());

        let frame = code.map(|code| CloseFrame { code: CloseCode::from(code), reason: "bye".into() });
        m.theirs.close(frame).unwrap();
        let result = m.deliver(&mut cuts);
        m.collect();
        prop_assert_eq!(m.close, Some(code), "the reply");
        let clean = matches!(code, None | Some(1000));
        prop_assert_eq!(result.is_ok(), clean);
        prop_assert_eq!(m.ours.end, clean.then_some(true));
    }
}

#[test]
fn tungstenite_understands_our_endings() {
    for we_serve in [false, true] {
        let mut m = Match::new(we_serve, None);
        m.ours.lower_end(Eof::Fin).unwrap();
        m.ours.finish();
        m.collect();
        assert_eq!(m.close, Some(Some(1000)));

        for (cause, code, reason) in [
            (Cause::Local, 1001, "going away"),
            (Cause::Protocol, 1002, "protocol error"),
            (Cause::Limit, 1008, "limit reached"),
            (Cause::Reset, 1011, "connection lost"),
            (Cause::TimedOut, 1011, "timed out"),
        ] {
            let mut m = Match::new(we_serve, None);
            m.ours.abort(cause);
            m.collect();
            assert_eq!(m.close, Some(Some(code)));
            assert_eq!(m.reason, reason);
        }
    }
}
