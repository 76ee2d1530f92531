//! What gost's own parser makes of command lines (x v0.15.2), where this one once made something else.

use std::io::Cursor;

use ginnel::config::load::load;
use ginnel::config::print::{Output, print};
use ginnel::flags;

/// What `-O yaml` prints.
fn printed(args: &[&str]) -> String {
    let flags = flags::parse(args.iter().map(|one| (*one).to_owned())).unwrap();
    let loaded = load(&flags, &|_| None, &mut Cursor::new(""));
    assert!(
        !loaded.findings.has_errors(),
        "{args:?}: {:?}",
        loaded.findings
    );
    print(&loaded.config, Output::Yaml)
}

const ROWS: &[(&str, &[&str], &str)] = &[
    (
        "a chain stands in front of credentials, a reference in front of the handler",
        &["-L", "http://u:p@:1?bypass=a.b", "-F", "direct://"],
        "services:
  - name: service-0
    addr: :1
    bypass: bypass-0
    handler:
      type: http
      chain: chain-0
      auth:
        username: u
        password: p
    listener:
      type: tcp
      metadata:
        bypass: a.b
    metadata:
      bypass: a.b
chains:
  - name: chain-0
    hops:
      - name: hop-0
        nodes:
          - name: node-0
            connector:
              type: direct
            dialer:
              type: direct
bypasses:
  - name: bypass-0
    matchers:
      - a.b
",
    ),
    (
        "a text that looks like something else is in double quotes, another one in single ones",
        &[
            "-L",
            "ws://:1?listener.a=true&listener.b=1:30&listener.c=~&listener.d=*x&listener.e=2020-01-02",
        ],
        "services:
  - name: service-0
    addr: :1
    handler:
      type: auto
    listener:
      type: ws
      metadata:
        a: \"true\"
        b: \"1:30\"
        c: \"~\"
        d: '*x'
        e: \"2020-01-02\"
",
    ),
    (
        "handler.retries and handler.bypass are the handler's",
        &["-L", "ws://:1?handler.retries=3&handler.bypass=a"],
        "services:
  - name: service-0
    addr: :1
    bypass: bypass-0
    handler:
      type: auto
      retries: 3
    listener:
      type: ws
bypasses:
  - name: bypass-0
    matchers:
      - a
",
    ),
    (
        "each port of a range has a limit of its own",
        &["-L", "ws://:1-2?handler.climiter=5"],
        "services:
  - name: service-0
    addr: :1
    climiter: climiter-0
    handler:
      type: auto
    listener:
      type: ws
  - name: service-1
    addr: :2
    climiter: climiter-1
    handler:
      type: auto
    listener:
      type: ws
climiters:
  - name: climiter-0
    limits:
      - $ 5
  - name: climiter-1
    limits:
      - $ 5
",
    ),
    (
        "without a value a key defines nothing and stays an option; zero is no retry",
        &["-L", "ws://:1?bypass=&retries=0&auth"],
        "services:
  - name: service-0
    addr: :1
    handler:
      type: auto
      metadata:
        bypass: \"\"
        retries: \"0\"
    listener:
      type: ws
      metadata:
        bypass: \"\"
        retries: \"0\"
    metadata:
      bypass: \"\"
      retries: \"0\"
",
    ),
    (
        "one limit alone, numbers in plain decimals",
        &["-L", "ws://:1?handler.limiter.in=1KB&handler.rlimiter=010"],
        "services:
  - name: service-0
    addr: :1
    limiter: limiter-0
    rlimiter: rlimiter-0
    handler:
      type: auto
    listener:
      type: ws
limiters:
  - name: limiter-0
    limits:
      - '$ 1KB '
rlimiters:
  - name: rlimiter-0
    limits:
      - $ 10
",
    ),
    (
        "a zone is written %25 in the host of a node, and special keys in any case",
        &[
            "-L",
            ":1",
            "-F",
            "[fe80::1%25lo]:5?SO_MARK=3&Interface=eth0",
        ],
        "services:
  - name: service-0
    addr: :1
    handler:
      type: auto
      chain: chain-0
    listener:
      type: tcp
chains:
  - name: chain-0
    hops:
      - name: hop-0
        nodes:
          - name: node-0
            addr: '[fe80::1%lo]:5'
            connector:
              type: http
            dialer:
              type: tcp
              tls:
                serverName: fe80::1%lo
        metadata:
          interface: eth0
          so_mark: 3
",
    ),
];

#[test]
fn a_target_without_a_name_has_none() {
    let file = r#"{"services": [{"name": "s",
        "forwarder": {"nodes": [{"addr": "a:1", "metadata": {"backup": false}}]}}]}"#;
    let want = "services:
  - name: s
    forwarder:
      nodes:
        - addr: a:1
          metadata:
            backup: false
";
    assert_eq!(printed(&["-C", file]), want);
}

#[test]
fn command_lines_print_as_in_gost() {
    let mut failures = Vec::new();
    for (what, args, want) in ROWS {
        let got = printed(args);
        if got != *want {
            failures.push(format!("{what}: {args:?}\n{got}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
