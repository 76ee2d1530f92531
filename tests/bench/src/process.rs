//! Processes that are measured, and what Linux tells about them.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::process::{Resource, getrlimit, setrlimit};

/// A child that does not outlive this process, however that ends.
pub struct Process(Child);

impl Process {
    /// In the main thread only: the child ends with the thread that started it.
    pub fn start(command: &[String], dir: &Path) -> io::Result<Self> {
        let child = tied(command)
            .env("HOME", dir)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Seconds on a processor of all its threads. Threads that have ended are missing.
    pub fn cpu(&self) -> Option<f64> {
        let threads = self.threads().ok()?;
        let nanoseconds = threads.iter().filter_map(|thread| {
            let text = fs::read_to_string(thread.join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        });
        Some(nanoseconds.sum::<f64>() / 1e9)
    }

    /// How often its threads waited for something.
    pub fn sleeps(&self) -> Option<f64> {
        let threads = self.threads().ok()?;
        let counts = threads.iter().filter_map(|thread| {
            let text = fs::read_to_string(thread.join("status")).ok()?;
            status(&text, "voluntary_ctxt_switches:")
        });
        Some(counts.sum())
    }

    /// Resident bytes.
    pub fn memory(&self) -> Option<f64> {
        let text = fs::read_to_string(self.proc().join("status")).ok()?;
        Some(status(&text, "VmRSS:")? * 1024.0)
    }

    fn threads(&self) -> io::Result<Vec<PathBuf>> {
        let tasks = fs::read_dir(self.proc().join("task"))?;
        tasks.map(|task| Ok(task?.path())).collect()
    }

    fn proc(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.0.id()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn status(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Counts the system calls of a process with `perf`, where that is there and allowed.
pub struct Calls {
    perf: Process,
    /// Its end ends the count.
    hold: Option<ChildStdin>,
    counted: PathBuf,
}

impl Calls {
    /// `None` where they cannot be counted. They are from here on otherwise.
    pub fn count(process: &Process, dir: &Path) -> Option<Self> {
        let id = process.0.id();
        let counted = dir.join(format!("calls-{id}"));
        let words = [
            "perf",
            "stat",
            "-x,",
            "-e",
            "raw_syscalls:sys_enter",
            "-o",
            counted.to_str()?,
            "-p",
            &id.to_string(),
            "--",
            "sh",
            "-c",
            // It is started when the counter runs.
            "echo; read end",
        ]
        .map(str::to_owned);
        let mut child = tied(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (hold, ready) = (child.stdin.take(), child.stdout.take()?);
        let perf = Process(child);
        let begun = BufReader::new(ready).read_line(&mut String::new()).ok()? > 0;
        begun.then_some(Self {
            perf,
            hold,
            counted,
        })
    }

    pub fn end(mut self) -> Option<f64> {
        drop(self.hold.take());
        self.perf.0.wait().ok()?;
        let text = fs::read_to_string(&self.counted).ok()?;
        let line = text.lines().find(|line| line.contains("sys_enter"))?;
        line.split(',').next()?.parse().ok()
    }
}

/// `setpriv` of util-linux makes the system end the child with its parent.
fn tied(words: &[String]) -> Command {
    let (program, args) = words.split_first().expect("a program");
    let mut command = match Command::new("setpriv").arg("--version").output() {
        Ok(_) => {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        Err(_) => Command::new(program),
    };
    command.args(args);
    command
}

/// Both ends of all connections but those between the tunnels are ours; the children inherit it.
pub fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        eprintln!("the limit of descriptors stays: {error}");
    }
}
