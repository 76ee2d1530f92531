//! Who may come in, where to, how fast, and by which node.

mod access;
mod limits;
mod nodes;

use std::net::SocketAddr;

use ginnel_tests::check::Way;

fn way(addr: SocketAddr) -> Way {
    Way::socks5(addr.to_string(), addr)
}
