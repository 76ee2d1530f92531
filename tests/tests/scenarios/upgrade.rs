//! The listener's side of the upgrade, asked by hand and by another implementation.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use ginnel_tests::check::{self, Targets};
use ginnel_tests::client::{connect, field, status};
use ginnel_tests::frames::{Frame, ask, ask_on, frame, opcode, upgrade_request};
use ginnel_tests::payload::bytes;
use ginnel_tests::target::{BANNER, order};
use ginnel_tests::{Dest, Program, Proxy, Speak, on_both_runtimes};
use tungstenite::{Message, WebSocket};

on_both_runtimes! {
    fn a_correct_request_is_switched(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "ws://127.0.0.1:0"]);
        for request in [
            upgrade_request("/ws"),
            upgrade_request("/ws?early=1"),
            upgrade_request("/ws").replace("Connection: Upgrade", "connection: keep-alive, upgrade"),
            upgrade_request("/ws").replace("Upgrade: websocket", "upgrade: WebSocket"),
        ] {
            let (head, _) = ask(server.addr(), &request);
            assert_eq!(status(&head), 101, "{request}{head}");
            let accept = field(&head, "Sec-WebSocket-Accept");
            assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        }
    }

    fn a_wrong_path_is_404_and_the_connection_stays(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "ws://127.0.0.1:0?path=/right"]);
        let (head, mut stream) = ask(server.addr(), &upgrade_request("/ws"));
        assert_eq!(status(&head), 404, "{head}");
        ginnel_tests::origin::read_body(&mut stream, &head).expect("a body");
        let client = stream.local_addr().expect("an address").to_string();
        // While the client stays.
        server.wait_for_line(&["GET /ws answered with 404, expected path /right", &client]);
        let head = ask_on(&mut stream, &upgrade_request("/right"));
        assert_eq!(status(&head), 101, "{head}");
    }

    fn what_is_wrong_decides_the_status(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "ws://127.0.0.1:0"]);
        let right = upgrade_request("/ws");
        for (request, code) in [
            (right.replace("Version: 13", "Version: 8"), 400),
            (right.replace("Sec-WebSocket-Version: 13\r\n", ""), 400),
            (right.replace("Upgrade: websocket\r\n", ""), 400),
            (right.replace("Connection: Upgrade\r\n", ""), 400),
            (right.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400),
            (right.replace("Host: example.com\r\n", ""), 400),
            (right.replace("GET", "POST"), 405),
        ] {
            let (head, _) = ask(server.addr(), &request);
            assert_eq!(status(&head), code, "{request}{head}");
        }
    }

    fn the_listeners_header_is_in_the_response(ginnel: &Program) {
        let file = "services:\n- name: service-0\n  addr: 127.0.0.1:0\n  handler:\n    type: auto\n  \
                    listener:\n    type: ws\n    metadata:\n      header:\n        foo: bar\n        n: 123\n";
        let server = ginnel.serve_file(file, 1);
        let (head, _) = ask(server.addr(), &upgrade_request("/ws"));
        assert_eq!((field(&head, "foo"), field(&head, "n")), (Some("bar"), Some("123")), "{head}");
    }

    fn pings_are_answered_and_a_close_as_well(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "ws://127.0.0.1:0"]);
        let (_, mut stream) = ask(server.addr(), &upgrade_request("/ws"));
        stream.write_all(&frame(opcode::PING, b"hi", true)).expect("a reader");
        let pong = Frame::read(&mut stream).expect("a pong");
        assert_eq!((pong.opcode, pong.masked), (opcode::PONG, false));
        assert_eq!(pong.payload, b"hi");
        stream.write_all(&frame(8, &1000u16.to_be_bytes(), true)).expect("a reader");
        let close = Frame::read(&mut stream).expect("a close");
        assert_eq!((close.opcode, close.payload), (8, 1000u16.to_be_bytes().to_vec()));
        check::assert_end(&mut stream, "after close");
    }

    fn an_unmasked_frame_is_a_protocol_error(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "ws://127.0.0.1:0"]);
        let (_, mut stream) = ask(server.addr(), &upgrade_request("/ws"));
        stream.write_all(&frame(opcode::BINARY, b"hello", false)).expect("a reader");
        let close = Frame::read(&mut stream).expect("a close");
        assert_eq!((close.opcode, &close.payload[..2]), (8, &1002u16.to_be_bytes()[..]));
        check::assert_end(&mut stream, "after close");
    }

    /// The messages of another implementation: text or binary, cut anywhere.
    fn a_tungstenite_client_speaks_socks5_inside(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "ws://127.0.0.1:0"]);
        for target in [&targets.work, &targets.banner] {
            let stream = connect(server.addr());
            let url = format!("ws://{}/ws", server.addr());
            let (socket, response) = tungstenite::client(url, stream).expect("an upgrade");
            assert_eq!(response.status(), 101);
            let proxy = Proxy::new(Speak::Socks5, server.addr());
            let opened = proxy.open_on(Messages::new(socket), &Dest::Addr(target.addr));
            let mut tunnel = opened.expect("a tunnel");
            if target.addr == targets.banner.addr {
                let mut banner = vec![0; BANNER.len()];
                tunnel.read_exact(&mut banner).expect("a banner");
                assert_eq!(banner, BANNER);
            }
            tunnel.write_all(&order(order::ECHO, 0, 0, 0)).expect("a reader");
            let sent = bytes(9, 100_000);
            for piece in sent.chunks(777) {
                tunnel.write_all(piece).expect("a reader");
            }
            let mut back = vec![0; sent.len()];
            tunnel.read_exact(&mut back).expect("an echo");
            assert!(back == sent, "an echo of other bytes");
        }
    }

    fn the_clients_log_names_the_status(ginnel: &Program) {
        let targets = Targets::new();
        for channel in ["ws", "mwss"] {
            let server = ginnel.serve(&["-L", &format!("http+{channel}://127.0.0.1:0?path=/right")]);
            let node = format!("http+{channel}://{}?path=/wrong", server.addr());
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
            let proxy = Proxy::new(Speak::Socks5, client.addr());
            proxy.open(targets.work.addr).map(drop).expect_err("a refusal");
            client.wait_for_line(&["404", "101"]);
        }
    }
}

/// The payloads of messages as a stream of bytes.
struct Messages {
    socket: WebSocket<TcpStream>,
    unread: Vec<u8>,
    text: bool,
}

impl Messages {
    fn new(socket: WebSocket<TcpStream>) -> Self {
        Self {
            socket,
            unread: Vec::new(),
            text: false,
        }
    }
}

impl Read for Messages {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() {
            match self.socket.read().map_err(io::Error::other)? {
                Message::Binary(data) => self.unread = data.to_vec(),
                other => panic!("expected a binary message, got {other:?}"),
            }
        }
        let n = into.len().min(self.unread.len());
        into[..n].copy_from_slice(&self.unread[..n]);
        self.unread.drain(..n);
        Ok(n)
    }
}

impl Write for Messages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Text where the bytes allow it, now and then: a listener takes either.
        self.text = !self.text;
        let message = match std::str::from_utf8(bytes) {
            Ok(text) if self.text => Message::text(text),
            _ => Message::binary(bytes.to_vec()),
        };
        self.socket.send(message).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush().map_err(io::Error::other)
    }
}
