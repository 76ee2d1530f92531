//! Requests of one connection that are for different hosts.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use ginnel_core::bytes::BytesMut;
use ginnel_core::engine::{Action, SocketId};
use ginnel_core::error::Eof;
use ginnel_core::plan::*;
use ginnel_core::route::matcher::{Matcher, Pattern};

use crate::rig::*;

fn rig() -> Rig {
    let mut plan = service(&["10.0.0.1:80", "10.0.0.2:80"], ServicePolicy::default());
    let service = &mut plan.services[0];
    Arc::make_mut(&mut service.handler).sniffing = Some(Duration::from_secs(2));
    let targets = &mut service.forward.as_mut().unwrap().nodes;
    for (target, host) in targets.iter_mut().zip(["one", "two"]) {
        target.rules.host = Some(Matcher::new([Pattern::parse(host).unwrap()]));
    }
    Rig::new(plan)
}

impl Rig {
    fn feed(&mut self, id: SocketId, text: &str) {
        self.engine
            .handle_input(id, BytesMut::from(text.as_bytes()), self.now);
        self.engine.check();
    }

    /// All that waits to be written there.
    fn written(&mut self, id: SocketId) -> String {
        let mut iov = [IoSlice::new(&[]); 16];
        let n = self.engine.transmit(id, &mut iov);
        let bytes: Vec<u8> = iov[..n].iter().flat_map(|slice| slice.to_vec()).collect();
        self.engine.handle_sent(id, bytes.len(), self.now);
        self.engine.check();
        String::from_utf8(bytes).unwrap()
    }
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn request(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn each_goes_to_its_own_target() {
    let mut rig = rig();
    let client = rig.accept();
    rig.feed(client, &request("one"));
    let (first, to) = rig.connect();
    assert_eq!(to, "10.0.0.1:80");
    rig.connected(first, &to);
    assert_eq!(rig.written(first), request("one"));
    rig.feed(first, ANSWER);
    assert_eq!(rig.written(client), ANSWER);
    // The same host in another case, and its port.
    rig.feed(client, "GET / HTTP/1.1\r\nHost: ONE:8");
    assert_eq!(rig.written(first), "", "it is not known yet whose it is");
    rig.feed(client, "0\r\n\r\n");
    assert_eq!(rig.written(first), request("ONE:80"));
    rig.feed(first, ANSWER);
    assert_eq!(rig.written(client), ANSWER);
    rig.actions();
    rig.feed(client, &request("two"));
    assert_eq!(rig.written(first), "");
    let actions = rig.actions();
    let second = actions.iter().find_map(|action| match action {
        Action::Connect { id, to, .. } => Some((*id, to.to_string())),
        _ => None,
    });
    let (second, to) = second.unwrap_or_else(|| panic!("{actions:?}"));
    assert_eq!(to, "10.0.0.2:80");
    rig.connected(second, &to);
    assert_eq!(rig.written(second), request("two"));
    rig.feed(second, ANSWER);
    assert_eq!(rig.written(client), ANSWER);
    // One behind another that is not answered waits until it is, also when the client says no more.
    rig.actions();
    let all = [request("two"), request("two"), request("one")].concat();
    rig.feed(client, &all);
    rig.engine.handle_eof(client, Eof::Fin, rig.now);
    for _ in 0..2 {
        assert_eq!(rig.written(second), request("two"));
        assert_eq!(rig.actions(), []);
        assert!(!rig.engine.interest(second).fin);
        rig.feed(second, ANSWER);
        assert_eq!(rig.written(client), ANSWER);
    }
    assert_eq!(rig.written(second), "");
    let actions = rig.actions();
    let third = actions.iter().find_map(|action| match action {
        Action::Connect { id, to, .. } => Some((*id, to.to_string())),
        _ => None,
    });
    let (third, to) = third.unwrap_or_else(|| panic!("{actions:?}"));
    assert_eq!(to, "10.0.0.1:80");
    rig.connected(third, &to);
    assert_eq!(rig.written(third), request("one"));
    assert!(rig.engine.interest(third).fin);
    rig.feed(third, ANSWER);
    assert_eq!(rig.written(client), ANSWER);
}

/// What was begun and ended there is not swallowed.
#[test]
fn the_beginning_of_a_request_is_passed_on_at_the_end() {
    let mut rig = rig();
    let client = rig.accept();
    rig.feed(client, &request("one"));
    let (first, to) = rig.connect();
    rig.connected(first, &to);
    rig.written(first);
    rig.feed(first, ANSWER);
    rig.feed(client, "GET /x");
    assert_eq!(rig.written(first), "");
    rig.engine.handle_eof(client, Eof::Fin, rig.now);
    assert_eq!(rig.written(first), "GET /x");
}
