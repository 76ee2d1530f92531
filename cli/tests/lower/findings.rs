//! What is refused, what has no effect, what is said about it.

use super::*;

#[test]
fn what_would_be_unsafe_to_ignore_is_refused() {
    for (args, part) in [
        (&["-L", "ws://:1?bypass=10.0.0.0/33"][..], "bypass"),
        (&["-L", "ws://:1?admission=*.example.com"], "admission"),
        (
            &["-L", "ws://:1?interface=eth0/24"],
            "interface: expected an address or the name",
        ),
        (
            &["-L", ":1", "-F", "ws://h:1?proxyProtocol=3"],
            "proxyProtocol: expected 1 or 2",
        ),
        (
            &["-L", "ws://:1?trustedProxies=10.0.0.0/8,me"],
            "expected networks such as 10.0.0.0/8, got \"me\"",
        ),
        (
            &["-L", ":1", "-F", "ws://[node]:1"],
            "expected an address such as [::1]:8080 or [fe80::1%eth0]:8080, got \"[node]:1\"",
        ),
        (&["-L", "ss://:1"], "\"ss\" is gost's, but not supported"),
        (&["-L", "kcp://:1"], "\"kcp\" is gost's, but not supported"),
        (
            &["-L", ":1", "-F", "quic://h:1"],
            "\"quic\" is gost's, but not supported",
        ),
        (&["-L", "ws://:1?certFile=a&keyFile=b"], "write wss"),
        (&["-L", "forward+ws://:1"], "forwards to nowhere"),
        (
            &["-L", "tcp://:1", "-F", "socks5://h:1"],
            "forwards to nowhere",
        ),
        (&["-L", ":1", "-F", "wss://:1?secure=true"], "serverName="),
        (
            &["-L", "wss://:1?certFile=/nonexistent&keyFile=b"],
            "certFile /nonexistent",
        ),
    ] {
        refused(command(args), part);
    }
    let service = "services:\n- name: s\n  addr: ':1'\n";
    for (rest, part) in [
        (
            "  handler: {type: http, chain: nowhere}\n",
            "there is no chain named \"nowhere\"",
        ),
        (
            "  handler: {type: http, auther: nobody}\n",
            "there is no auther named \"nobody\"",
        ),
        (
            "  handler: {type: http, chainGroup: {chains: [c]}}\n",
            "there is no chain named \"c\"",
        ),
        (
            "  handler: {type: nothing}\n",
            "unknown handler \"nothing\"",
        ),
        (
            "  handler: {type: http, auth: {file: f}}\n",
            "not used to check clients",
        ),
        (
            "  listener: {type: wss, tls: {caFile: f}}\n",
            "would not be verified",
        ),
        (
            "  forwarder: {nodes: [{name: t, addr: 'a:1', tls: {secure: true}}]}\n",
            "tls: not supported yet",
        ),
        (
            "  forwarder: {nodes: [{name: t, addr: 'a:1', matcher: {rule: x}}]}\n",
            "matcher.rule: expected ( behind x, got the end",
        ),
        ("  forwarder: {hop: h}\n", "there is no hop named \"h\""),
        ("- {name: s, addr: ':2'}\n", "already defined at t.yml:2"),
        ("- {addr: ':2'}\n", "service without a name"),
        (
            "chains:\n- {name: c, hops: [{name: gone}]}\n",
            "there is no hop named \"gone\"",
        ),
        (
            "chains:\n- {name: c, hops: [{name: h, nodes: []}]}\n",
            "has no nodes",
        ),
        ("authers:\n- {name: a, plugin: {addr: x}}\n", "plugin"),
        (
            "hops:\n- {name: h, nodes: [{name: n, addr: 'a:1'}], http: {url: x}}\n",
            "http: nodes are not read from elsewhere",
        ),
        (
            "tls: {certFile: f}\n",
            "tls: certFile and keyFile belong together",
        ),
        ("tls: {caFile: f}\n", "tls.caFile without certFile"),
    ] {
        refused(document(&format!("{service}{rest}")), part);
    }
    refused(document("log: {level: info}\n"), "nothing to run");
}

#[test]
fn what_has_no_effect_is_said() {
    warned(
        command(&["-L", ":1", "-api", ":2"]),
        "api: not supported yet",
    );
    warned(
        command(&["-L", ":1", "-F", "wss://h:1"]),
        "certificate of node-0 is not verified: add secure=true",
    );
    warned(
        command(&["-L", ":1", "-F", "ws://h:1?secure=true"]),
        "no effect on a ws dialer",
    );
    warned(
        command(&["-L", "tcp://:1/[2001:db8::1%25eth0]:2"]),
        "only link-local addresses (fe80::) have one, leave it out of 2001:db8::1",
    );
    warned(command(&["-L", "http://u@:1"]), "any password is accepted");
    warned(listener("ws", "{pathh: /x}"), "did you mean \"path\"?");
    // No merge, as its value is no map: it is kept, and told.
    warned(
        listener("ws", "{'<<': x}"),
        "metadata.<<: unknown option for a ws listener",
    );
    warned(listener("wss", "{sni: x}"), "did you mean \"serverName\"?");
    warned(
        listener("tcp", "{path: /x}"),
        "unknown option for a tcp listener",
    );
    warned(
        document("services:\n- name: s\n  addr: ':1'\n  path: /x\n"),
        "t.yml:4:3: services[0].path: unknown key, it belongs to metadata of listener, dialer",
    );
    let tls = "listener: {type: wss, auth: {username: u}, tls: {secure: true}}";
    let text = format!("services:\n- name: s\n  addr: ':1'\n  {tls}\n");
    warned(document(&text), "auth has no effect here");
    warned(document(&text), "they are for dialers");
    let text = "services:\n- {name: s, addr: ':1'}\ntls: {serverName: a}\n";
    warned(document(text), "secure and serverName has no effect here");
    let chain = "chains:\n- {name: c, hops: [{name: h, nodes: [{name: n, addr: 'a:1', dialer: {type: tls, tls: {rejectUnknownSNI: true}}}]}]}\n";
    let text = format!("services:\n- {{name: s, addr: ':1', handler: {{chain: c}}}}\n{chain}");
    warned(
        document(&text),
        "dialer.tls.rejectUnknownSNI has no effect here: it is for listeners",
    );
    let (lowered, findings) = command(&["-L", ":1?udp=false"]);
    assert!(lowered.is_some() && findings.of(Severity::Warning).next().is_none());
}

#[test]
fn all_findings_come_at_once() {
    let (_, findings) = document(
        "services:\n- name: s\n  addr: ':99999'\n  handler: {type: http, chain: x, retries: abc}\n",
    );
    let errors: Vec<_> = findings
        .of(Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors.len(), 3, "{errors:#?}");
    assert!(
        errors[0]
            .contains("t.yml:4:35: services[0].handler.retries: expected an integer, got \"abc\"")
    );
}

#[test]
fn strict_makes_unknown_words_errors() {
    let text = r#"{"strict":true,"services":[{"name":"s","addr":":1","typo":1}]}"#;
    refused(command(&["-C", text]), "typo");
    refused(command(&["--strict", "-L", ":1?pathh=/x"]), "pathh");
    assert!(command(&["-L", ":1?pathh=/x"]).0.is_some());
}
