//! Name resolution off the loop: a few threads that ask the system.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use ginnel_core::engine::QueryId;
use ginnel_core::error::{Cause, Fail};
use mio::Waker;

const THREADS: usize = 4;

pub(crate) type Answer = (QueryId, Result<Vec<IpAddr>, Fail>);

type Question = (QueryId, String, u16);

/// Threads are started with the first question.
pub(crate) struct Resolver {
    questions: Option<Sender<Question>>,
    answers: (Sender<Answer>, Receiver<Answer>),
    waker: Arc<Waker>,
}

impl Resolver {
    pub(crate) fn new(waker: Waker) -> Self {
        Self {
            questions: None,
            answers: channel(),
            waker: Arc::new(waker),
        }
    }

    pub(crate) fn ask(&mut self, query: QueryId, host: String, port: u16) {
        if self.questions.is_none() {
            self.questions = self.start().ok();
        }
        let sent = self
            .questions
            .as_ref()
            .is_some_and(|questions| questions.send((query, host, port)).is_ok());
        if !sent {
            let fail = Fail::new(Cause::Limit, "no thread to resolve names");
            let _ = self.answers.0.send((query, Err(fail)));
            let _ = self.waker.wake();
        }
    }

    pub(crate) fn answer(&self) -> Option<Answer> {
        self.answers.1.try_recv().ok()
    }

    fn start(&self) -> io::Result<Sender<Question>> {
        let (questions, queue) = channel::<Question>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..THREADS {
            let queue = queue.clone();
            let answers = self.answers.0.clone();
            let waker = self.waker.clone();
            thread::Builder::new()
                .name("resolver".to_owned())
                .spawn(move || {
                    loop {
                        let Ok(queue) = queue.lock() else { return };
                        let Ok((query, host, port)) = queue.recv() else {
                            return;
                        };
                        drop(queue);
                        let answer = resolve(&host, port);
                        if answers.send((query, answer)).is_err() || waker.wake().is_err() {
                            return;
                        }
                    }
                })?;
        }
        Ok(questions)
    }
}

fn resolve(host: &str, port: u16) -> Result<Vec<IpAddr>, Fail> {
    match (host, port).to_socket_addrs() {
        Ok(addrs) => Ok(addrs.map(|addr| addr.ip()).collect()),
        Err(error) => Err(ginnel_core::driver::unresolved(host, &error)),
    }
}
