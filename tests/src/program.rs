//! The programs under test, as processes.

// A test waits for a real process: it owns a clock.
#![allow(clippy::disallowed_methods)]

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Time to start, to stop and to write an expected log line.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Smol,
    Mio,
}

impl Runtime {
    pub fn name(self) -> &'static str {
        match self {
            Self::Smol => "smol",
            Self::Mio => "mio",
        }
    }
}

/// Something that understands gost's command line.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    runtime: Option<Runtime>,
    name: String,
    vars: Vec<(&'static str, &'static str)>,
    /// Its limit of descriptors.
    descriptors: Option<u32>,
}

impl Program {
    /// The product on one of its runtimes: `GINNEL_BIN`, or the program that cargo builds beside
    /// the running test.
    pub fn ginnel(runtime: Runtime) -> Self {
        static PATH: OnceLock<PathBuf> = OnceLock::new();
        let path = PATH.get_or_init(|| match std::env::var_os("GINNEL_BIN") {
            Some(path) => path.into(),
            None => build_ginnel(),
        });
        Self {
            path: path.clone(),
            runtime: Some(runtime),
            name: format!("ginnel/{}", runtime.name()),
            vars: Vec::new(),
            descriptors: None,
        }
    }

    pub fn other(path: PathBuf, name: &str) -> Self {
        Self {
            path,
            runtime: None,
            name: name.to_owned(),
            vars: Vec::new(),
            descriptors: None,
        }
    }

    /// The same with one more variable in its environment.
    pub fn var(&self, name: &'static str, value: &'static str) -> Self {
        let mut program = self.clone();
        program.vars.push((name, value));
        program
    }

    /// The same with so many descriptors at most.
    pub fn descriptors(&self, most: u32) -> Self {
        let mut program = self.clone();
        program.descriptors = Some(most);
        program
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts it and waits until every service listens: one for each `-L`.
    pub fn serve(&self, args: &[impl AsRef<str>]) -> Proc {
        let services = args.iter().filter(|a| a.as_ref() == "-L").count();
        let proc = self.spawn(args, &[]);
        proc.wait_for_services(services);
        proc
    }

    /// Starts it on a configuration file and waits for the given number of services.
    pub fn serve_file(&self, text: &str, services: usize) -> Proc {
        let proc = self.spawn(&["-C", "gost.yml"], &[("gost.yml", text)]);
        proc.wait_for_services(services);
        proc
    }

    /// Starts it in an empty folder of its own, which also is its home, holding `files`.
    pub fn spawn(&self, args: &[impl AsRef<str>], files: &[(&str, &str)]) -> Proc {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        let dir = Folder::new();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).expect("a file for the program");
        }
        let mut command = match self.descriptors {
            None => Command::new(&self.path),
            Some(most) => {
                let mut shell = Command::new("/bin/sh");
                let script = format!("ulimit -n {most} && exec \"$0\" \"$@\"");
                shell.args(["-c", &script]).arg(&self.path);
                shell
            }
        };
        command
            .args(&args)
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .envs(self.vars.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(runtime) = self.runtime {
            command.env("GINNEL_RUNTIME", runtime.name());
        }
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", self.path.display()));
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().expect("piped");
        let writer = log.clone();
        std::thread::spawn(move || writer.collect(stderr));
        Proc {
            child,
            log,
            title: format!("{} {}", self.name, args.join(" ")),
            dir,
        }
    }
}

/// A running program. It is killed when dropped; if the test failed, its log is printed.
pub struct Proc {
    child: Child,
    log: Arc<Log>,
    title: String,
    dir: Folder,
}

impl Proc {
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

/// A folder that goes when it is dropped.
pub struct Folder(PathBuf);

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let no = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ginnel-tests-{}-{no}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `target/debug` or `target/release`, wherever the running test or program was built.
pub fn build_dir() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this program");
    let dir = this.parent().expect("a folder");
    match dir.ends_with("deps") {
        true => dir.parent().expect("target/profile").to_owned(),
        false => dir.to_owned(),
    }
}

/// Always asks cargo: a program left over from an earlier build would test nothing. Asking costs a
/// fraction of a second when it is up to date.
fn build_ginnel() -> PathBuf {
    let dir = build_dir();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "-p", "ginnel", "--bin", "ginnel"])
        .arg("--target-dir")
        .arg(dir.parent().expect("target"))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if dir.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("cargo");
    assert!(status.success(), "cargo build -p ginnel: {status}");
    dir.join("ginnel")
}
