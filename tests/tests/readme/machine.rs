//! What the commands of one example run on.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use ginnel_tests::check::Targets;
use ginnel_tests::target::free_addr;
use ginnel_tests::{Folder, Proc, Program, certificate};

use crate::commands::CERTIFICATE;
use crate::text::words;

/// What the commands of one example run on: free ports for the printed ones, and a certificate.
pub(crate) struct Machine<'a> {
    ginnel: &'a Program,
    ports: RefCell<HashMap<String, u16>>,
    certificate: (String, String),
}

impl<'a> Machine<'a> {
    pub(crate) fn new(ginnel: &'a Program, targets: &Targets) -> Self {
        let ssh = ("22".to_owned(), targets.work.addr.port());
        let certificate = certificate().unwrap_or_else(|| {
            let made = certificate::localhost();
            (made.cert, made.key)
        });
        Self {
            ginnel,
            ports: RefCell::new(HashMap::from([ssh])),
            certificate,
        }
    }

    /// `localhost` for `example.com`, and for every printed port always the same free one.
    pub(crate) fn local(&self, text: &str) -> String {
        let text = text.replace("example.com", "localhost");
        let mut pieces = text.split(':');
        let mut out = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let end = piece.find(|c: char| !c.is_ascii_digit());
            let (digits, rest) = piece.split_at(end.unwrap_or(piece.len()));
            out.push(':');
            match digits {
                "" | "0" => out += digits,
                // An address, not a port.
                _ if rest.starts_with('.') => out += digits,
                _ => {
                    let mut ports = self.ports.borrow_mut();
                    let free = || free_addr().port();
                    let port = ports.entry(digits.to_owned()).or_insert_with(free);
                    out += &port.to_string();
                }
            }
            out += rest;
        }
        out
    }

    pub(crate) fn serve(&self, args: &[&str]) -> Proc {
        self.serve_with(self.ginnel, args)
    }

    pub(crate) fn serve_with(&self, program: &Program, args: &[&str]) -> Proc {
        let args: Vec<String> = args.iter().map(|arg| self.local(arg)).collect();
        let proc = program.spawn(&args, &self.files());
        proc.wait_for_services(args.iter().filter(|arg| *arg == "-L").count());
        proc
    }

    pub(crate) fn start(&self, args: &[&str], files: &[(&str, &str)]) -> Proc {
        let mut all = self.files();
        all.extend(files);
        self.ginnel.spawn(args, &all)
    }

    fn files(&self) -> Vec<(&str, &str)> {
        let (certificate, key) = &self.certificate;
        vec![("cert.pem", certificate), ("key.pem", key)]
    }
}

/// What the README's command makes, for `localhost`. `None` without openssl.
pub(crate) fn certificate() -> Option<(String, String)> {
    static MADE: OnceLock<Option<(String, String)>> = OnceLock::new();
    let make = || {
        if !is_here("openssl") {
            return None;
        }
        let dir = Folder::new();
        let line = CERTIFICATE.replace("example.com", "localhost");
        let status = program("openssl", &words(&line)[1..], Some(&dir)).status();
        assert!(status.expect("openssl").success(), "{line}");
        let file = |name| fs::read_to_string(dir.path().join(name)).expect(name);
        Some((file("cert.pem"), file("key.pem")))
    };
    MADE.get_or_init(make).clone()
}

pub(crate) fn program(name: &str, args: &[String], dir: Option<&Folder>) -> Command {
    let mut command = Command::new(name);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(dir) = dir {
        command.current_dir(dir.path());
    }
    command
}

pub(crate) fn is_here(name: &str) -> bool {
    find(name).is_some()
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Where Debian keeps nginx, for root only.
    folders.push("/usr/sbin".into());
    let mut files = folders.iter().map(|folder| folder.join(name));
    files.find(|file| file.is_file())
}

/// An nginx with TLS in front of one location.
pub(crate) fn nginx(machine: &Machine, addr: &str, location: &str) -> Proc {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {kind};\n"))
        .concat();
    // One process: what is killed at the end of the test leaves no workers behind.
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr notice;\n\
         events {{}}\n\
         http {{\naccess_log off;\n{temporary}\
         server {{\nlisten {addr} ssl;\nssl_certificate cert.pem;\nssl_certificate_key key.pem;\n\
         {location}}}\n}}\n"
    );
    let mut files = machine.files();
    files.push(("nginx.conf", &config));
    let path = find("nginx").expect("nginx");
    let args = ["-e", "stderr", "-p", ".", "-c", "nginx.conf"];
    let nginx = Program::other(path, "nginx").spawn(&args, &files);
    // Written when it listens already.
    nginx.wait_for_line(&["event method"]);
    nginx
}
