//! The programs that are compared.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use ginnel_tests::Runtime;
use ginnel_tests::gost::{self, NEWEST, STABLE};
use ginnel_tests::program::Program;
use serde::Deserialize;

use crate::args::Args;

pub const CHANNELS: [&str; 4] = ["ws", "wss", "mws", "mwss"];

/// A pair of command lines, with places for ports.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    pub name: String,
    pub server: String,
    pub client: String,
    #[serde(default = "every_channel")]
    channels: Vec<String>,
    #[serde(default)]
    pub entry: Kind,
}

/// How the client's port is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Socks5,
    Tcp,
}

impl Peer {
    pub fn has(&self, channel: &str) -> bool {
        self.channels.iter().any(|one| one == channel)
    }

    /// Programs that understand gost's command line.
    fn gost_like(name: &str, program: &Path, flags: &str) -> Self {
        let program = program.display();
        Self {
            name: name.to_owned(),
            server: format!("{program}{flags} -L relay+{{channel}}://127.0.0.1:{{port}}"),
            client: format!(
                "{program}{flags} -L socks5://127.0.0.1:{{entry}} -F relay+{{channel}}://127.0.0.1:{{port}}"
            ),
            channels: every_channel(),
            entry: Kind::Socks5,
        }
    }
}

fn every_channel() -> Vec<String> {
    CHANNELS.map(str::to_owned).to_vec()
}

/// A command line with its places filled in, in words.
pub fn words(line: &str, channel: &str, port: u16, entry: u16, target: SocketAddr) -> Vec<String> {
    let fill = |word: &str| {
        word.replace("{channel}", channel)
            .replace("{port}", &port.to_string())
            .replace("{entry}", &entry.to_string())
            .replace("{target}", &target.to_string())
    };
    line.split_whitespace().map(fill).collect()
}

/// Ginnel on both runtimes, the gosts, and those of the file.
pub fn all(args: &Args) -> Result<Vec<Peer>, String> {
    let mut peers = Vec::new();
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|one| one == name);
    for runtime in [Runtime::Mio, Runtime::Smol] {
        let program = Program::ginnel(runtime);
        if wanted(program.name()) {
            let flags = format!(" --runtime {}", runtime.name());
            peers.push(Peer::gost_like(program.name(), program.path(), &flags));
        }
    }
    for version in [STABLE, NEWEST] {
        let name = format!("gost/{version}");
        if args.gost
            && wanted(&name)
            && let Some(program) = gost::program(version)
        {
            peers.push(Peer::gost_like(&name, program.path(), ""));
        }
    }
    if let Some(path) = &args.peers {
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
        let more: Vec<Peer> =
            serde_yaml::from_str(&text).map_err(|error| format!("{shown}: {error}"))?;
        peers.extend(more.into_iter().filter(|peer| wanted(&peer.name)));
    }
    match peers.is_empty() {
        true => Err(format!(
            "nothing to measure: none is called {:?}",
            args.only
        )),
        false => Ok(peers),
    }
}
