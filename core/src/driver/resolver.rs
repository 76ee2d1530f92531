//! Name resolution off the loop: a few threads that ask the system.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::unresolved;
use crate::engine::QueryId;
use crate::error::{Cause, Fail};

const THREADS: usize = 4;

pub type Answer = (QueryId, Result<Vec<SocketAddr>, Fail>);

type Question = (QueryId, String, u16);
type Tell = Arc<dyn Fn(Answer) + Send + Sync>;

/// Threads are started with the first question.
pub struct Resolver {
    questions: Option<Sender<Question>>,
    tell: Tell,
}

impl Resolver {
    /// `tell` takes the answers, on another thread.
    pub fn new(tell: impl Fn(Answer) + Send + Sync + 'static) -> Self {
        Self {
            questions: None,
            tell: Arc::new(tell),
        }
    }

    pub fn ask(&mut self, query: QueryId, host: String, port: u16) {
        if self.questions.is_none() {
            self.questions = self.start().ok();
        }
        let sent = self
            .questions
            .as_ref()
            .is_some_and(|questions| questions.send((query, host, port)).is_ok());
        if !sent {
            let fail = Fail::new(Cause::Limit, "no thread to resolve names");
            (self.tell)((query, Err(fail)));
        }
    }

    fn start(&self) -> io::Result<Sender<Question>> {
        let (questions, queue) = channel::<Question>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..THREADS {
            let queue = queue.clone();
            let tell = self.tell.clone();
            thread::Builder::new()
                .name("resolver".to_owned())
                .spawn(move || {
                    loop {
                        let Ok(queue) = queue.lock() else { return };
                        let Ok((query, host, port)) = queue.recv() else {
                            return;
                        };
                        drop(queue);
                        tell((query, resolve(&host, port)));
                    }
                })?;
        }
        Ok(questions)
    }
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Fail> {
    match (host, port).to_socket_addrs() {
        Ok(addrs) => Ok(addrs.collect()),
        // That of a link-local address: nobody is asked for it.
        Err(_) if host.contains('%') => {
            let (ip, zone) = host.split_once('%').unwrap_or_default();
            let text = format!("[{ip}%{zone}]: this machine has no interface {zone}");
            Err(Fail::new(Cause::NameNotFound, text))
        }
        Err(error) => Err(unresolved(host, &error)),
    }
}
