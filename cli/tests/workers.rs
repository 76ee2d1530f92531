//! Groups of arguments behind `--`: one process each.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn ginnel(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ginnel"));
    command.env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Starts it and reads the addresses of `count` services.
fn start(args: &[&str], count: usize) -> (Child, BufReader<impl Read>, Vec<String>) {
    let mut child = ginnel(args).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut addrs = Vec::new();
    while addrs.len() < count {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "{addrs:?}");
        let line: Value = serde_json::from_str(&line).unwrap();
        let message = line["msg"].as_str().unwrap();
        if let Some(rest) = message.strip_prefix("listening on ") {
            addrs.push(rest.split('/').next().unwrap().to_owned());
        }
    }
    (child, lines, addrs)
}

fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

const TWO: [&str; 5] = ["-L", "ws://127.0.0.1:0", "--", "-L", "http://127.0.0.1:0"];

#[test]
fn every_group_runs_and_signals_reach_them_all() {
    for name in ["-TERM", "-INT"] {
        let (mut child, mut lines, addrs) = start(&TWO, 2);
        for addr in &addrs {
            assert!(TcpStream::connect(addr).is_ok(), "{addr}");
        }
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
        // The end of the common standard error: no worker is left.
        lines.read_to_string(&mut String::new()).unwrap();
        for addr in &addrs {
            assert!(TcpStream::connect(addr).is_err(), "{addr}");
        }
    }
}

#[test]
fn a_reload_reaches_them_all() {
    let (mut child, mut lines, addrs) = start(&TWO, 2);
    signal(&child, "-HUP");
    for _ in 0..2 {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let result = "reload: 0 services added, 0 changed, 0 removed, 1 unchanged";
        assert!(line.contains(result), "{line}");
    }
    for addr in &addrs {
        assert!(TcpStream::connect(addr).is_ok(), "{addr}");
    }
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_first_failure_ends_the_others_and_is_the_result() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let bad = format!("ws://{}", busy.local_addr().unwrap());
    let args = [&TWO[..], &["--", "-L", &bad]].concat();
    let output = ginnel(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains(&format!("listen {}: ", busy.local_addr().unwrap())),
        "{text}"
    );
}

#[test]
fn a_worker_that_is_killed_ends_the_others() {
    let (mut child, mut lines, _) = start(&TWO, 2);
    let parent = child.id();
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let first = children.split(' ').next().unwrap().to_owned();
    assert!(
        Command::new("kill")
            .args(["-KILL", &first])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(128 + 9));
    lines.read_to_string(&mut String::new()).unwrap();
}

#[test]
fn nothing_is_started_where_flags_are_wrong() {
    let output = ginnel(&["-L", "127.0.0.1:0", "--", "-X"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.ends_with("flag provided but not defined: -X\n"),
        "{text}"
    );
    assert!(!text.contains("listening"), "{text}");
}

#[test]
fn workers_know_their_number_and_get_no_standard_input() {
    let output = ginnel(&[
        "-O",
        "yaml",
        "-L",
        "tcp://:1/a:1",
        "--",
        "-O",
        "yaml",
        "-L",
        "tcp://:2/b:1",
    ])
    .output()
    .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("go-0@target-0") && text.contains("go-1@target-0"),
        "{text}"
    );
    let output = ginnel(&["-L", "127.0.0.1:0", "--", "-C", "-"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("standard input is empty")
    );
}

#[test]
fn one_group_is_no_worker() {
    let (mut child, _lines, _) = start(&["-L", "ws://127.0.0.1:0", "--"], 1);
    let parent = child.id();
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    assert_eq!(children, "");
    signal(&child, "-TERM");
    child.wait().unwrap();
}
