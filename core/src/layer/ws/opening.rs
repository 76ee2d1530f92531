//! The opening handshake (RFC 6455, 4) as a stage of the layer: what is sent first, and what follows once both sides
//! have agreed. Its messages: `layer::upgrade`.

use super::{Incoming, Outgoing, Role, Stage, Ws};
use crate::error::Fail;
use crate::layer::upgrade::{self, Agreed};
use crate::layer::{Cx, Info, Io, Up};
use crate::plan::WsServer;
use crate::time::Time;
use crate::wire::deflate::Deflate;

impl Ws {
    /// Sends the request, or begins to wait for one.
    pub(super) fn start_opening(&mut self, cx: &mut Cx, io: &mut Io) -> Result<(), Fail> {
        match &self.role {
            Role::Client(plan) => {
                let deflate = deflate(plan.compression);
                let client = upgrade::Client::new(cx.entropy.nonce(), self.on_top, deflate)
                    .offering_v2(self.mux_v2)
                    .after(self.hops);
                io.down.push_slice(&client.request(plan)?);
                self.stage = Stage::Client(Box::new(client));
            }
            Role::Server(plan) => self.head_at = head_deadline(plan, cx.now),
        }
        Ok(())
    }

    /// Reads the peer's half of the handshake in `rest`; what follows it is decoded.
    pub(super) fn upgrade(&mut self, cx: &mut Cx, io: &mut Io) -> Result<(), Fail> {
        let agreed = match (&mut self.stage, &self.role) {
            (Stage::Client(client), _) => client.recv(&mut self.rest, cx.limits)?,
            (Stage::Server(server), Role::Server(plan)) => {
                let mut out = Vec::new();
                let before = self.rest.len();
                server.takes_v2 = self.mux_v2;
                let agreed = server.recv(plan, self.on_top, &mut self.rest, cx.limits, &mut out);
                if self.rest.len() < before {
                    self.head_at = head_deadline(plan, cx.now);
                }
                io.down.push_slice(&out);
                io.up.extend(server.refused().map(Up::Refused));
                agreed?
            }
            _ => None,
        };
        let Some(agreed) = agreed else {
            return Ok(());
        };
        self.open(agreed, cx);
        io.up.push(Up::Ready(Info {
            half_close: agreed.half_close,
            mux_v2: agreed.mux_v2,
            client: agreed.client,
            signals: agreed.signals,
            hops: match self.role {
                Role::Server(_) => agreed.hops + 1,
                Role::Client(_) => 0,
            },
            ..Info::default()
        }));
        self.decode(cx, io)
    }

    fn open(&mut self, agreed: Agreed, cx: &mut Cx) {
        let server = matches!(self.role, Role::Server(_));
        let (rx, tx) = agreed.deflate.map(|both| (both.rx, both.tx)).unzip();
        self.stage = Stage::Open;
        self.ends = agreed.ends;
        // Text is bytes like any other here, as it is for gost.
        self.incoming = Incoming::new(server, rx, false);
        self.outgoing = Outgoing::new(!server, tx, self.max_frame());
        self.head_at = None;
        self.heartbeat.start(cx.now, cx.entropy);
    }
}

/// What both roles want of compression: gost's, in which no context outlives a message, so that idle
/// connections own no windows.
pub(super) fn deflate(compression: bool) -> Option<Deflate> {
    compression.then(Deflate::default)
}

/// Zero waits for ever, as in gost.
fn head_deadline(plan: &WsServer, now: Time) -> Option<Time> {
    let timeout = plan.read_header_timeout;
    (!timeout.is_zero()).then(|| now + timeout)
}
