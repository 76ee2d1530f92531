//! Socket files at the far end, which relay asks for by their path.

use ginnel_tests::folder::Folder;

use super::*;

/// The handler of rtcp, for the newest gost cannot be built with `forward`.
pub(super) fn socket_file(case: &Case) {
    let targets = Targets::new();
    let folder = Folder::new();
    let file = folder.path().join("proxy.sock").display().to_string();
    let proxy = Program::ginnel(Runtime::Smol);
    let proxy = proxy.spawn(&["-L", &format!("socks5+unix://{file}")], &[]);
    proxy.wait_for_line(&[&format!("listening on {file}")]);
    for channel in ["ws", "mwss"] {
        let listen = format!("relay+{channel}://127.0.0.1:0?unix=true");
        let server = case.server.serve(&["-L", &listen]);
        let config = json!({
            "services": [{
                "name": "service-0",
                "addr": "127.0.0.1:0",
                "handler": { "type": "rtcp", "chain": "chain-0" },
                "listener": { "type": "tcp" },
                "forwarder": { "nodes": [{ "name": "file", "addr": file, "network": "unix" }] },
            }],
            "chains": [{ "name": "chain-0", "hops": [{ "name": "hop-0", "nodes": [{
                "name": "node-0",
                "addr": server.addr().to_string(),
                "connector": { "type": "relay" },
                "dialer": { "type": channel },
            }]}]}],
        });
        let client = case.client.serve_file(&config.to_string(), 1);
        let name = format!(
            "{} by {}: {channel}",
            case.client.name(),
            case.server.name()
        );
        let way = check::Way::socks5(name, client.addr());
        check::both_ways(&way, &targets.work, 100 * KIB, 100 * KIB);
        check::concurrent(&way, &targets.work, 5, 20 * KIB);
    }
}
