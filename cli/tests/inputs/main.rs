//! Bad input: a clear answer, soon, and nothing is started.

#![expect(clippy::disallowed_methods, reason = "an answer must come soon")]

mod typed;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// Runs `ginnel` in a folder of the test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join("inputs")
            .join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ginnel"));
        command.env_clear().current_dir(&self.0).args(args);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Both a start and a check end at once with status 1, and say `part` once.
    fn refuses(&self, args: &[&str], part: &str) {
        for command in [None, Some("check")] {
            let all: Vec<_> = command.iter().chain(args).copied().collect();
            let started = Instant::now();
            let output = self.run(&all);
            let answer = String::from_utf8(output.stderr).unwrap();
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{args:?} took long"
            );
            assert_eq!(output.status.code(), Some(1), "{args:?}: {answer}");
            assert!(output.stdout.is_empty());
            assert_eq!(answer.matches(part).count(), 1, "{part:?}: {answer}");
            for line in answer.lines() {
                assert!(line.len() < 600, "{line}");
            }
        }
    }

    fn file_is_refused(&self, name: &str, content: impl AsRef<[u8]>, part: &str) {
        self.write(name, content);
        self.refuses(&["-C", name], part);
    }
}

#[test]
fn files_that_are_no_configuration() {
    let folder = Folder::new("files");
    folder.file_is_refused("empty.yml", "", "nothing to run");
    folder.file_is_refused(
        "nul.yml",
        "services:\n- name: a\0b\n",
        "nul.yml:2: contains a NUL byte",
    );
    let utf16: Vec<u8> = "\u{feff}services: []\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    folder.file_is_refused("utf16.yml", utf16, "utf16.yml: is encoded as UTF-16");
    folder.file_is_refused(
        "latin.yml",
        b"services:\n- name: \xe9\n",
        "latin.yml:2: is not UTF-8",
    );
    folder.file_is_refused("list.yml", "- a\n- b\n", "expected a map at the top level");
    folder.file_is_refused("x.toml", "a = 1\n", "toml is not supported");
    folder.refuses(&["-C", "."], "is a folder, expected a file");
    folder.refuses(&["-C", "none.yml"], "No such file");
    folder.refuses(
        &["-C", "none.yml,other.yml"],
        "No such file or directory: each file has its own -C",
    );
    folder.file_is_refused(
        "key.yml",
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----\n",
        "expected a map at the top level, got a PEM file",
    );
}

#[test]
fn duplicate_keys_in_any_case() {
    let folder = Folder::new("duplicates");
    folder.file_is_refused(
        "dup.yml",
        "services:\n- name: a\n  Name: b\n",
        "dup.yml:2:3: services[0]: duplicate key \"Name\"",
    );
    folder.file_is_refused(
        "dup.json",
        r#"{"log":{},"log":{}}"#,
        "duplicate key \"log\"",
    );
}

#[test]
fn files_that_are_large_or_unfold() {
    let folder = Folder::new("large");
    let many: String = (0..450_000)
        .map(|at| format!("k{at}: {{v: 1, w: 2}}\n"))
        .collect();
    assert!(many.len() < 10 << 20);
    folder.file_is_refused("many.yml", many, "too many values");
    folder.file_is_refused(
        "huge.yml",
        "#".repeat((10 << 20) + 1),
        "huge.yml: larger than 10 MiB",
    );
    let unknown: String = (0..100_000).map(|at| format!("k{at}: 1\n")).collect();
    folder.file_is_refused("unknown.yml", unknown, "... and ");

    let mut laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (before, name) in ('a'..='h').zip('b'..='i') {
        let list = vec![format!("*{before}"); 9].join(",");
        laughs += &format!("{name}: &{name} [{list}]\n");
    }
    folder.file_is_refused("laughs.yml", laughs, "anchors expand");
    let long = format!(
        "a: &a \"{}\"\nb: [{}]\n",
        "x".repeat(100_000),
        "*a,".repeat(1000)
    );
    folder.file_is_refused("long.yml", long, "once its anchors are expanded");
}

#[test]
fn files_that_are_nested() {
    let folder = Folder::new("nested");
    let deep = |open: &str, close: &str, depth| open.repeat(depth) + "1" + &close.repeat(depth);
    let block: String = (0..100)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    folder.file_is_refused("block.yml", block, "deeper than 64 levels");
    folder.file_is_refused(
        "flow.yml",
        format!("a: {}", deep("[", "]", 100)),
        "deeper than 64",
    );
    folder.file_is_refused(
        "deep.json",
        deep("{\"a\":", "}", 100),
        "deeper than 64 levels",
    );
    folder.file_is_refused(
        "deeper.json",
        deep("{\"a\":", "}", 100_000),
        "deeper than 64 levels",
    );
    folder.file_is_refused("deeper.yml", "[".repeat(1_000_000), "nested too deep");
    folder.file_is_refused(
        "dashes.yml",
        "- ".repeat(1_000_000),
        "deeper than 64 levels",
    );
}

#[test]
fn certificates_that_cannot_be_used() {
    let folder = Folder::new("certificates");
    for (name, year) in [("good", 4000), ("old", 2001)] {
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 2, 3);
        let key = KeyPair::generate().unwrap();
        folder.write(
            &format!("{name}.pem"),
            params.self_signed(&key).unwrap().pem(),
        );
        folder.write(&format!("{name}.key"), key.serialize_pem());
    }
    let line = |cert: &str, key: &str| format!("wss://127.0.0.1:0?certFile={cert}&keyFile={key}");
    for (cert, key, part) in [
        (".", "good.key", "certFile .: Is a directory"),
        ("none.pem", "good.key", "certFile none.pem: No such file"),
        (
            "good.pem",
            "old.key",
            "keyFile old.key is not the key of certFile good.pem",
        ),
        (
            "good.key",
            "good.key",
            "certFile good.key: no PEM certificate in it",
        ),
    ] {
        folder.refuses(&["-L", &line(cert, key)], part);
    }
    let answer = |cert: &str, key: &str| {
        let output = folder.run(&["check", "-L", &line(cert, key)]);
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(
        answer("old.pem", "old.key")
            .contains("certFile old.pem: the certificate expired on 2001-02-03")
    );
    assert_eq!(answer("good.pem", "good.key"), "");
    folder.write(
        "several.yml",
        "services: [{name: s, addr: '127.0.0.1:0', listener: {type: tls, tls: {certFile: good.pem, keyFile: good.key, \
         certificates: [{certFile: old.pem, keyFile: old.key}]}}}]",
    );
    let output = folder.run(&["check", "-C", "several.yml"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("certFile old.pem: the certificate expired"),
        "{text}"
    );
}

#[test]
fn addresses_that_cannot_be_used() {
    let folder = Folder::new("addresses");
    for (args, part) in [
        (&["-L", ":65536"][..], "port 65536 is out of range"),
        (&["-L", "ws://:80 80"], "there is a blank in the address"),
        (&["-L", "ws://a b:80"], "there is a blank in the address"),
        (&["-L", "   "], "nothing to do"),
        (
            &["-L", ":0", "-F", "ws://h:0"],
            "nothing can be reached on port 0",
        ),
        (&["-L", "tcp://:0/h:0"], "nothing can be reached on port 0"),
        (
            &["-L", ":0", "-F", "ws://h:65536"],
            "port 65536 is out of range",
        ),
        (
            &["-L", ":8080", "-L", "ws://127.0.0.1:8080"],
            "service \"service-1\" listens on \"127.0.0.1:8080\", which service \"service-0\"",
        ),
        (&["-L", "[::]:8080", "-L", "0.0.0.0:8080"], "listens on"),
        (
            &["-L", ":8080", "-F", "http://localhost:8080"],
            "leads back to itself",
        ),
    ] {
        folder.refuses(args, part);
    }
    for args in [
        &["check", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0"][..],
        &["check", "-L", " ws://127.0.0.1:0 "],
    ] {
        assert_eq!(folder.run(args).status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn references_that_lead_nowhere() {
    let folder = Folder::new("references");
    let service = "services: [{name: s, addr: '127.0.0.1:0', handler: {chain: c}}]\n";
    folder.file_is_refused(
        "chain.yml",
        format!("{service}chains: [{{name: c, hops: [{{name: c}}]}}]\n"),
        "chain \"c\" refers to itself",
    );
    folder.file_is_refused(
        "hop.yml",
        format!("{service}chains: [{{name: c, hops: [{{name: h}}]}}]\nhops: [{{name: h}}]\n"),
        "hop \"h\" has no nodes: a hop of the top level",
    );
}

#[test]
fn all_errors_of_a_file_come_in_one_go() {
    let folder = Folder::new("all");
    folder.write(
        "all.yml",
        "services:\n- name: s\n  addr: 127.0.0.1:0\n  handler:\n    chain: nowhere\n    \
         retries: abc\n  listener:\n    type: wsss\n",
    );
    let output = folder.run(&["-C", "all.yml"]);
    let answer = String::from_utf8(output.stderr).unwrap();
    for part in [
        "all.yml:6:5: services[0].handler.retries",
        "all.yml:5:5: services[0].handler.chain: there is no chain named",
        "unknown listener",
    ] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
}

#[test]
fn strict_in_the_file_makes_unknown_keys_errors() {
    let folder = Folder::new("strict");
    let text = "services: [{name: s, addr: '127.0.0.1:0', hndler: {}}]\n";
    folder.write("lax.yml", text);
    assert_eq!(
        folder.run(&["check", "-C", "lax.yml"]).status.code(),
        Some(0)
    );
    folder.refuses(&["-C", "lax.yml", "--strict"], "did you mean \"handler\"");
    folder.file_is_refused(
        "strict.yml",
        format!("strict: true\n{text}"),
        "did you mean \"handler\"",
    );
}

#[test]
fn no_answer_shows_a_password() {
    let folder = Folder::new("secrets");
    for (name, text) in [
        (
            "map.yml",
            "services: [{name: s, handler: {auth: 'u:topsecret'}}]\n",
        ),
        ("list.yml", "authers: [{name: a, auths: ['u:topsecret']}]\n"),
        (
            "broken.yml",
            "services: [{handler: {auth: {username: u, password: topsecret\n",
        ),
        (
            "broken2.yml",
            "authers:\n- name: a\n  auths:\n  - {username: u, password: 'topsecret}\n",
        ),
        (
            "kind.yml",
            "services: [{name: s, addr: ':0', handler: {auth: {username: u, password: [topsecret]}}}]\n",
        ),
    ] {
        folder.write(name, text);
        for command in ["check", "explain"] {
            let output = folder.run(&[command, "-C", name]);
            assert_eq!(output.status.code(), Some(1), "{name}");
            let all = [output.stdout, output.stderr].concat();
            let all = String::from_utf8(all).unwrap();
            assert!(!all.contains("topsecret"), "{name}: {all}");
        }
    }
}

#[test]
fn what_is_no_configuration_is_told_in_a_line() {
    let folder = Folder::new("others");
    let passwd = "root:x:0:0:root:/root:/bin/bash\n".repeat(50);
    folder.file_is_refused(
        "passwd",
        passwd,
        "at the top level, got \"root:x:0:0:root:/root:/bin/bash root:x:0:0:root:/root:/bin/b\"...",
    );
    folder.file_is_refused(
        "gost2.json",
        r#"{"Debug": true, "ServeNodes": ["http://:8080"], "ChainNodes": ["ws://h:1"]}"#,
        "gost2.json: a configuration of gost 2: its ServeNodes are -L and its ChainNodes -F",
    );
}

#[test]
fn a_node_without_a_name_goes_by_its_address() {
    let folder = Folder::new("nameless");
    folder.write(
        "gost.yml",
        "services: [{name: s, addr: ':0', handler: {type: http, chain: c}}]\n\
         chains: [{name: c, hops: [{nodes: [{addr: 'far.example:443', dialer: {type: wss}}]}]}]\n",
    );
    let output = folder.run(&["check", "-C", "gost.yml"]);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let expected = "the certificate of far.example:443 is not verified";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_log_level_is_read_in_any_case() {
    let folder = Folder::new("levels");
    for (level, known) in [("WARN", true), ("warning", true), ("loud", false)] {
        folder.write(
            "gost.yml",
            format!("log: {{level: {level}}}\nservices: [{{name: s, addr: ':0'}}]\n"),
        );
        let output = folder.run(&["check", "-C", "gost.yml"]);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let told = text.contains("log.level: expected trace, debug, info, warn, error or fatal");
        assert_eq!(told, !known, "{level}: {text}");
    }
}

#[test]
fn a_hop_needs_nodes_or_a_name() {
    Folder::new("hops").file_is_refused(
        "gost.yml",
        "services: [{name: s, addr: ':0', handler: {type: http, chain: c}}]\nchains: [{name: c, hops: [{hop: far}]}]\n",
        "chains[0].hops[0]: has no nodes, and no name of a hop of the top level",
    );
}
