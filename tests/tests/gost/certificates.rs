//! Certificates of both ends, versions, suites and names, between gost and us.

use ginnel_tests::certificate::Authority;
use ginnel_tests::folder::Folder;

use super::*;

pub(super) fn certificates(case: &Case) {
    let targets = Targets::new();
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let others = Authority::new("others");
    let (node, right, wrong) = (
        servers.server("node.example"),
        clients.client("alice"),
        others.client("mallory"),
    );
    for (name, text) in [
        ("servers.pem", &servers.pem),
        ("clients.pem", &clients.pem),
        ("node.pem", &node.cert),
        ("node-key.pem", &node.key),
        ("right.pem", &right.cert),
        ("right-key.pem", &right.key),
        ("wrong.pem", &wrong.cert),
        ("wrong-key.pem", &wrong.key),
    ] {
        std::fs::write(path(name), text).expect("a file");
    }
    let listen = json!({
        "certFile": path("node.pem"),
        "keyFile": path("node-key.pem"),
        "caFile": path("clients.pem"),
    });
    let dial = |name: &str, cert: &str| {
        let mut tls = json!({ "secure": true, "caFile": path("servers.pem"), "serverName": name });
        if !cert.is_empty() {
            tls["certFile"] = path(&format!("{cert}.pem")).into();
            tls["keyFile"] = path(&format!("{cert}-key.pem")).into();
        }
        tls
    };
    for channel in ["tls", "wss", "mwss"] {
        for (name, cert, trusted) in [
            ("node.example", "right", true),
            ("node.example", "wrong", false),
            ("node.example", "", false),
            ("other.example", "right", false),
        ] {
            let what = format!("{name} {cert}");
            try_it(
                case,
                &targets,
                channel,
                &what,
                listen.clone(),
                dial(name, cert),
                trusted,
            );
        }
    }
    let own = |options: serde_json::Value| json!({ "certFile": path("node.pem"), "keyFile": path("node-key.pem"), "options": options });
    let suite = |name: &str| json!({ "maxVersion": "VersionTLS12", "cipherSuites": [name] });
    let (aes, chacha) = (
        suite("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        suite("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    );
    for (server, client, agree) in [
        (json!({ "maxVersion": "VersionTLS12" }), json!({}), true),
        (json!({}), json!({ "maxVersion": "VersionTLS12" }), true),
        (
            json!({ "minVersion": "VersionTLS13" }),
            json!({ "maxVersion": "VersionTLS12" }),
            false,
        ),
        (aes.clone(), aes.clone(), true),
        (chacha.clone(), json!({}), true),
        (aes, chacha, false),
        (
            json!({ "alpn": ["h2", "x"] }),
            json!({ "alpn": ["x"] }),
            true,
        ),
        (json!({ "alpn": ["h2"] }), json!({ "alpn": ["x"] }), false),
        (json!({ "alpn": ["h2"] }), json!({}), true),
    ] {
        let what = format!("{server} {client}");
        let client = json!({ "options": client });
        try_it(case, &targets, "wss", &what, own(server), client, agree);
    }
}

fn try_it(
    case: &Case,
    targets: &Targets,
    channel: &str,
    what: &str,
    listen: serde_json::Value,
    dial: serde_json::Value,
    agree: bool,
) {
    let config = json!({ "services": [{
        "name": "service-0",
        "addr": "127.0.0.1:0",
        "handler": { "type": "http" },
        "listener": { "type": channel, "tls": listen },
    }]});
    let server = case.server.serve_file(&config.to_string(), 1);
    let config = json!({
        "services": [{
            "name": "service-0",
            "addr": "127.0.0.1:0",
            "handler": { "type": "socks5", "chain": "chain-0" },
            "listener": { "type": "tcp" },
        }],
        "chains": [{ "name": "chain-0", "hops": [{ "name": "hop-0", "nodes": [{
            "name": "node-0",
            "addr": server.addr().to_string(),
            "connector": { "type": "http" },
            "dialer": { "type": channel, "tls": dial },
        }]}]}],
    });
    let client = case.client.serve_file(&config.to_string(), 1);
    let name = format!(
        "{} by {}: {channel} {what}",
        case.client.name(),
        case.server.name()
    );
    let way = check::Way::socks5(name, client.addr());
    if agree {
        check::both_ways(&way, &targets.work, 20 * KIB, 20 * KIB);
    } else {
        check::no_way(&way, &targets.work);
    }
}
