//! Running programs, and what they write.

// A test waits for a real process: it owns a clock.
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::folder::Folder;

/// Time to start, to stop and to write an expected log line.
const DEADLINE: Duration = Duration::from_secs(20);

/// A running program. It is killed when dropped; if the test failed, its log is printed.
pub struct Proc {
    child: Child,
    log: Arc<Log>,
    title: String,
    dir: Folder,
}

impl Proc {
    /// `child` has a pipe for its log, and runs in `dir`.
    pub(crate) fn new(mut child: Child, title: String, dir: Folder) -> Self {
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().expect("piped");
        let writer = log.clone();
        std::thread::spawn(move || writer.collect(stderr));
        Self {
            child,
            log,
            title,
            dir,
        }
    }

    /// Where the first service listens, as an address to connect to.
    pub fn addr(&self) -> SocketAddr {
        self.service(0)
    }

    /// Where `service-N` listens.
    pub fn service(&self, index: usize) -> SocketAddr {
        self.named(&format!("service-{index}"))
    }

    pub fn named(&self, service: &str) -> SocketAddr {
        let lines = self.log.lines.lock().expect("log");
        lines
            .text
            .iter()
            .filter_map(|line| listening(line))
            .find_map(|(name, addr)| (name == service).then_some(addr))
            .unwrap_or_else(|| panic!("{}: no {service} in {:#?}", self.title, lines.text))
    }

    pub fn wait_for_services(&self, count: usize) {
        let ready = |lines: &[String]| lines.iter().filter_map(|l| listening(l)).count() >= count;
        if !self.log.wait(ready) {
            panic!(
                "{}: expected {count} services, got {:#?}",
                self.title,
                self.lines()
            );
        }
    }

    /// Waits for a line holding all of the words and gives it back.
    pub fn wait_for_line(&self, words: &[&str]) -> String {
        let hit = |line: &String| words.iter().all(|word| line.contains(word));
        self.log.wait(|lines| lines.iter().any(hit));
        let lines = self.lines();
        lines
            .iter()
            .find(|line| hit(line))
            .cloned()
            .unwrap_or_else(|| panic!("{}: no line with {words:?} in {lines:#?}", self.title))
    }

    /// How many lines hold this text.
    pub fn count(&self, text: &str) -> usize {
        let lines = self.lines();
        lines.iter().filter(|line| line.contains(text)).count()
    }

    pub fn wait_for_count(&self, text: &str, count: usize) {
        let enough =
            |lines: &[String]| lines.iter().filter(|line| line.contains(text)).count() >= count;
        assert!(
            self.log.wait(enough),
            "{}: expected {count} lines with {text:?} in {:#?}",
            self.title,
            self.lines()
        );
    }

    /// Where it runs.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Replaces a file there in one step, as an editor would: a file half written is another one.
    pub fn replace(&self, name: &str, text: &str) {
        let path = self.dir().join(name);
        let new = path.with_extension("new");
        std::fs::write(&new, text).expect("a file");
        std::fs::rename(new, path).expect("a file");
    }

    pub fn lines(&self) -> Vec<String> {
        self.log.lines.lock().expect("log").text.clone()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a running process");
    }

    /// Resident memory in bytes; `None` where the system does not tell.
    pub fn resident(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }

    /// Open descriptors; `None` where the system does not tell.
    pub fn descriptors(&self) -> Option<u64> {
        let list = std::fs::read_dir(format!("/proc/{}/fd", self.id())).ok()?;
        Some(list.count() as u64)
    }

    /// Open ends of pipes; `None` where the system does not tell.
    pub fn pipes(&self) -> Option<usize> {
        let list = std::fs::read_dir(format!("/proc/{}/fd", self.id())).ok()?;
        let targets = list.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        let pipe = |target: &PathBuf| target.to_string_lossy().starts_with("pipe:");
        Some(targets.filter(pipe).count())
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end and gives back the status and the whole log.
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        if !self.log.wait_for_end() {
            panic!("{}: still running", self.title);
        }
        let status = self.child.wait().expect("a child");
        (status, self.lines())
    }

    /// Ends it at once, as a crash would.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let lines = self.lines();
            let skipped = lines.len().saturating_sub(25);
            eprintln!("--- {} ({skipped} lines before)", self.title);
            for line in &lines[skipped..] {
                eprintln!("{line}");
            }
        }
    }
}

/// The service and address of a `listening on ADDRESS/tcp` line; a wildcard becomes the loopback.
fn listening(line: &str) -> Option<(String, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let addr = line["msg"].as_str()?.strip_prefix("listening on ")?;
    let addr = addr.split('/').next()?;
    let mut addr: SocketAddr = addr.parse().ok()?;
    if addr.ip().is_unspecified() {
        addr.set_ip([127, 0, 0, 1].into());
    }
    Some((line["service"].as_str()?.to_owned(), addr))
}

#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    grown: Condvar,
}

#[derive(Default)]
struct Lines {
    text: Vec<String>,
    ended: bool,
}

impl Log {
    fn collect(&self, stderr: impl Read) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            self.lines.lock().expect("log").text.push(line);
            self.grown.notify_all();
        }
        self.lines.lock().expect("log").ended = true;
        self.grown.notify_all();
    }

    /// Whether the condition came true before the deadline and the end of the log.
    fn wait(&self, done: impl Fn(&[String]) -> bool) -> bool {
        self.until(|lines| done(&lines.text) || lines.ended);
        done(&self.lines.lock().expect("log").text)
    }

    fn wait_for_end(&self) -> bool {
        self.until(|lines| lines.ended)
    }

    fn until(&self, done: impl Fn(&Lines) -> bool) -> bool {
        let deadline = Instant::now() + DEADLINE;
        let mut lines = self.lines.lock().expect("log");
        while !done(&lines) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            lines = self.grown.wait_timeout(lines, left).expect("log").0;
        }
        true
    }
}
