//! Reverse tunnels with gost at either end.

use ginnel_tests::target::free_addr;

use super::*;

/// A host is given, for the newest gost asks a relay node for `:PORT` in a form that no other gost understands.
pub(super) fn reverse(case: &Case) {
    let targets = Targets::new();
    for words in ["relay+wss", "relay+mws", "socks5+ws", "socks5+mwss"] {
        let listen = format!("{words}://127.0.0.1:0?bind=true&notls=true");
        let server = case.server.serve(&["-L", &listen]);
        let node = format!("{words}://{}?notls=true", server.addr());
        let port = free_addr();
        let listen = format!("rtcp://{port}/{}", targets.work.addr);
        let client = case.client.serve(&["-L", &listen, "-F", &node]);
        let name = format!("{} by {}: {node}", case.client.name(), case.server.name());
        let proxy = Proxy::new(Speak::Raw, port);
        let way = check::Way::fixed(name, vec![(targets.work.addr, proxy)]);
        check::until_open(port);
        check::both_ways(&way, &targets.work, 50 * KIB, 100 * KIB);
        check::concurrent(&way, &targets.work, 5, 20 * KIB);
        drop((client, server));
    }
}
