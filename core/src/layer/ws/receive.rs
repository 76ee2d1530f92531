//! What comes over an open connection (RFC 6455, 6.2): data for the layer above, control frames, the ends of both
//! directions, and violations.

use std::time::Duration;

use bytes::BytesMut;
use tungstenite::protocol::frame::coding::Control;

use super::close::closed;
use super::{InflationTurn, News, Own, Peer, Stop, Ws};
use crate::buffer::unpin;
use crate::error::{Cause, Fail};
use crate::flood;
use crate::layer::{Cx, Io, Up};
use crate::time::Time;

/// Inflated bytes passed on in one turn. What would be more waits for the next one, in its
/// compressed form, so that a small input cannot fill the memory.
const INFLATED: usize = 1024 * 1024;

/// Until the next turn of inflation: long enough for the engine to pause us in between.
const TURN: Duration = Duration::from_millis(1);

/// How a peer's turn ended for good.
enum Over {
    Stopped(Stop),
    Closed(Option<u16>, String),
}

impl Ws {
    /// Decodes `rest`, as far as a turn goes.
    pub(super) fn decode(&mut self, cx: &mut Cx, io: &mut Io) -> Result<(), Fail> {
        let mut wire = std::mem::take(&mut self.rest);
        let mut pong = None;
        let last = self.turn.take().is_some_and(|turn| turn.last);
        let stopped = self.items(cx, &mut wire, io.up, &mut pong);
        if let Some(payload) = pong {
            self.control(cx, Control::Pong, &payload, io.down);
        }
        let Err(over) = stopped else {
            if !wire.is_empty() {
                // An empty rest would still pin its receive buffer, as would a small one.
                self.rest = wire;
                unpin(&mut self.rest);
            }
            return match &mut self.turn {
                Some(turn) => {
                    turn.last = last;
                    Ok(())
                }
                None if last => self.all_read(cx, io.up),
                None => Ok(()),
            };
        };
        let outcome = match over {
            Over::Stopped(Stop { code, text }) => {
                if let Some(code) = code {
                    self.close(cx, code, &text, io.down);
                }
                Err(Fail::protocol(format!("websocket: {text}")))
            }
            Over::Closed(code, reason) => {
                match code {
                    Some(code) => self.close(cx, code, "", io.down),
                    None => self.control(cx, Control::Close, &[], io.down),
                }
                closed(code, &reason).and_then(|()| self.closed_in_order(io.up))
            }
        };
        self.over(cx);
        outcome
    }

    /// Passes on what `wire` holds; sets `turn` if not all of it.
    fn items(
        &mut self,
        cx: &mut Cx,
        wire: &mut BytesMut,
        up: &mut Vec<Up>,
        pong: &mut Option<BytesMut>,
    ) -> Result<(), Over> {
        let mut budget = INFLATED.min(cx.room);
        loop {
            let inflating = self.incoming.is_inflating();
            if inflating && budget == 0 {
                let at = cx.now + TURN;
                self.turn = Some(InflationTurn { at, last: false });
                return Ok(());
            }
            let next = self.incoming.next(cx.deflate, wire);
            let Some(news) = next.map_err(Over::Stopped)? else {
                return Ok(());
            };
            self.count(cx.now, &news)?;
            let text = self.ends && self.incoming.is_text();
            match news {
                News::Begin { .. } if self.ends && self.peer == Peer::Ended => {
                    return Err(Over::Stopped(Stop {
                        code: Some(1002),
                        text: "a message behind the end of its direction".to_owned(),
                    }));
                }
                News::Data(_) if text => {
                    return Err(Over::Stopped(Stop {
                        code: Some(1003),
                        text: "a text message with payload, expected binary ones".to_owned(),
                    }));
                }
                News::End if text => {
                    self.peer = Peer::Ended;
                    self.heartbeat.stop();
                    up.push(Up::End { both: false });
                }
                News::Data(piece) => {
                    self.heartbeat.took();
                    if inflating || self.incoming.is_inflating() {
                        budget = budget.saturating_sub(piece.len());
                    }
                    up.push(Up::Data(piece));
                }
                // The newest answers for all of them (RFC 6455, 5.5.3).
                News::Ping(payload) => {
                    self.heartbeat.pinged();
                    *pong = Some(payload);
                }
                News::Pong(payload) => self.heartbeat.answered(&payload),
                News::Begin { .. } | News::End => {}
                News::Close(code, reason) => return Err(Over::Closed(code, reason)),
            }
        }
    }

    /// Ends a flood of frames that carry nothing.
    fn count(&mut self, now: Time, news: &News) -> Result<(), Over> {
        let idle = match news {
            News::Begin { .. } | News::Data(_) => false,
            News::End => self.incoming.is_empty(),
            News::Ping(_) | News::Pong(_) => true,
            News::Close(..) => false,
        };
        if idle && self.flood.idle_frame(now) {
            let most = flood::MOST;
            return Err(Over::Stopped(Stop {
                code: Some(1008),
                text: format!("more than {most} frames without data in a second"),
            }));
        }
        Ok(())
    }

    /// The peer's direction of the transport ended, and all before it is passed on.
    pub(super) fn all_read(&mut self, cx: &mut Cx, up: &mut Vec<Up>) -> Result<(), Fail> {
        // Somebody in between may have ended with us, before the peer's close frame passed.
        let both = self.peer == Peer::Ended && self.own != Own::Sends;
        let state = match self.incoming.unfinished() {
            None if self.ends && !both => Some("without a close frame".to_owned()),
            state => state,
        };
        if let Some(state) = state {
            self.over(cx);
            return Err(Fail::new(
                Cause::Closed,
                format!("websocket: ended {state}"),
            ));
        }
        if std::mem::replace(&mut self.peer, Peer::Ended) != Peer::Ended {
            up.push(Up::End { both: false });
        }
        Ok(())
    }
}
