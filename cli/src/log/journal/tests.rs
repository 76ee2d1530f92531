use ginnel_core::error::Cause;
use serde_json::Value;

use super::*;
use crate::config::model;

fn closed() -> Event {
    ended(
        Some("example.com:443"),
        Fail::new(Cause::Reset, "the target reset the connection"),
    )
}

fn ended(target: Option<&str>, fail: Fail) -> Event {
    Event::Closed {
        no: 7,
        service: 0,
        remote: "10.0.0.1:5000".parse().unwrap(),
        local: "10.0.0.2:80".parse().unwrap(),
        target: target.map(str::to_owned),
        connected: target.is_some(),
        duration: Duration::from_millis(1500),
        input: 10,
        output: 20,
        dropped: 0,
        fail: Some(fail),
    }
}

fn lines(format: &str, level: &str, events: &[Event]) -> Vec<String> {
    let config = model::Log {
        format: format.to_owned(),
        level: level.to_owned(),
        ..model::Log::default()
    };
    let (logger, buffer) = Logger::memory(&config);
    let journal = Journal::new(logger, &Plan::default());
    events.iter().for_each(|event| journal.record(event));
    let bytes = buffer.lock().unwrap().clone();
    String::from_utf8(bytes)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn json_lines_carry_the_fields_of_gost() {
    let lines = lines("json", "info", &[closed()]);
    let line: Value = serde_json::from_str(&lines[1]).unwrap();
    let keys: Vec<_> = line.as_object().unwrap().keys().take(3).cloned().collect();
    assert_eq!(keys, ["time", "level", "msg"]);
    assert_eq!(line["msg"], "10.0.0.1:5000 >< 10.0.0.2:80");
    assert_eq!(line["duration"], 1_500_000_000);
    assert_eq!(line["inputBytes"], 10);
    assert_eq!(line["sid"].as_str().unwrap().len(), 20);
    let time = line["time"].as_str().unwrap();
    assert!(time.len() >= 24 && time.as_bytes()[19] == b'.', "{time}");
}

#[test]
fn text_lines_are_quoted_where_needed() {
    let lines = lines("text", "", &[closed()]);
    assert!(
        lines[1].contains(" msg=\"10.0.0.1:5000 >< 10.0.0.2:80\" "),
        "{}",
        lines[1]
    );
    assert!(lines[1].contains(" duration=1.5s "), "{}", lines[1]);
}

#[test]
fn levels_below_the_wanted_one_are_not_written() {
    assert!(lines("json", "warn", &[closed()]).is_empty());
    let failed = Event::DialFailed {
        no: None,
        place: "node-0".to_owned(),
        fail: Fail::new(Cause::Refused, "refused"),
    };
    assert_eq!(lines("json", "warn", &[failed]).len(), 1);
}

#[test]
fn failures_are_warnings_of_one_line() {
    let warned = |target, cause, text: &str| {
        let lines = lines("json", "warn", &[ended(target, Fail::new(cause, text))]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        serde_json::from_str::<Value>(&lines[0]).unwrap()
    };
    let login = ended(None, Fail::login("wrong socks5 user or password", b"b b\n"));
    let line: Value = serde_json::from_str(&lines("json", "warn", &[login])[0]).unwrap();
    assert_eq!(line["level"], "warn");
    assert_eq!(
        line["msg"],
        "auth_failed client=10.0.0.1 user=b%20b%0A service=-"
    );
    assert_eq!(line["client"], "10.0.0.1");
    assert_eq!(line["error"], "wrong socks5 user or password");
    // No credentials yet, and ours with an upstream: nobody is to be banned.
    let line = warned(None, Cause::Auth, "this proxy requires a user");
    assert_eq!(line["msg"], "10.0.0.1:5000: this proxy requires a user");
    let line = warned(Some("a:1"), Cause::Auth, "wrong user or password");
    assert_eq!(line["msg"], "10.0.0.1:5000: wrong user or password");
    let line = warned(Some("a:1"), Cause::Refused, "connection refused");
    assert_eq!(line["msg"], "10.0.0.1:5000: connection refused");
    assert_eq!(line["dst"], "a:1");
    for cause in [Cause::Closed, Cause::Reset, Cause::Local] {
        let event = ended(Some("a:1"), Fail::new(cause, "gone"));
        assert!(lines("json", "warn", &[event]).is_empty());
    }
}

#[test]
fn a_session_that_we_end_is_no_warning() {
    let down = |cause| Event::SessionDown {
        place: "node-0".to_owned(),
        streams: 0,
        dialed: true,
        fail: Some(Fail::new(cause, "over")),
    };
    let dead = lines("json", "warn", &[down(Cause::TimedOut)]);
    assert!(dead[0].contains("session to node-0 dead: over"), "{dead:?}");
    assert!(lines("json", "warn", &[down(Cause::Local)]).is_empty());
    assert_eq!(lines("json", "warn", &[down(Cause::Protocol)]).len(), 1);
}

#[test]
fn connections_of_other_threads_have_other_ids() {
    let (logger, _) = Logger::memory(&model::Log::default());
    let here = logger.sid(1);
    let there = std::thread::scope(|scope| scope.spawn(|| logger.sid(1)).join().unwrap());
    assert_ne!(here, there);
    assert_eq!(here, logger.sid(1));
    assert_eq!(here.len(), 20);
}

#[test]
fn a_connection_keeps_its_id_and_others_have_another() {
    let (logger, _) = Logger::memory(&model::Log::default());
    assert_eq!(logger.sid(1), logger.sid(1));
    assert_ne!(logger.sid(1), logger.sid(2));
}
