//! Where configurations come from: URLs, several sources, the environment; and loading them again.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use ginnel::config::load::{Loaded, Loader, load};
use ginnel::flags::{self, Flags};
use ginnel::report::Severity;

/// Answers one request with `response` and tells its head.
fn server(response: Vec<u8>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let (sender, head) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while reader.read_line(&mut lines).unwrap() > 2 {}
        sender.send(lines).unwrap();
        // The client may have seen enough.
        let _ = (&stream).write_all(&response);
    });
    (addr, head)
}

fn response(status: &str, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn from(args: &[&str]) -> Loaded {
    load(&read(args), &|_| None, &mut Cursor::new(""))
}

fn read(args: &[&str]) -> Flags {
    flags::parse(args.iter().map(|one| (*one).to_owned())).unwrap()
}

fn errors(loaded: &Loaded) -> Vec<String> {
    loaded
        .findings
        .of(Severity::Error)
        .map(ToString::to_string)
        .collect()
}

const YAML: &str = "services:\n- name: s\n  addr: :1\n";
const JSON: &str = "{\n\"services\": [{\"name\": \"s\"\n, \"addr\": \":1\"}]}";

#[test]
fn a_url_is_read_by_content_type_then_extension() {
    for (kind, path, body) in [
        ("application/json", "/x.yml", JSON),
        ("Application/JSON; charset=utf-8", "/", JSON),
        ("text/plain", "/x.json?v=1", JSON),
        ("application/x-yaml", "/x.json", YAML),
        ("text/plain", "/x", YAML),
    ] {
        let (addr, _head) = server(response("200 OK", kind, body));
        let loaded = from(&["-C", &format!("http://{addr}{path}")]);
        assert_eq!(errors(&loaded), Vec::<String>::new(), "{kind} {path}");
        assert_eq!(loaded.config.services[0].addr, ":1");
    }
    // What it is not said to be, it is not read as.
    let (addr, _head) = server(response("200 OK", "application/json", YAML));
    assert_eq!(errors(&from(&["-C", &format!("http://{addr}/")])).len(), 1);
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let (addr, head) = server(response("200 OK", "text/yaml", "services: 5"));
    let loaded = from(&[
        "-C",
        &format!("http://us%65r:top%3Asecret@{addr}/x?token=topsecret"),
    ]);
    let head = head.recv().unwrap().to_ascii_lowercase();
    assert!(
        head.contains("authorization: basic dxnlcjp0b3a6c2vjcmv0\r\n"),
        "{head}"
    );
    assert!(
        head.starts_with("get /x?token=topsecret http/1.1\r\n"),
        "{head}"
    );
    let errors = errors(&loaded).join("\n");
    assert!(errors.contains(&format!("http://{addr}/x?...")), "{errors}");
    assert!(!errors.contains("secret"), "{errors}");
    // Nobody listens there.
    let errors = self::errors(&from(&["-C", "http://user:topsecret@127.0.0.1:1/x"])).join("\n");
    assert!(
        errors.starts_with("error: http://127.0.0.1:1/x: "),
        "{errors}"
    );
}

#[test]
fn only_a_whole_answer_of_bounded_size_counts() {
    for status in ["404 Not Found", "204 No Content", "500 Oops"] {
        let (addr, _head) = server(response(status, "text/yaml", YAML));
        let errors = errors(&from(&["-C", &format!("http://{addr}/")]));
        assert!(
            errors[0].contains("expected status 200, got "),
            "{errors:?}"
        );
    }
    let (addr, _head) = server(response("200 OK", "text/yaml", &"#".repeat((10 << 20) + 1)));
    let found = errors(&from(&["-C", &format!("http://{addr}/")]));
    assert!(found[0].contains("larger than 10 MiB"), "{found:?}");
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nservices:\n".to_vec();
    let (addr, _head) = server(cut);
    let found = errors(&from(&["-C", &format!("http://{addr}/")]));
    assert!(found[0].contains("reading the body"), "{found:?}");
}

#[test]
fn sources_are_merged_in_order_and_know_their_places() {
    let (addr, _head) = server(response(
        "200 OK",
        "text/yaml",
        &format!("{YAML}log:\n  level: warn\n"),
    ));
    let url = format!("http://{addr}/a.yml");
    let inline = r#"{"services":[{"name":"t","addr":":2"}],"log":{"format":"text"}}"#;
    let loaded = from(&["-C", &url, "-C", inline, "-L", ":3"]);
    assert_eq!(errors(&loaded), Vec::<String>::new());
    let names: Vec<_> = loaded
        .config
        .services
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["s", "t", "service-0"]);
    let log = loaded.config.log.as_ref().unwrap();
    assert_eq!((log.level.as_str(), log.format.as_str()), ("", "text"));
    let place = |path: &str| loaded.origins.get(path).map(str::to_owned);
    assert_eq!(place("services[0].addr"), Some(format!("{url}:3")));
    assert_eq!(place("services[1].addr"), Some("-C {...}:1".to_owned()));
    assert_eq!(place("log.level"), None);
    assert_eq!(place("log.format"), Some("-C {...}:1".to_owned()));
    let notes: Vec<_> = loaded
        .findings
        .of(Severity::Note)
        .map(|one| &one.text)
        .collect();
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].starts_with("log replaces the whole section of http://"),
        "{notes:?}"
    );
}

#[test]
fn the_environment_overrides_and_flags_override_it() {
    let env = HashMap::from([
        ("GOST_LOGGER_LEVEL", "warn"),
        ("GOST_API", ":1"),
        ("GOST_METRICS", ":2"),
        ("GOST_PROFILING", ":3"),
    ]);
    let var = |name: &str| env.get(name).map(|value| (*value).to_owned());
    let inline = r#"{"services":[{"name":"s"}],"log":{"level":"error","format":"text"},"api":{"addr":":9","pathPrefix":"/x"}}"#;
    let loaded = load(&read(&["-C", inline]), &var, &mut Cursor::new(""));
    let config = &loaded.config;
    let log = config.log.as_ref().unwrap();
    assert_eq!((log.level.as_str(), log.format.as_str()), ("warn", "text"));
    let api = config.api.as_ref().unwrap();
    assert_eq!(
        (&api["addr"], &api["pathPrefix"]),
        (&":1".into(), &"/x".into())
    );
    assert_eq!(config.metrics.as_ref().unwrap()["addr"], ":2");
    assert_eq!(config.profiling.as_ref().unwrap()["addr"], ":3");
    assert_eq!(
        loaded.origins.get("log.level"),
        Some("environment GOST_LOGGER_LEVEL")
    );
    let loaded = load(
        &read(&["-C", inline, "-D", "-api", ":8"]),
        &var,
        &mut Cursor::new(""),
    );
    assert_eq!(loaded.config.log.as_ref().unwrap().level, "debug");
    assert_eq!(loaded.config.api.as_ref().unwrap()["addr"], ":8");
    assert_eq!(loaded.origins.get("log.level"), Some("-D"));
}

#[test]
fn a_configuration_is_loaded_again_from_the_same_flags() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("again.yml");
    std::fs::write(&path, YAML).unwrap();
    let flags = read(&["-C", path.to_str().unwrap(), "-C", "-", "-L", ":3"]);
    let mut loader = Loader::new(&flags, &|_| None);
    let mut stdin = Cursor::new("services: [{name: t}]");
    let first = loader.load(&mut stdin);
    let same = loader.load(&mut stdin);
    assert_eq!(errors(&same), Vec::<String>::new());
    assert_eq!(first.config, same.config);
    std::fs::write(&path, YAML.replace(":1", ":9")).unwrap();
    let changed = loader.load(&mut stdin);
    assert_eq!(changed.config.services[0].addr, ":9");
    assert_eq!(changed.config.services[1..], first.config.services[1..]);
}
