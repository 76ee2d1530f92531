//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::peer::CHANNELS;

pub const HELP: &str = "\
cargo run --release -p ginnel-bench -- [FLAGS]

  --peers FILE       more programs to measure, as in tests/bench/peers.yml
  --only A,B         only programs of these names
  --base NAME        the program that the others are compared with; the first one otherwise
  --channels ws,mws  of ws, wss, mws, mwss; all otherwise
  --rounds N         3 otherwise; the figures are medians
  --seconds S        of each figure that takes time, 1 otherwise
  --connections N    that lie idle for the memory figures, 500 otherwise
  --no-gost          without the gosts of the tests, which need Go
  --crowd N          instead of all this, N idle ws tunnels through one server: memory, and a new one's time
  --pin              the load on the first processor, the tunnels on the others
  --quick            one round and little of everything, to see that it works
";

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Size {
    /// Of each figure that takes time.
    pub time: Duration,
    /// Idle ones.
    pub connections: usize,
    /// New ones, at most.
    pub opened: usize,
    /// Before memory is looked at.
    pub settle: Duration,
    /// For the count of system calls.
    pub counted: u64,
}

#[derive(Clone, Debug)]
pub struct Args {
    pub peers: Option<PathBuf>,
    pub only: Vec<String>,
    pub base: Option<String>,
    pub channels: Vec<String>,
    pub rounds: usize,
    pub gost: bool,
    pub pin: bool,
    pub crowd: Option<usize>,
    pub size: Size,
}

const FULL: Size = Size {
    time: Duration::from_secs(1),
    connections: 500,
    opened: 2000,
    settle: Duration::from_secs(2),
    counted: 256 << 20,
};

const QUICK: Size = Size {
    time: Duration::from_millis(100),
    connections: 16,
    opened: 64,
    settle: Duration::from_millis(50),
    counted: 4 << 20,
};

impl Args {
    /// `None`: help is asked for.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let mut parsed = Self {
            peers: None,
            only: Vec::new(),
            base: None,
            channels: CHANNELS.map(str::to_owned).to_vec(),
            rounds: 3,
            gost: true,
            pin: false,
            crowd: None,
            size: FULL,
        };
        let mut quick = false;
        let (mut seconds, mut connections, mut rounds) = (None, None, None);
        let mut args = args.into_iter();
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{flag} needs a value"));
            match flag.as_str() {
                "--peers" => parsed.peers = Some(value()?.into()),
                "--only" => parsed.only = list(&value()?),
                "--base" => parsed.base = Some(value()?),
                "--channels" => parsed.channels = list(&value()?),
                "--rounds" => rounds = Some(number(&flag, &value()?)?),
                "--seconds" => seconds = Some(number(&flag, &value()?)?),
                "--connections" => connections = Some(number(&flag, &value()?)?),
                "--no-gost" => parsed.gost = false,
                "--crowd" => parsed.crowd = Some(number::<usize>(&flag, &value()?)?.max(1)),
                "--pin" => parsed.pin = true,
                "--quick" => quick = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{flag}: no such flag\n{HELP}")),
            }
        }
        if quick {
            parsed.size = QUICK;
            parsed.rounds = 1;
        }
        if let Some(seconds) = seconds {
            parsed.size.time = Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|time| !time.is_zero() && *time <= Duration::from_secs(60))
                .ok_or("--seconds: expected a time of at most 60 seconds")?;
        }
        parsed.size.connections = connections.unwrap_or(parsed.size.connections).max(1);
        parsed.rounds = rounds.unwrap_or(parsed.rounds).max(1);
        for channel in &parsed.channels {
            if !CHANNELS.contains(&channel.as_str()) {
                return Err(format!(
                    "--channels: expected some of {CHANNELS:?}, got {channel:?}"
                ));
            }
        }
        Ok(Some(parsed))
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

fn number<T: std::str::FromStr>(flag: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{flag}: expected a number, got {text:?}"))
}
