//! Groups of arguments separated by `--`: one process each, ended together.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;
use std::{env, thread};

use rustix::process::{self, Pid, Signal, WaitId, WaitIdOptions};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::signals;

/// After one has failed: how long it may take until the next one has ended.
const GRACE: Duration = Duration::from_secs(10);

enum Event {
    Signal(Signal),
    Ended(usize),
}

/// Set for each worker; gost's name.
const INDEX: &str = "_GOST_ID";

/// Whether a parent starts and ends this process.
pub fn is_worker() -> bool {
    env::var_os(INDEX).is_some()
}

/// Runs one worker for each group until all have ended. The first that fails ends the others, and
/// its status is the result.
pub fn run(groups: &[Vec<String>]) -> io::Result<u8> {
    let (sender, events) = mpsc::channel();
    for (number, signal) in [
        (SIGTERM, Signal::TERM),
        (SIGINT, Signal::INT),
        (SIGHUP, Signal::HUP),
    ] {
        watch_signal(number, signal, sender.clone())?;
    }
    let mut workers = Workers::default();
    for (index, group) in groups.iter().enumerate() {
        if let Err(error) = workers.start(index, group, &sender) {
            workers.signal(Signal::TERM);
            return Err(error);
        }
    }
    let mut failed = None;
    let mut asked = Vec::new();
    while workers.running() {
        let event = match failed {
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => events.recv_timeout(GRACE),
        };
        match event {
            Ok(Event::Signal(signal)) => {
                if signal != Signal::HUP && asked.iter().any(|one| *one != SIGHUP) {
                    // The second one: nobody waits for connections any more.
                    failed = u8::try_from(signals::status(signal.as_raw())).ok();
                    workers.signal(Signal::QUIT);
                    continue;
                }
                if !asked.contains(&signal.as_raw()) {
                    asked.push(signal.as_raw());
                }
                workers.signal(signal);
            }
            Ok(Event::Ended(index)) => {
                let status = workers.end(index)?;
                // It was asked to end before it could listen to that: no failure.
                let early = status
                    .signal()
                    .is_some_and(|number| asked.contains(&number));
                let code = if early { 0 } else { code(status) };
                if code != 0 && failed.is_none() {
                    failed = Some(code);
                    workers.signal(Signal::TERM);
                }
            }
            Err(_) => workers.signal(Signal::KILL),
        }
    }
    Ok(failed.unwrap_or(0))
}

#[derive(Default)]
struct Workers(Vec<Option<Child>>);

impl Workers {
    fn start(&mut self, index: usize, group: &[String], sender: &Sender<Event>) -> io::Result<()> {
        let child = Command::new(env::current_exe()?)
            .args(group)
            .env(INDEX, index.to_string())
            .stdin(Stdio::null())
            .spawn()?;
        let pid = Pid::from_child(&child);
        self.0.push(Some(child));
        let sender = sender.clone();
        thread::Builder::new().spawn(move || {
            // It is not reaped here, so that its number stays its own until it is known to be gone.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(error) = process::waitid(WaitId::Pid(pid), options) {
                if error != rustix::io::Errno::INTR {
                    break;
                }
            }
            let _ = sender.send(Event::Ended(index));
        })?;
        Ok(())
    }

    fn running(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    fn end(&mut self, index: usize) -> io::Result<ExitStatus> {
        match self.0[index].take() {
            Some(mut child) => child.wait(),
            None => Ok(ExitStatus::default()),
        }
    }

    fn signal(&self, signal: Signal) {
        for child in self.0.iter().flatten() {
            // One that has just ended needs none.
            let _ = process::kill_process(Pid::from_child(child), signal);
        }
    }
}

fn watch_signal(number: i32, signal: Signal, sender: Sender<Event>) -> io::Result<()> {
    let (mut stream, notify) = UnixStream::pair()?;
    pipe::register(number, notify)?;
    thread::Builder::new().spawn(move || {
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() && sender.send(Event::Signal(signal)).is_ok() {}
    })?;
    Ok(())
}

/// As a shell has it.
fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(1)
}
