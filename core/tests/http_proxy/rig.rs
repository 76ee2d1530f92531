//! A proxy with a client and an upstream made of buffers, driven as the engine drives it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use ginnel_core::addr::Target;
use ginnel_core::buffer::Rope;
use ginnel_core::error::{Cause, Fail};
use ginnel_core::handler::Cx;
use ginnel_core::handler::http::{Ask, Io, Proxy};
use ginnel_core::limits::Limits;
use ginnel_core::plan::{Handler, HandlerKind, Users};
use ginnel_core::time::Time;

pub(crate) const GET: &str = "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n";

/// What an origin gets for this request.
pub(crate) fn seen(request: &str) -> String {
    let mut rig = Rig::new();
    rig.client(request);
    rig.up()
}

/// What a client gets for this response to this request, and what becomes of the connections.
pub(crate) fn answered(request: &str, response: &str) -> (String, String) {
    let mut rig = Rig::new();
    rig.client(request);
    rig.news();
    rig.upstream(response);
    (rig.down(), rig.news())
}

pub(crate) struct Rig {
    pub(crate) proxy: Proxy,
    pub(crate) handler: Handler,
    pub(crate) limits: Limits,
    pub(crate) now: Time,
    pub(crate) client_rx: BytesMut,
    pub(crate) upstream_rx: BytesMut,
    to_client: Rope,
    to_upstream: Rope,
    /// Results of the next dials; an empty list lets them succeed.
    pub(crate) dials: VecDeque<Result<(), Fail>>,
    news: Vec<String>,
    pub(crate) over: bool,
    /// Dials stay open until `dial_done`.
    pub(crate) slow_dial: bool,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self {
            proxy: Proxy::new(),
            handler: Handler::new(HandlerKind::Http),
            limits: Limits::default(),
            now: Time::ZERO,
            client_rx: BytesMut::new(),
            upstream_rx: BytesMut::new(),
            to_client: Rope::default(),
            to_upstream: Rope::default(),
            dials: VecDeque::new(),
            news: Vec::new(),
            over: false,
            slow_dial: false,
        }
    }

    pub(crate) fn with_user(user: &str, password: &str) -> Self {
        let mut rig = Self::new();
        rig.handler.users = Some(Users(vec![(user.to_owned(), password.to_owned())]));
        rig
    }

    pub(crate) fn failing(cause: Cause) -> Self {
        let mut rig = Self::new();
        rig.dials
            .push_back(Err(Fail::new(cause, "node-0: secret detail")));
        rig
    }

    pub(crate) fn client(&mut self, bytes: impl AsRef<[u8]>) {
        if self.over {
            return;
        }
        self.client_rx.extend_from_slice(bytes.as_ref());
        let first = self.call_client();
        self.drive(first, true);
    }

    pub(crate) fn client_end(&mut self) {
        if self.over {
            return;
        }
        let first = self.call(|proxy, cx, limits, client_rx, _, io| {
            proxy.client_end(cx, limits, client_rx, io)
        });
        self.drive(first, true);
    }

    pub(crate) fn upstream(&mut self, bytes: impl AsRef<[u8]>) {
        if self.over {
            return;
        }
        self.upstream_rx.extend_from_slice(bytes.as_ref());
        let first = self.call(|proxy, cx, limits, _, upstream_rx, io| {
            proxy.upstream(cx, limits, upstream_rx, io)
        });
        self.drive(first, false);
    }

    pub(crate) fn upstream_end(&mut self, how: Result<(), Cause>) {
        if self.over {
            return;
        }
        let how = how.map_err(|cause| Fail::new(cause, "node-0: secret detail"));
        let first =
            self.call(|proxy, cx, _, _, _, io| proxy.upstream_end(cx, how.as_ref().copied(), io));
        self.drive(first, false);
    }

    pub(crate) fn dial_done(&mut self, result: Result<(), Fail>) {
        let first = self.dialed(result);
        self.drive(Ok(first), false);
    }

    pub(crate) fn wait(&mut self, by: Duration) {
        self.now = self.now + by;
        let first = self.call(|proxy, cx, _, _, _, io| proxy.timeout(cx, io));
        self.drive(first, false);
        assert!(self.over || self.proxy.next_timeout().is_none_or(|at| at > self.now));
    }

    /// What the client got since the last call.
    pub(crate) fn down(&mut self) -> String {
        drain(&mut self.to_client)
    }

    /// What the upstream got since the last call.
    pub(crate) fn up(&mut self) -> String {
        drain(&mut self.to_upstream)
    }

    /// What the proxy asked for since the last call, in words.
    pub(crate) fn news(&mut self) -> String {
        std::mem::take(&mut self.news).join(", ")
    }

    /// One whole exchange: asks of the proxy, what the upstream and then the client got.
    pub(crate) fn exchange(&mut self, request: &str, response: &str) -> (String, String, String) {
        self.client(request);
        let up = self.up();
        self.upstream(response);
        (self.news(), up, self.down())
    }

    pub(crate) fn forget(&mut self) {
        self.to_client.clear();
        self.to_upstream.clear();
    }

    pub(crate) fn queued(&self) -> usize {
        self.to_client.len() + self.to_upstream.len()
    }

    fn drive(&mut self, first: Result<Ask, Fail>, from_client: bool) {
        let (mut step, mut from_client) = (first, from_client);
        for _ in 0..10_000 {
            let done = matches!(step, Ok(Ask::More)) && from_client;
            from_client = true;
            match step {
                Ok(Ask::More) => {}
                Ok(Ask::Dial(target)) => {
                    self.dial("dial", &target);
                    if !self.slow_dial {
                        let result = self.dials.pop_front().unwrap_or(Ok(()));
                        step = Ok(self.dialed(result));
                        from_client = false;
                        continue;
                    }
                }
                Ok(Ask::Reach(target)) => {
                    self.dial("reach", &target);
                    let result = self.dials.pop_front().unwrap_or(Ok(()));
                    step = Ok(self.dialed(result));
                    from_client = false;
                    continue;
                }
                Ok(Ask::Upgrade) => {
                    self.news.push("upgrade".into());
                    self.over = true;
                }
                Ok(Ask::Datagrams(framing)) => {
                    self.news.push(format!("datagrams {framing:?}"));
                    step = Ok(self.dialed(Ok(())));
                    from_client = false;
                    continue;
                }
                Ok(Ask::DropUpstream) => {
                    self.news.push("drop".into());
                    self.upstream_rx.clear();
                }
                Ok(Ask::Tunnel) => {
                    self.news.push("tunnel".into());
                    self.over = true;
                }
                Ok(Ask::Close) => {
                    self.news.push("close".into());
                    self.over = true;
                }
                Err(fail) => {
                    let how = if self.proxy.must_reset() {
                        "reset"
                    } else {
                        "end"
                    };
                    self.news.push(format!("{how} {:?}", fail.cause));
                    self.over = true;
                }
            }
            if done || self.over {
                return;
            }
            step = self.call_client();
        }
        panic!("the proxy does not come to rest");
    }

    fn dial(&mut self, how: &str, target: &Target) {
        self.news.push(format!("{how} {target}"));
        self.upstream_rx.clear();
        self.to_upstream.clear();
    }

    fn dialed(&mut self, result: Result<(), Fail>) -> Ask {
        let ask =
            self.call(|proxy, cx, _, _, _, io| Ok(proxy.dialed(cx, result.as_ref().copied(), io)));
        ask.unwrap()
    }

    fn call_client(&mut self) -> Result<Ask, Fail> {
        self.call(|proxy, cx, limits, client_rx, _, io| proxy.client(cx, limits, client_rx, io))
    }

    fn call(
        &mut self,
        f: impl FnOnce(
            &mut Proxy,
            &Cx,
            &Limits,
            &mut BytesMut,
            &mut BytesMut,
            &mut Io,
        ) -> Result<Ask, Fail>,
    ) -> Result<Ask, Fail> {
        let cx = Cx {
            plan: &self.handler,
            remote: ([192, 0, 2, 1], 5000).into(),
            encrypted: false,
            now: self.now,
            forwards: false,
            bound: None,
        };
        let mut io = Io {
            to_client: &mut self.to_client,
            to_upstream: &mut self.to_upstream,
            hidden_logins: Vec::new(),
        };
        f(
            &mut self.proxy,
            &cx,
            &self.limits,
            &mut self.client_rx,
            &mut self.upstream_rx,
            &mut io,
        )
    }
}

fn drain(rope: &mut Rope) -> String {
    let bytes = rope.to_vec();
    rope.clear();
    String::from_utf8_lossy(&bytes).into_owned()
}
