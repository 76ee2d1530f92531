//! The programs under test, and how they are started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::folder::Folder;
use crate::process::Proc;

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
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", self.path.display()));
        Proc::new(child, format!("{} {}", self.name, args.join(" ")), dir)
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
