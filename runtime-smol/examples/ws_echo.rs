//! A websocket server that echoes text as text and binary as binary.
//!
//! ```sh
//! cargo run -p ginnel-smol --example ws_echo -- 127.0.0.1:9001 --deflate
//! ```

mod socket;

use std::net::{SocketAddr, TcpListener};

use async_io::Async;
use ginnel_core::message::{Connection, Deflate};
use smol::LocalExecutor;

use self::socket::Socket;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (addr, deflate) = match &args[..] {
        [addr] => (addr, None),
        [addr, flag] if flag == "--deflate" => (addr, Some(Deflate::with_takeover())),
        _ => return Err("usage: ws_echo ADDR [--deflate]".into()),
    };
    let listener = Async::<TcpListener>::bind(addr.parse::<SocketAddr>()?)?;
    println!("listening on {}", listener.get_ref().local_addr()?);

    let thread = socket::thread()?;
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        loop {
            let (io, peer) = listener.accept().await?;
            let connection = Connection::server(deflate);
            let mut socket = Socket::new(io, connection, &thread)?;
            let serve = async move {
                if let Err(error) = socket.echo().await {
                    eprintln!("{peer}: {error}");
                }
            };
            executor.spawn(serve).detach();
        }
    }))
}
