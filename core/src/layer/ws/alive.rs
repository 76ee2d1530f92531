//! The heartbeat of a websocket, and what the engine has to know for it.

use tungstenite::protocol::frame::coding::Control;

use super::heartbeat::Beat;
use super::{Role, Ws};
use crate::buffer::Rope;
use crate::error::Fail;
use crate::layer::Cx;
use crate::plan::Ping;
use crate::time::Time;

impl Ws {
    /// Says whether the engine withholds input (back-pressure). While it does, silence is no sign
    /// of death, and in place of pings go unsolicited pongs (RFC 6455, 5.5.3) to a peer that may wait for
    /// ours. Ask for [`Layer::next_timeout`] again afterwards.
    ///
    /// [`Layer::next_timeout`]: crate::layer::Layer::next_timeout
    pub fn pause(&mut self, paused: bool, now: Time) {
        if self.heartbeat.is_paused() != paused {
            self.heartbeat.pause(paused, now);
        }
    }

    /// To be told before a deadline: whether what comes would be read now.
    pub fn listens(&mut self, listens: bool) {
        self.heartbeat.listens(listens);
    }

    /// How the peer is asked for signs of life; `None` while it is not.
    pub fn ping(&self) -> Option<Ping> {
        self.heartbeat.beats()
    }

    /// Asks the peer for a sign of life now, if it is not asked already.
    pub fn ask(&mut self, cx: &mut Cx, down: &mut Rope) {
        if let Some(number) = self.heartbeat.ask(cx.now) {
            self.control(cx, Control::Ping, &number, down);
        }
    }

    /// Said once at a deadline: a ping has no answer, but the peer may stall behind what was sent before it.
    /// Whoever knows the transport to be dead fails it with [`Self::dead`].
    pub fn take_doubt(&mut self) -> bool {
        self.heartbeat.take_doubt()
    }

    /// Whether a peer in doubt has been silent for longer than anybody who merely stalls may be, if nothing shows
    /// that it does.
    pub fn is_over(&self, now: Time) -> bool {
        self.heartbeat.is_over(now)
    }

    /// Why a peer that does not answer is given up.
    pub fn dead(&self, now: Time) -> Fail {
        Fail::silence(self.heartbeat.silence(now))
    }

    /// Whether the peer may give us up while we do not read its pings. A client that was never pinged stays
    /// silent: a server that has sent all and closed answers anything with a reset, and the rest of what it
    /// sent, still on its way, is lost.
    fn is_missed(&self) -> bool {
        self.heartbeat.is_pinged() || matches!(self.role, Role::Server(_))
    }

    pub(super) fn beat(&mut self, cx: &mut Cx, down: &mut Rope) -> Result<(), Fail> {
        match self.heartbeat.beat(cx.now) {
            Beat::None | Beat::Doubt => {}
            Beat::Ping(number) => self.control(cx, Control::Ping, &number, down),
            Beat::Pong if self.is_missed() => self.control(cx, Control::Pong, &[], down),
            Beat::Pong => {}
            Beat::Dead(silence) => {
                self.close(cx, 1011, "no answer to a ping", down);
                self.over(cx);
                return Err(Fail::silence(silence));
            }
        }
        Ok(())
    }
}
