//! `explain` and `check`: what they say, where they say it comes from, and what they never say.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn folder() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("explain");
    fs::create_dir_all(&path).unwrap();
    path
}

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ginnel"));
    command.env_clear().env("GOST_LOGGER_LEVEL", "warn");
    command
        .current_dir(folder())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

struct Explained(Value);

impl Explained {
    fn of(args: &[&str]) -> Self {
        let output = run(&[&["explain", "--json"], args].concat());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Value and origin of a key, in the first section of that kind.
    fn get(&self, kind: &str, key: &str) -> (String, String) {
        let fact = self.fact(kind, key);
        let text = |name: &str| fact[name].as_str().unwrap().to_owned();
        (text("value"), text("origin"))
    }

    fn fact(&self, kind: &str, key: &str) -> &Value {
        let sections = self.0["sections"].as_array().unwrap();
        let section = sections.iter().find(|one| one["kind"] == kind).unwrap();
        let values = section["values"].as_array().unwrap();
        let found = values.iter().find(|one| one["key"] == key);
        found.unwrap_or_else(|| panic!("no {key} in {section:#}"))
    }

    fn list(&self, name: &str) -> Vec<String> {
        let list = self.0[name].as_array().unwrap().iter();
        list.map(|one| {
            format!(
                "{}: {}",
                one["place"].as_str().unwrap(),
                one["text"].as_str().unwrap()
            )
        })
        .collect()
    }
}

fn pair(value: &str, origin: &str) -> (String, String) {
    (value.to_owned(), origin.to_owned())
}

#[test]
fn every_value_knows_where_it_comes_from() {
    fs::write(
        folder().join("a.yml"),
        "services:\n- name: s\n  addr: 127.0.0.1:0\n  handler:\n    type: relay\n    chain: c\n  \
         listener:\n    type: ws\n    metadata:\n      path: x\n      mux.version: 2\nchains:\n- name: c\n  \
         hops:\n  - name: h\n    selector: {strategy: fifo}\n    nodes:\n    - name: n\n      \
         addr: h.example:443\n      connector: {type: socks5, auth: {username: u, password: topsecret}}\n      \
         dialer:\n        type: wss\n        tls: {secure: true}\n        metadata:\n          keepAlive: 5s\n",
    )
    .unwrap();
    let explained = Explained::of(&[
        "-C",
        "a.yml",
        "-L",
        "wss://127.0.0.1:0?path=/y&ttl=3&keepalive=false",
    ]);
    for (kind, key, value, origin) in [
        (
            "process",
            "log.level",
            "warn",
            "environment GOST_LOGGER_LEVEL",
        ),
        ("process", "log.format", "json", "default"),
        ("service", "addr", "127.0.0.1:0", "a.yml:3"),
        ("service", "handler.type", "relay", "a.yml:5"),
        ("service", "handler.chain", "c", "a.yml:6"),
        ("service", "handler.auth", "none: everybody", "default"),
        ("service", "listener.path", "/x", "a.yml:10"),
        ("service", "listener.backlog", "1024", "default"),
        ("hop", "selector.strategy", "fifo", "a.yml:16"),
        ("hop", "selector.failTimeout", "10s", "default"),
        ("node", "addr", "h.example:443", "a.yml:19"),
        ("node", "connector.auth", "user u, password set", "a.yml:20"),
        ("node", "dialer.tls.secure", "true", "a.yml:23"),
        ("node", "dialer.tls.serverName", "h.example", "default"),
        ("node", "dialer.host", "h.example:443", "default"),
        ("node", "dialer.keepAlive", "5s", "a.yml:25"),
    ] {
        assert_eq!(
            explained.get(kind, key),
            pair(value, origin),
            "{kind} {key}"
        );
    }
    let sections = explained.0["sections"].as_array().unwrap();
    let typed = sections
        .iter()
        .find(|one| one["name"] == "service-0")
        .unwrap();
    let typed = Explained(serde_json::json!({"sections": [typed]}));
    assert_eq!(typed.get("service", "listener.path"), pair("/y", "-L #1"));
    assert_eq!(typed.get("service", "listener.ttl"), pair("3s", "-L #1"));
    assert_eq!(
        typed.fact("service", "listener.ttl")["ignored"],
        "keepalive is off"
    );
    let remarks = explained.list("remarks");
    assert!(
        remarks.iter().any(|one| one
            .starts_with("a.yml:11:7: services[0].listener.metadata.mux.version: unknown option")),
        "{remarks:#?}"
    );
}

#[test]
fn what_others_can_make_use_of_is_said() {
    let found = |args: &[&str]| Explained::of(args).list("unsafe").join("\n");
    for (args, part) in [
        (&["-L", ":1080"][..], "-L #1: an open proxy"),
        (&["-L", "relay+wss://:1080"], "an open proxy"),
        (&["-L", "u@127.0.0.1:1080"], "user \"u\" has no password"),
        (
            &["-L", "wss://u:p@127.0.0.1:1080"],
            "-L #1: the password in the URL",
        ),
        (
            &["-L", "http://u:p@:1080"],
            "passwords unencrypted over tcp",
        ),
        (
            &["-L", "127.0.0.1:1080", "-F", "wss://h:1"],
            "the certificate of node-0 is not verified",
        ),
        (
            &["-L", "127.0.0.1:1080", "-F", "wss://u:p@h:1?secure=1"],
            "-F #1: the password in the URL",
        ),
        (
            &["-L", "127.0.0.1:1080", "-F", "ws://u:p@h:1"],
            "unencrypted over ws to h:1",
        ),
    ] {
        assert_eq!(
            found(args).matches(part).count(),
            1,
            "{args:?}: {}",
            found(args)
        );
    }
    for args in [
        &["-L", "127.0.0.1:1080"][..],
        &["-L", "[::1]:1080"],
        &["-L", "tcp://:1080/127.0.0.1:22"],
        &["-L", "127.0.0.1:1080", "-F", "wss://h:1?secure=true"],
    ] {
        assert_eq!(found(args), "", "{args:?}");
    }
}

#[test]
fn text_fits_80_columns_and_shows_no_secret() {
    fs::write(
        folder().join("b.yml"),
        "services:\n- name: s\n  addr: 127.0.0.1:0\n  handler:\n    type: http\n    auther: a\n    \
         metadata:\n      header: {Authorization: topsecret, X-Name: shown}\nauthers:\n- name: a\n  \
         auths: [{username: u, password: topsecret}]\n  file: {path: users}\n",
    )
    .unwrap();
    fs::write(folder().join("users"), "v topsecret\n# w topsecret\n").unwrap();
    let long = format!(
        "wss://u:topsecret@{}.example:443?header.Cookie=topsecret&path=/{}",
        "h".repeat(60),
        "p".repeat(90)
    );
    for args in [
        &["-C", "b.yml"][..],
        &["-L", "127.0.0.1:0", "-F", &long],
        &[
            "-L",
            "wss://u:topsecret@127.0.0.1:0?auth=topsecret&nonsense=1",
        ],
    ] {
        for json in [&["explain"][..], &["explain", "--json"]] {
            let output = run(&[json, args].concat());
            assert_eq!(output.status.code(), Some(0));
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(!text.contains("topsecret"), "{text}");
            if json.len() == 1 {
                // A single word cannot be broken.
                let wide = text
                    .lines()
                    .find(|line| line.chars().count() > 80 && line.trim().contains(' '));
                assert_eq!(wide, None, "{args:?}");
            }
        }
    }
    let explained = Explained::of(&["-C", "b.yml"]);
    assert_eq!(explained.get("service", "handler.authers").0, "a, 2 users");
    assert_eq!(
        explained.get("service", "handler.header").0,
        "Authorization: ***, X-Name: shown"
    );
}

#[test]
fn check_says_ok_or_what_is_wrong_and_opens_nothing() {
    let output = run(&["check", "-L", "wss://127.0.0.1:0", "-L", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "ok: 2 services, 0 warnings\n"
    );
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = busy.local_addr().unwrap().to_string();
    let output = run(&["check", "-L", &addr]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with(&format!("error: -L #1 ({addr}): listen {addr}: ")),
        "{text}"
    );
    let output = run(&["check", "-L", "127.0.0.1:0", "--", "-L", &addr]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "worker 0: ok: 1 service, 0 warnings\n"
    );
    assert_eq!(run(&["check", "-X"]).status.code(), Some(2));
    assert_eq!(run(&["-json", "-L", ":1"]).status.code(), Some(2));
}

#[test]
fn a_profile_is_a_set_of_defaults() {
    let small = Explained::of(&["-L", "http://127.0.0.1:0", "--profile", "small"]);
    for (key, value, origin) in [
        ("profile", "small", "-profile"),
        ("threads", "1", "profile"),
        ("memory", "16777216", "profile"),
    ] {
        assert_eq!(small.get("process", key), pair(value, origin), "{key}");
    }

    let more = Explained::of(&[
        "-C",
        r#"{"profile": "small"}"#,
        "-L",
        "http://127.0.0.1:0",
        "--threads",
        "2",
        "--memory",
        "32MiB",
    ]);
    for (key, value) in [
        ("profile", "small"),
        ("threads", "2"),
        ("memory", "33554432"),
    ] {
        assert_eq!(more.get("process", key).0, value, "{key}");
    }

    let output = run(&[
        "check",
        "-C",
        r#"{"profile": "tiny"}"#,
        "-L",
        "http://127.0.0.1:0",
    ]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("expected standard or small, got \"tiny\""),
        "{said}"
    );
}
