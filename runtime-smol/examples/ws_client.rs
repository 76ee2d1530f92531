//! Runs the cases of an Autobahn fuzzing server: each is a connection on which everything is echoed.
//!
//! ```sh
//! cargo run -p ginnel-smol --example ws_client -- ws://127.0.0.1:9001 ginnel --deflate
//! ```

mod socket;

use std::io;
use std::net::{TcpStream, ToSocketAddrs};

use async_io::Async;
use ginnel_core::message::{Connection, Deflate, Event};

use self::socket::{Socket, Thread};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (url, agent, deflate) = match &args[..] {
        [url, agent] => (url, agent, None),
        [url, agent, flag] if flag == "--deflate" => (url, agent, Some(Deflate::with_takeover())),
        _ => return Err("usage: ws_client URL AGENT [--deflate]".into()),
    };
    let authority = url.strip_prefix("ws://").ok_or("expected ws://HOST:PORT")?;
    let server = Server {
        authority: authority.trim_end_matches('/'),
        deflate,
        thread: socket::thread()?,
    };
    smol::block_on(server.run(agent))
}

struct Server<'a> {
    authority: &'a str,
    deflate: Option<Deflate>,
    thread: Thread,
}

impl Server<'_> {
    async fn run(&self, agent: &str) -> Result<(), Box<dyn std::error::Error>> {
        let count: usize = self.text("/getCaseCount").await?.trim().parse()?;
        for case in 1..=count {
            let target = format!("/runCase?case={case}&agent={agent}");
            // Most cases end with a failure on purpose.
            if let Err(error) = self.connect(&target).await?.echo().await {
                println!("case {case} of {count}: {error}");
            }
        }
        self.text(&format!("/updateReports?agent={agent}")).await?;
        println!("ran {count} cases");
        Ok(())
    }

    /// What the server says until it closes.
    async fn text(&self, target: &str) -> io::Result<String> {
        let mut socket = self.connect(target).await?;
        let mut text = Vec::new();
        loop {
            match socket.event().await? {
                Event::Data(piece) => text.extend_from_slice(&piece),
                Event::Open | Event::Begin(_) | Event::End => {}
                Event::Failed(fail) => return Err(io::Error::other(fail.text)),
                Event::Closed(..) => {
                    socket.finish().await;
                    return String::from_utf8(text).map_err(io::Error::other);
                }
            }
        }
    }

    async fn connect(&self, target: &str) -> io::Result<Socket> {
        let addr = self.authority.to_socket_addrs()?.next();
        let addr = addr.ok_or_else(|| io::Error::other("no address"))?;
        let io = Async::<TcpStream>::connect(addr).await?;
        let shared = &mut self.thread.borrow_mut().0;
        let connection = Connection::client(self.authority, target, self.deflate, shared)
            .map_err(|fail| io::Error::other(fail.text))?;
        Socket::new(io, connection, &self.thread)
    }
}
