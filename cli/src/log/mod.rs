//! Log lines in gost's form: JSON or text, one write a line.

mod journal;
mod limit;
mod line;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use time::{OffsetDateTime, UtcOffset};

use self::line::{Field, Form, Named};
use crate::config::model;
use crate::report::{plain, without_numbers};

pub use journal::Journal;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    const ALL: [Self; 6] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Fatal,
    ];

    /// Anything unknown is `info`, as in gost.
    pub fn parse(word: &str) -> Self {
        Self::known(word).unwrap_or(Self::Info)
    }

    /// In any case, as other words of a configuration.
    pub fn known(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        match word.as_str() {
            "warning" => Some(Self::Warn),
            word => Self::ALL.into_iter().find(|level| level.name() == word),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

static THREADS: AtomicU16 = AtomicU16::new(0);

thread_local! {
    static THREAD: u16 = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// Cheap to clone; all clones write to one place.
#[derive(Clone)]
pub struct Logger(Arc<Inner>);

struct Inner {
    /// A [`Level`].
    level: AtomicU8,
    form: Form,
    /// Known only while the process has one thread, so asked for once.
    offset: UtcOffset,
    out: Mutex<Out>,
    /// Front of the connection ids of this process.
    seed: [u8; 6],
}

enum Out {
    Stderr,
    Stdout,
    Nowhere,
    File(File),
    Memory(Arc<Mutex<Vec<u8>>>),
}

impl Logger {
    /// Call it before the first thread is started: the local time zone cannot be read later.
    pub fn new(config: Option<&model::Log>) -> Self {
        let fallback = model::Log::default();
        let config = config.unwrap_or(&fallback);
        let (out, problem) = Out::open(&config.output);
        let logger = Self::with(config, out);
        if let Some(error) = problem {
            let text = format!(
                "log.output {}: {}; using standard error",
                config.output,
                plain(&error)
            );
            logger.warn(&text);
        }
        logger
    }

    /// Writes into a buffer, for tests.
    pub fn memory(config: &model::Log) -> (Self, Arc<Mutex<Vec<u8>>>) {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        (Self::with(config, Out::Memory(buffer.clone())), buffer)
    }

    fn with(config: &model::Log, out: Out) -> Self {
        let started = OffsetDateTime::now_utc().unix_timestamp() as u32;
        let pid = std::process::id() as u16;
        let mut seed = [0; 6];
        seed[..4].copy_from_slice(&started.to_be_bytes());
        seed[4..].copy_from_slice(&pid.to_be_bytes());
        Self(Arc::new(Inner {
            level: AtomicU8::new(Level::parse(&config.level) as u8),
            form: match config.format.as_str() {
                "text" => Form::Text,
                _ => Form::Json,
            },
            offset: UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC),
            out: Mutex::new(out),
            seed,
        }))
    }

    /// Whether lines of this level are written: otherwise they need not be made.
    fn wants(&self, level: Level) -> bool {
        level >= self.level()
    }

    fn level(&self) -> Level {
        let known = Level::ALL.into_iter();
        let number = self.0.level.load(Ordering::Relaxed);
        known
            .rev()
            .find(|level| *level as u8 <= number)
            .unwrap_or(Level::Trace)
    }

    /// From the next line on; `msg` is an `info` line of both levels.
    pub fn set_level(&self, level: Level, msg: Option<&str>) {
        let before = self.level();
        self.0.level.store(level as u8, Ordering::Relaxed);
        if let Some(msg) = msg.filter(|_| before.min(level) <= Level::Info) {
            self.write(Level::Info, &[(msg, &[])]);
        }
    }

    pub fn info(&self, msg: &str) {
        self.say(Level::Info, msg);
    }

    pub fn warn(&self, msg: &str) {
        self.say(Level::Warn, msg);
    }

    pub fn error(&self, msg: &str) {
        self.say(Level::Error, msg);
    }

    pub fn fatal(&self, msg: &str) {
        self.say(Level::Fatal, msg);
    }

    fn say(&self, level: Level, msg: &str) {
        self.log(level, msg, &[]);
    }

    /// One line, if the level is wanted. Fields follow time, level and message.
    fn log(&self, level: Level, msg: &str, fields: &[Named<'_>]) {
        if self.wants(level) {
            self.write(level, &[(msg, fields)]);
        }
    }

    /// Lines of one moment, in one write.
    fn write(&self, level: Level, lines: &[(&str, &[Named<'_>])]) {
        let time = line::stamp(OffsetDateTime::now_utc(), self.0.offset);
        line::with_buffer(|buffer| {
            for (msg, fields) in lines {
                let msg = without_numbers(msg);
                let head = [
                    ("time", Field::Text(&time)),
                    ("level", Field::Text(level.name())),
                    ("msg", Field::Text(&msg)),
                ];
                let fields = head.iter().chain(*fields);
                line::append(buffer, self.0.form, fields);
            }
            let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
            // A log that cannot be written is no reason to stop working.
            let _ = out.write(buffer);
        });
    }

    /// 20 characters that name a connection, from its number. Every thread has an engine of its own,
    /// and each counts from 1: its events are written by its thread, which tells them apart.
    fn sid(&self, no: u64) -> String {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&self.0.seed);
        bytes[6..8].copy_from_slice(&THREAD.with(|thread| *thread).to_be_bytes());
        // 100 bits of them are shown, 5 with each character.
        bytes[8..13].copy_from_slice(&(no << 4).to_be_bytes()[3..]);
        let mut bits = u128::from_be_bytes(bytes);
        let mut sid = String::with_capacity(20);
        for _ in 0..20 {
            bits = bits.rotate_left(5);
            sid.push(char::from(
                b"0123456789abcdefghijklmnopqrstuv"[(bits % 32) as usize],
            ));
        }
        sid
    }
}

impl Out {
    fn open(output: &str) -> (Self, Option<io::Error>) {
        match output {
            "" | "stderr" => (Self::Stderr, None),
            "stdout" => (Self::Stdout, None),
            "none" | "null" => (Self::Nowhere, None),
            path => match open_file(Path::new(path)) {
                Ok(file) => (Self::File(file), None),
                Err(error) => (Self::Stderr, Some(error)),
            },
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stderr => io::stderr().write_all(line),
            Self::Stdout => io::stdout().write_all(line),
            Self::Nowhere => Ok(()),
            Self::File(file) => file.write_all(line),
            Self::Memory(buffer) => {
                buffer
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(line);
                Ok(())
            }
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}
