//! Connections over time: reuse, pipelining, stale upstreams, deadlines, memory.

use std::time::Duration;

use ginnel_core::error::Cause;
use ginnel_core::handler::http::Proxy;

use crate::rig::{GET, Rig};

const SENT: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
const POST: &str = "POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na";

/// A connection with one finished exchange and a kept upstream.
fn kept() -> Rig {
    let mut rig = Rig::new();
    let (news, up, down) = rig.exchange(GET, DONE);
    assert_eq!(
        (news.as_str(), up.as_str(), down.as_str()),
        ("dial h:80", SENT, DONE)
    );
    rig
}

#[test]
fn an_upstream_is_reused_for_its_authority_only() {
    let mut rig = kept();
    let (news, up, down) = rig.exchange("GET http://H:80/2 HTTP/1.1\r\n\r\n", DONE);
    assert_eq!((news.as_str(), down.as_str()), ("", DONE));
    assert_eq!(up, "GET /2 HTTP/1.1\r\nHost: H:80\r\n\r\n");
    rig.client("GET http://h:81/ HTTP/1.1\r\n\r\n");
    assert_eq!(rig.news(), "dial h:81");
}

#[test]
fn a_client_that_wants_to_close_is_closed() {
    for field in ["Connection: close", "Proxy-Connection: Close"] {
        let mut rig = Rig::new();
        let (news, up, down) = rig.exchange(
            &format!("GET http://h/ HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n"),
            DONE,
        );
        assert_eq!(news, "dial h:80, close");
        assert_eq!(up, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert_eq!(
            down,
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na"
        );
    }
}

#[test]
fn pipelined_requests_wait_their_turn_unread() {
    let mut rig = Rig::new();
    let second = "GET http://h/2 HTTP/1.1\r\n\r\n";
    let third = "GET http://other/3 HTTP/1.1\r\n\r\n";
    rig.client(format!("{POST}{second}{third}"));
    assert_eq!(
        rig.up(),
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na"
    );
    assert_eq!(&rig.client_rx[..], format!("{second}{third}").as_bytes());
    rig.upstream(DONE);
    assert_eq!(
        (rig.down().as_str(), rig.news().as_str()),
        (DONE, "dial h:80")
    );
    assert_eq!(rig.up(), "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    rig.upstream(DONE);
    assert_eq!(
        (rig.down().as_str(), rig.news().as_str()),
        (DONE, "dial other:80")
    );
    assert_eq!(rig.up(), "GET /3 HTTP/1.1\r\nHost: other\r\n\r\n");
    assert!(rig.client_rx.is_empty());
    rig.client_end();
    assert!(!rig.over);
    rig.upstream(DONE);
    assert_eq!((rig.down().as_str(), rig.news().as_str()), (DONE, "close"));
}

#[test]
fn a_stale_upstream_is_replaced_without_the_client_noticing() {
    for how in [Ok(()), Err(Cause::Reset)] {
        let mut rig = kept();
        rig.client(GET);
        rig.up();
        rig.upstream_end(how);
        assert_eq!(
            (rig.news().as_str(), rig.up().as_str()),
            ("dial h:80", SENT)
        );
        rig.upstream(DONE);
        assert_eq!(rig.down(), DONE);
        assert!(!rig.over);
    }
}

#[test]
fn a_request_is_repeated_once_at_most() {
    let mut rig = kept();
    rig.client(GET);
    rig.upstream_end(Ok(()));
    rig.news();
    rig.upstream_end(Ok(()));
    assert!(rig.down().starts_with("HTTP/1.1 502 "));
    assert_eq!(rig.news(), "end Closed");
}

#[test]
fn what_could_have_had_an_effect_is_not_repeated() {
    // Not idempotent.
    let mut rig = kept();
    rig.client(POST);
    rig.upstream_end(Ok(()));
    assert!(rig.down().starts_with("HTTP/1.1 502 "));
    // Idempotent, but its body is gone.
    let mut rig = kept();
    rig.client("PUT http://h/ HTTP/1.1\r\nContent-Length: 1\r\n\r\na");
    rig.upstream_end(Ok(()));
    assert!(rig.down().starts_with("HTTP/1.1 502 "));
    // The response had begun.
    let mut rig = kept();
    rig.client(GET);
    rig.upstream("HTT");
    rig.upstream_end(Ok(()));
    assert!(rig.down().starts_with("HTTP/1.1 502 "));
    // The connection was fresh.
    let mut rig = Rig::new();
    rig.client(GET);
    rig.upstream_end(Err(Cause::Reset));
    assert!(rig.down().starts_with("HTTP/1.1 502 "));
    assert_eq!(rig.news(), "dial h:80, end Reset");
}

#[test]
fn a_kept_upstream_ends_quietly() {
    let mut rig = kept();
    rig.upstream_end(Ok(()));
    assert_eq!((rig.news(), rig.down()), (String::new(), String::new()));
    assert_eq!(rig.proxy.next_timeout(), None);
    rig.client(GET);
    assert_eq!(rig.news(), "dial h:80");
}

#[test]
fn an_unasked_response_is_never_taken_for_the_next_one() {
    let mut rig = kept();
    rig.upstream("HTTP/1.1 408 Request Timeout\r\n\r\n");
    assert_eq!((rig.news().as_str(), rig.down().as_str()), ("drop", ""));
    rig.client(GET);
    assert_eq!(rig.news(), "dial h:80");
}

#[test]
fn a_kept_upstream_is_dropped_after_a_while() {
    let mut rig = kept();
    let idle = rig.limits.http_idle;
    assert_eq!(rig.proxy.next_timeout(), Some(rig.now + idle));
    rig.wait(idle - Duration::from_nanos(1));
    assert_eq!(rig.news(), "");
    rig.wait(Duration::from_nanos(1));
    assert_eq!(rig.news(), "drop");
    assert!(!rig.over);
}

#[test]
fn a_partial_head_and_a_kept_upstream_have_their_own_deadlines() {
    let mut rig = kept();
    rig.client("GET");
    rig.wait(Duration::from_secs(15));
    assert!(rig.down().starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_silent_origin_is_given_up_once_the_request_is_complete() {
    let mut rig = Rig::new();
    rig.client("POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na");
    assert_eq!(rig.proxy.next_timeout(), None);
    rig.wait(Duration::from_secs(60));
    rig.client("b");
    rig.wait(Duration::from_secs(10));
    rig.upstream("HTTP/1.1 102 Processing\r\n\r\n");
    rig.down();
    rig.wait(Duration::from_secs(14));
    rig.upstream("HTTP/1.1 200");
    assert_eq!(
        (rig.news().as_str(), rig.down().as_str()),
        ("dial h:80", "")
    );
    rig.wait(Duration::from_secs(1));
    assert!(rig.down().starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
    assert_eq!(rig.news(), "end TimedOut");

    let mut rig = Rig::new();
    rig.handler.response_timeout = None;
    rig.client(GET);
    assert_eq!(rig.proxy.next_timeout(), None);
}

#[test]
fn a_response_body_has_no_deadline() {
    let mut rig = Rig::new();
    rig.client(GET);
    assert!(rig.proxy.next_timeout().is_some());
    rig.upstream("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
    assert_eq!(rig.proxy.next_timeout(), None);
}

#[test]
fn a_client_that_leaves_within_its_request_ends_everything() {
    let mut rig = Rig::new();
    rig.client("POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\na");
    rig.client_end();
    assert_eq!(
        (rig.news().as_str(), rig.down().as_str()),
        ("dial h:80, end Closed", "")
    );

    let mut rig = Rig::new();
    rig.client("GET http://h/ HT");
    rig.client_end();
    assert_eq!((rig.news().as_str(), rig.down().as_str()), ("close", ""));

    let mut rig = kept();
    rig.client_end();
    assert_eq!(rig.news(), "close");
}

#[test]
fn a_client_may_leave_before_its_body_is_passed_on() {
    let mut rig = Rig::new();
    rig.slow_dial = true;
    rig.client(POST);
    rig.client_end();
    rig.dial_done(Ok(()));
    assert!(rig.up().ends_with("\r\n\r\na"));
    rig.news();
    rig.upstream(DONE);
    assert_eq!((rig.down().as_str(), rig.news().as_str()), (DONE, "close"));
}

#[test]
fn endless_lines_and_trailers_are_refused() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (start, piece) in [("1;", "x"), ("0\r\n", "x"), ("0\r\n", "A: b\r\n")] {
        let mut rig = Rig::new();
        rig.client(GET);
        rig.upstream(chunked);
        rig.upstream(start);
        let mut sent = 0;
        while !rig.over {
            rig.upstream(piece);
            sent += piece.len();
            assert!(sent <= 17 * 1024, "{start:?} {piece:?}");
        }
        assert!(rig.news().ends_with("reset Limit"));
    }
}

#[test]
fn a_huge_body_holds_no_memory() {
    let block = vec![b'x'; 64 * 1024];
    let mut rig = Rig::new();
    rig.client("PUT http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1073741824\r\n\r\n");
    rig.up();
    for _ in 0..1073741824 / block.len() {
        rig.client(&block);
        assert_eq!((rig.client_rx.len(), rig.queued()), (0, block.len()));
        discard(&mut rig);
    }
    rig.upstream("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3FFFFFFF\r\n");
    for _ in 0..1000 {
        rig.upstream(&block);
        assert_eq!(rig.upstream_rx.len(), 0);
        discard(&mut rig);
    }
}

/// Lets go of the output without looking at it.
fn discard(rig: &mut Rig) {
    rig.forget();
    rig.client_rx = Default::default();
    rig.upstream_rx = Default::default();
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Proxy>() <= 80, "{}", size_of::<Proxy>());
}
