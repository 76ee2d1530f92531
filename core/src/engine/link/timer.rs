//! The deadlines of a link: a handshake's, its closing's, and those of its layers.

use super::Closing;
use crate::buffer::Rope;
use crate::engine::{Engine, Key, LinkId};
use crate::error::{Cause, Fail};
use crate::layer::{AnyLayer, Io, Layer};

impl Engine {
    pub(in crate::engine) fn link_timer(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let layers = link.layers.iter().filter_map(Layer::next_timeout).min();
        let at = match (link.deadline, layers) {
            (Some(a), Some(b)) if link.closing.is_none() => Some(a.min(b)),
            (Some(a), _) => Some(a),
            (None, b) => b,
        };
        self.timers.arm(Key::Link(id), &mut link.armed, at);
    }

    pub(in crate::engine) fn link_timeout(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.armed = None;
        if link.deadline.is_some_and(|deadline| deadline <= self.now) {
            link.deadline = None;
            if link.closing.is_some() {
                let reset = !link.out.is_empty() || link.closing == Some(Closing::Reset);
                return self.remove_link(id, reset);
            }
            let fail = Fail::new(Cause::TimedOut, "handshake not finished in time");
            return self.link_failed(id, fail);
        }
        for level in 0..link.layers.len() {
            self.layer_timeout(id, level);
        }
        self.link_timer(id);
    }

    fn layer_timeout(&mut self, id: LinkId, level: usize) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        if link.layers[level]
            .next_timeout()
            .is_none_or(|at| at > self.now)
        {
            return;
        }
        self.touch(id);
        let Some(link) = self.links.get(id) else {
            return;
        };
        let listens = self.accepts(link) && self.read_room(link) > 0;
        let mut ups = Vec::new();
        let mut down = Rope::default();
        let Some((link, mut cx)) = self.parts(id) else {
            return;
        };
        let layer = &mut link.layers[level];
        if let AnyLayer::Ws(ws) = layer {
            ws.listens(listens);
        }
        let was_busy = layer.is_busy();
        let mut io = Io {
            up: &mut ups,
            down: &mut down,
        };
        let result = layer.timeout(&mut cx, &mut io);
        let was_busy = was_busy && !layer.is_busy();
        self.sink(id, level, &mut down);
        for up in ups {
            self.rise(id, level + 1, up);
        }
        match result {
            Ok(()) => {
                self.probe_if_in_doubt(id, level);
                if was_busy {
                    self.reread(id);
                }
            }
            Err(fail) => self.link_failed(id, fail),
        }
    }
}
