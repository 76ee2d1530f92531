//! Mistakes that people make when they type: each has a message that names the place and the cure.

use super::*;

/// One mistake has one message.
#[test]
fn keys_in_the_wrong_place() {
    let folder = Folder::new("places");
    let alone = |name: &str, content: &str, line: &str| {
        folder.write(name, content);
        let output = folder.run(&["check", "-C", name]);
        assert_eq!(output.status.code(), Some(1));
        let answer = String::from_utf8(output.stderr).unwrap();
        assert_eq!(answer, format!("error: {name}{line}\n"));
    };
    alone(
        "two.yml",
        "# ours\n---\nservices:\n- addr: ':0'\n--- # theirs\nservices:\n- addr: ':0'\n",
        ":5: a second document begins here: a file is one configuration. Take this line out, or \
         make two files of it: -C may be given several times",
    );
    for (name, key) in [("gost.yml", "gost"), ("config.yml", "Config")] {
        alone(
            name,
            &format!("{key}:\n  services:\n  - addr: ':0'\n  chains: []\n"),
            &format!(
                ":1:1: {key}: services, chains belong to the top level: leave this key out, and the \
                 indentation of what is below it"
            ),
        );
    }
    alone(
        "list.yml",
        "- name: a\n  addr: ':0'\n",
        ": expected a map at the top level, got a list: is \"services:\" missing above it?",
    );
    alone(
        "one.yml",
        "name: a\naddr: ':0'\nhandler: {type: socks5}\n",
        ":1:1: name: this is a service: write it as an element of a list, behind \"- \", below a \
         line \"services:\"",
    );
    alone(
        "text.yml",
        "services:\n- ':1080'\n",
        ":1:1: services[0]: expected a map such as {addr: ':1080', handler: {type: socks5}}, got \
         \":1080\"",
    );
    alone(
        "near.yml",
        "service:\n- addr: ':0'\n",
        ":1:1: service: unknown key, did you mean \"services\"?",
    );
    alone(
        "names.yml",
        "services:\n  a:\n    addr: ':0'\n",
        ":1:1: services: expected a list, each element as \"- name: ...\", got a map",
    );
    alone(
        "glued.yml",
        "services:\n- name:a\n  addr: ':0'\n",
        ":3:7: mapping values are not allowed in this context (line 2: a blank is missing behind \
         the colon), near \"addr: ':0'\"",
    );
}

/// What may be a password is not shown, but what kind of thing it is.
#[test]
fn maps_that_are_something_else() {
    let folder = Folder::new("maps");
    for (name, value, part) in [
        (
            "text.yml",
            "auth: u:p",
            "auth: expected a map such as {username: u, password: p}, got text",
        ),
        (
            "list.yml",
            "auth: [u, p]",
            "auth: expected a map such as {username: u, password: p}, got a list",
        ),
        (
            "number.yml",
            "auth: 5",
            "auth: expected a map such as {username: u, password: p}, got a number",
        ),
    ] {
        let file = format!("services:\n- addr: ':0'\n  handler: {{type: http, {value}}}\n");
        folder.file_is_refused(name, file, part);
    }
    folder.file_is_refused(
        "handler.yml",
        "services:\n- addr: ':0'\n  handler: socks5\n",
        "handler: expected a map such as {type: socks5}, got \"socks5\"",
    );
    for (key, value, part) in [
        (
            "forwarder",
            "'h:22'",
            "such as {nodes: [{addr: 'host:22'}]}, got \"h:22\"",
        ),
        (
            "listener",
            "{type: wss, tls: a.pem}",
            "such as {certFile: cert.pem, keyFile: key.pem}",
        ),
        (
            "handler",
            "{metadata: [udp]}",
            "such as {udp: true}, got a list",
        ),
    ] {
        let file = format!("services:\n- addr: ':0'\n  {key}: {value}\n");
        folder.file_is_refused("key.yml", file, part);
    }
    folder.write(
        "short.yml",
        "services:\n- addr: ':0'\n  handler: {type: http, auth: {user: u, pass: p}}\n",
    );
    let output = folder.run(&["check", "-C", "short.yml"]);
    let answer = String::from_utf8(output.stderr).unwrap();
    for name in ["username", "password"] {
        let part = format!("unknown key, did you mean {name:?}?");
        assert!(answer.contains(&part), "{answer}");
    }
}

#[test]
fn command_lines_that_people_type() {
    let folder = Folder::new("lines");
    for (args, part) in [
        (
            &["-L", "socks5:/127.0.0.1:1"][..],
            "expected :// behind \"socks5\"",
        ),
        (&["-L", "socks5//:1"], "expected :// behind \"socks5\""),
        (&["-L", "http"], "expected :// behind \"http\""),
        (
            &["-L", ":1", "-F", "wss:host:443"],
            "expected :// behind \"wss\"",
        ),
        (
            &["-L", ":1", "-F", "relay+wss//host:443"],
            "expected :// behind \"relay+wss\", as in relay+wss://HOST:PORT",
        ),
        (
            &["-L", "\u{201c}socks5://:1\u{201d}"],
            "the quote \u{201c} in front",
        ),
        (&["-L", "'socks5://:1'"], "the quote ' in front"),
        (
            &["-L", "socks5://\u{201c}:1\u{201d}"],
            "typographic quotes: write plain ones",
        ),
        (
            &["-L", ":1", "-F", "relay+wss://http://h:443"],
            "two schemes: leave out http://",
        ),
        (
            &["-L", ":1:2"],
            "\":1:2\": expected host:port, with one colon",
        ),
        (
            &["-L", "socks5://:1,http://:2"],
            "each URL has its own flag",
        ),
        (&["-L", "::1:80"], "an IPv6 address needs brackets"),
        (&["-L", "::1"], "an IPv6 address needs brackets"),
        (
            &["-L", ":1", "-F", "ws:///h:1"],
            "expected host:port, got nothing",
        ),
        (
            &["-L", ":1", "-F", "ws://h:1&path=/a"],
            "parameters begin with a ?",
        ),
        (&["-L", "192.0.2.1:1"], "it is no address of this machine"),
    ] {
        folder.refuses(args, part);
    }
    let output = folder.run(&["\u{2013}L", ":1"]);
    let answer = String::from_utf8(output.stderr).unwrap();
    assert!(
        answer.contains("begins with a typographic dash: type -L"),
        "{answer}"
    );
    // These are hosts.
    for node in ["http:80", "socks5:1080?timeout=3s", "[::1]:1"] {
        let output = folder.run(&["check", "-L", "127.0.0.1:0", "-F", node]);
        assert!(output.status.success(), "{node}: {output:?}");
    }
}
