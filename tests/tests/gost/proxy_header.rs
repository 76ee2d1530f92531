//! PROXY headers in front of every channel.

use super::*;

/// Who does not take the header for what it is sees no TLS and no request.
pub(super) fn proxy_header(case: &Case) {
    let targets = Targets::new();
    for channel in CHANNELS {
        let listen = format!("http+{channel}://127.0.0.1:0?proxyProtocol=1");
        for version in ["1", "2"] {
            let server = case.server.serve(&["-L", &listen]);
            let node = format!("http+{channel}://{}?proxyProtocol={version}", server.addr());
            let client = case
                .client
                .serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
            let name = format!("{channel}, version {version}");
            let way = check::Way::socks5(name.as_str(), client.addr());
            let stream = way.open(&targets.work);
            if case.gost == Gost::Dials {
                let own = stream.local_addr().expect("an address");
                server.wait_for_line(&["<-> ", &format!("\"remote\":\"{own}\"")]);
            }
            check::transfer(&name, stream, 20 * KIB, 20 * KIB);
        }
    }
}
