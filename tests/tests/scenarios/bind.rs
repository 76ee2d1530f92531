//! SOCKS5 BIND (RFC 1928): one connection to a port of the proxy, which goes on in the client's.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use ginnel_tests::check;
use ginnel_tests::client::connect;
use ginnel_tests::target::free_addr;
use ginnel_tests::{Program, on_both_runtimes};

/// Asks for `addr`. The code of the reply, and the address in it.
fn bind(proxy: SocketAddr, addr: SocketAddrV4) -> (TcpStream, u8, SocketAddr) {
    let mut stream = connect(proxy);
    stream.write_all(&[5, 1, 0]).expect("a greeting");
    let mut method = [0; 2];
    stream.read_exact(&mut method).expect("a method");
    assert_eq!(method, [5, 0]);
    let mut request = vec![5, 2, 0, 1];
    request.extend(addr.ip().octets());
    request.extend(addr.port().to_be_bytes());
    stream.write_all(&request).expect("a request");
    let (code, bound) = reply(&mut stream);
    (stream, code, bound)
}

fn reply(stream: &mut TcpStream) -> (u8, SocketAddr) {
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).expect("a reply");
    assert_eq!((reply[0], reply[2], reply[3]), (5, 0, 1), "{reply:?}");
    let ip: [u8; 4] = reply[4..8].try_into().expect("four bytes");
    let port = u16::from_be_bytes([reply[8], reply[9]]);
    (reply[1], SocketAddr::from((ip, port)))
}

fn any() -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)
}

fn exchange(from: &mut TcpStream, to: &mut TcpStream, text: &[u8]) {
    from.write_all(text).expect("sent");
    let mut got = vec![0; text.len()];
    to.read_exact(&mut got).expect("received");
    assert_eq!(got, text);
}

on_both_runtimes! {
    fn the_first_who_comes_is_the_one(ginnel: &Program) {
        for handler in ["socks5", "auto"] {
            let server = ginnel.serve(&["-L", &format!("{handler}://127.0.0.1:0?bind=true")]);
            let (mut client, code, bound) = bind(server.addr(), any());
            assert_eq!((code, bound.ip()), (0, server.addr().ip()));
            // What the client says before anybody comes waits.
            client.write_all(b"early ").expect("sent");
            let mut peer = connect(bound);
            let (code, told) = reply(&mut client);
            assert_eq!((code, told), (0, peer.local_addr().expect("an address")));
            check::until_closed(bound); // One is enough.
            let mut early = [0; 6];
            peer.read_exact(&mut early).expect("received");
            assert_eq!(&early, b"early ");
            exchange(&mut peer, &mut client, b"from the peer");
            exchange(&mut client, &mut peer, b"from the client");
            // Each direction ends on its own.
            peer.shutdown(Shutdown::Write).expect("an end");
            assert_eq!(client.read(&mut early).expect("an end"), 0);
            exchange(&mut client, &mut peer, b"behind the end");
        }
    }

    /// As in gost: the port is here, also where connections go through a chain.
    fn a_chain_makes_no_difference(ginnel: &Program) {
        let node = ginnel.serve(&["-L", "socks5+ws://127.0.0.1:0?bind=true"]);
        let node = format!("socks5+ws://{}", node.addr());
        let server = ginnel.serve(&["-L", "socks5://127.0.0.1:0?bind=true", "-F", &node]);
        let (mut client, code, bound) = bind(server.addr(), any());
        assert_eq!((code, bound.ip()), (0, server.addr().ip()));
        let mut peer = connect(bound);
        assert_eq!(reply(&mut client).0, 0);
        exchange(&mut peer, &mut client, b"from the peer");
        exchange(&mut client, &mut peer, b"from the client");
    }

    fn the_port_goes_with_its_client(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "socks5://127.0.0.1:0?bind=true"]);
        let wanted = free_addr();
        let SocketAddr::V4(v4) = wanted else { panic!("an IPv4 address") };
        let (client, code, bound) = bind(server.addr(), v4);
        assert_eq!((code, bound), (0, wanted));
        let (_, code, _) = bind(server.addr(), v4);
        assert_eq!(code, 1, "it is taken");
        drop(client);
        server.wait_for_count(" >< ", 2);
        check::until_closed(wanted);
    }

    /// An address that is not of this machine is that of whoever is to come.
    fn only_who_was_named_may_come(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "socks5://127.0.0.1:0?bind=true"]);
        let (mut client, code, bound) = bind(server.addr(), "192.0.2.7:21".parse().expect("an address"));
        assert_eq!((code, bound.ip()), (0, server.addr().ip()));
        let mut stranger = connect(bound);
        assert!(!matches!(stranger.read(&mut [0]), Ok(n) if n > 0), "let in");
        client.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        assert!(client.read(&mut [0]).is_err(), "told of a stranger");
    }

    fn bind_has_to_be_allowed(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "socks5://127.0.0.1:0?udp=true"]);
        let (_, code, _) = bind(server.addr(), any());
        assert_eq!(code, 2);
        server.wait_for_line(&["BIND", "needs bind=true"]);
    }
}
