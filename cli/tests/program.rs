//! The program as a process: exit codes, streams, signals.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn ginnel() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ginnel"));
    // The default file must not be found, wherever the test runs.
    command.env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

fn run(args: &[&str]) -> Output {
    ginnel().args(args).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn exit_codes() {
    for (args, code) in [
        (&["-V"][..], 0),
        (&["-h"], 0),
        (&["--help"], 0),
        (&["-O", "json", "-L", ":1"], 0),
        (&["-L", "foo://:1"], 1),
        (&["-C", "/nonexistent.yml"], 1),
        (&[], 1),
        (&["-L", ":1?bypass=a/b"], 1),
        (&["-X"], 2),
        (&["-L"], 2),
        (&["word"], 2),
        (&["-O", "xml"], 2),
    ] {
        let output = run(args);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            text(&output.stderr)
        );
        let silent = output.stdout.is_empty();
        assert_eq!(
            silent,
            !matches!(args.first(), Some(&"-V" | &"-O")) || code != 0,
            "{args:?}"
        );
    }
}

#[test]
fn a_wrong_flag_is_the_last_line_and_is_not_guessed_at() {
    let output = run(&["-X"]);
    let answer = text(&output.stderr);
    let lines: Vec<_> = answer.lines().collect();
    assert_eq!(lines.len(), 2, "{answer}");
    assert!(lines[0].starts_with("usage: ginnel "), "{answer}");
    assert_eq!(lines[1], "flag provided but not defined: -X");
}

#[test]
fn warnings_do_not_disturb_what_is_printed() {
    let output = run(&["-O", "json", "-L", "ws://:1?pathh=/x"]);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["services"][0]["listener"]["type"], "ws");
    let remarks = text(&output.stderr);
    assert!(
        remarks.starts_with("warning: -L #1 (ws://:1?pathh=/x): "),
        "{remarks}"
    );
}

/// Every option stands below all parts in it, as in what gost prints.
#[test]
fn what_is_printed_loads_without_a_warning() {
    let commands: [&[&str]; 3] = [
        &[
            "-L",
            "relay+mws://:443?path=/x&header.a=b&limiter.in=10MB&bypass=10.0.0.0/8&nodelay=true",
        ],
        &[
            "-L",
            ":1",
            "-F",
            "http+mws://h:1,h:2?strategy=fifo&host=foo&keepAlive=true&ttl=10s&timeout=3s",
        ],
        &[
            "-L",
            "socks5://:1?hosts=a.example:1.2.3.4&resolver=1.1.1.1&udp=true",
        ],
    ];
    for command in commands {
        let args = [command, &["--strict", "-O", "json"]].concat();
        let printed = text(&run(&args).stdout);
        let again = run(&["--strict", "-O", "json", "-C", &printed]);
        assert_eq!(text(&again.stderr), "", "{printed}");
        assert_eq!(text(&again.stdout), printed);
        let wrong = printed
            .replace("\"bypass\":", "\"bypas\":")
            .replace("\"host\":", "\"hots\":");
        let remarks = text(&run(&["-O", "json", "-C", &wrong]).stderr);
        assert_eq!(wrong != printed, remarks.contains("unknown"), "{remarks}");
    }
}

#[test]
fn errors_come_first_and_name_no_secret() {
    let output = run(&[
        "-L",
        "ws://u:topsecret@:1?pathh=/x",
        "-L",
        "wss://v:topsecret@:99999",
    ]);
    let remarks = text(&output.stderr);
    let lines: Vec<_> = remarks.lines().collect();
    assert!(
        lines[0].starts_with("error: -L #2 (wss://v:***@:99999): port 99999"),
        "{remarks}"
    );
    assert!(lines[1].starts_with("warning: -L #1"), "{remarks}");
    assert!(!remarks.contains("topsecret"));
}

#[test]
fn standard_input_is_a_source() {
    let mut child = ginnel()
        .args(["-C", "-", "-O", "yaml"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"services: [{name: x, addr: :9}]")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(text(&output.stdout).contains("name: x\n    addr: :9\n"));
}

#[test]
fn the_default_file_is_found_at_home_before_here() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("default");
    let home = folder.join("home/.gost");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(folder.join("gost.yml"), "services: [{name: here}]").unwrap();
    std::fs::write(home.join("gost.yaml"), "services: [{name: yaml}]").unwrap();
    let printed = |home: &str| {
        let mut command = ginnel();
        command.current_dir(&folder).env("HOME", folder.join(home));
        text(&command.args(["-O", "yaml"]).output().unwrap().stdout)
    };
    assert!(printed("nowhere").contains("name: here"));
    assert!(printed("home").contains("name: yaml"));
    std::fs::write(home.join("gost.json"), r#"{"services":[{"name":"json"}]}"#).unwrap();
    assert!(printed("home").contains("name: json"));
    std::fs::remove_file(home.join("gost.json")).unwrap();
}

#[test]
fn a_busy_port_is_one_line_and_nothing_runs() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = format!("ws://{}", busy.local_addr().unwrap());
    let output = run(&["-L", "127.0.0.1:0", "-L", &line]);
    assert_eq!(output.status.code(), Some(1));
    let remarks = text(&output.stderr);
    assert_eq!(remarks.lines().count(), 1, "{remarks}");
    let line: Value = serde_json::from_str(&remarks).unwrap();
    assert_eq!(line["level"], "fatal");
    let address = busy.local_addr().unwrap().to_string();
    assert!(
        line["msg"]
            .as_str()
            .unwrap()
            .starts_with(&format!("service \"service-1\": listen {address}: ")),
        "{line}"
    );
}

#[test]
fn a_signal_ends_it_in_order_after_the_ports_are_named() {
    for signal in ["-TERM", "-INT"] {
        let mut child = ginnel()
            .args(["-L", "ws://127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        let message = line["msg"].as_str().unwrap();
        assert!(
            message.starts_with("listening on 127.0.0.1:") && !message.contains(":0/"),
            "{message}"
        );
        assert_eq!(
            (&line["service"], &line["listener"]),
            (&"service-0".into(), &"ws".into())
        );
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
    }
}
