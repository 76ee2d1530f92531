//! The door of a websocket listener that looks like a web site: by the head of the first request it sees who
//! comes in. Then the layer is taken away, and with it the websocket layer if a stranger came.

use std::sync::Arc;

use bytes::BytesMut;

use super::upgrade::{head_limits, is_upgrade};
use super::{Cx, Found, Info, Io, Layer, Up};
use crate::error::{Cause, Eof, Fail};
use crate::plan::WsServer;
use crate::time::Time;
use crate::wire::http1::{HeadSearch, Request};

#[derive(Debug)]
pub struct UpgradeOrSite {
    ws: Arc<WsServer>,
    search: HeadSearch,
    rest: BytesMut,
    /// By when the head must be complete.
    head_by: Option<Time>,
}

impl UpgradeOrSite {
    pub fn new(ws: Arc<WsServer>) -> Self {
        Self {
            ws,
            search: HeadSearch::default(),
            rest: BytesMut::new(),
            head_by: None,
        }
    }

    /// `None`: the head is not complete.
    fn judge(&mut self, cx: &Cx) -> Option<Found> {
        // Whoever speaks another protocol gets the answer that the site has for that.
        if !self.rest.first()?.is_ascii_alphabetic() {
            return Some(Found::Stranger);
        }
        let limits = head_limits(cx.limits);
        let len = match self.search.find(&self.rest, limits) {
            Ok(found) => found?,
            Err(_) => return Some(Found::Stranger),
        };
        Some(match Request::parse(&self.rest[..len], limits) {
            Ok(request) if is_upgrade(&self.ws, &request) => Found::Upgrade,
            _ => Found::Stranger,
        })
    }
}

impl Layer for UpgradeOrSite {
    fn start(&mut self, cx: &mut Cx, _io: &mut Io) -> Result<(), Fail> {
        let timeout = self.ws.read_header_timeout;
        self.head_by = (!timeout.is_zero()).then(|| cx.now + timeout);
        Ok(())
    }

    fn recv(&mut self, cx: &mut Cx, wire: BytesMut, io: &mut Io) -> Result<(), Fail> {
        // Copied: an incomplete head would pin its receive buffer.
        self.rest.extend_from_slice(&wire);
        if let Some(found) = self.judge(cx) {
            self.head_by = None;
            io.up.push(Up::Ready(Info {
                found: Some(found),
                ..Info::default()
            }));
            io.up.push(Up::Data(std::mem::take(&mut self.rest)));
        }
        Ok(())
    }

    fn lower_end(&mut self, _cx: &mut Cx, _how: Eof, _io: &mut Io) -> Result<(), Fail> {
        self.head_by = None;
        let n = self.rest.len();
        Err(Fail::new(
            Cause::Closed,
            format!("closed after {n} bytes of an HTTP request head"),
        ))
    }

    fn timeout(&mut self, cx: &mut Cx, _io: &mut Io) -> Result<(), Fail> {
        if self.head_by.is_none_or(|by| by > cx.now) {
            return Ok(());
        }
        self.head_by = None;
        Err(Fail::new(
            Cause::TimedOut,
            "the time for a request head passed",
        ))
    }

    fn next_timeout(&self) -> Option<Time> {
        self.head_by
    }

    fn held(&self) -> usize {
        self.rest.len()
    }
}
