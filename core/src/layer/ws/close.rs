//! Close codes and reasons (RFC 6455, 7.4): what we say, and what it means when a peer says it.

use super::{Own, Peer, Ws};
use crate::error::{Cause, Fail};
use crate::layer::Up;

impl Ws {
    /// Both directions end: our close frame need not wait for the peer's end.
    pub fn end_both(&mut self) {
        if self.peer == Peer::Sends {
            self.peer = Peer::Dismissed;
        }
    }

    /// The peer's close frame is no failure by itself. Behind the end of its direction it means that it does not read
    /// what we still send.
    pub(super) fn closed_in_order(&self, up: &mut Vec<Up>) -> Result<(), Fail> {
        match (self.peer, self.own) {
            (Peer::Sends | Peer::Dismissed, _) => up.push(Up::End { both: true }),
            (Peer::Ended, Own::Sends) => {
                let text = "websocket: peer closed, and does not read what is still sent";
                return Err(Fail::new(Cause::Closed, text));
            }
            (Peer::Ended, Own::Ended | Own::Mute) => {}
        }
        Ok(())
    }
}

/// What a peer's close frame means for the stream: any but 1000 may have cut it. It is no reset, for the peer still
/// reads our answer.
pub(super) fn closed(code: Option<u16>, reason: &str) -> Result<(), Fail> {
    let code = match code {
        None | Some(1000) => return Ok(()),
        Some(code) => code,
    };
    let reason = match reason {
        "" => String::new(),
        reason => format!(" ({reason:?})"),
    };
    let text = format!("websocket: peer closed with {code}{reason}");
    Err(Fail::new(Cause::Closed, text))
}

/// The close code and a reason that tells nothing about what lies behind us. A protocol error or a limit is
/// one of this peer.
pub(super) fn goodbye(cause: Cause) -> (u16, &'static str) {
    match cause {
        Cause::Local => (1001, "going away"),
        Cause::Protocol => (1002, "protocol error"),
        Cause::Limit => (1008, "limit reached"),
        Cause::TimedOut => (1011, "timed out"),
        Cause::Reset | Cause::Closed => (1011, "connection lost"),
        _ => (1011, "failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_that_may_be_sent_are_sent() {
        for cause in [
            Cause::Refused,
            Cause::TimedOut,
            Cause::Reset,
            Cause::Closed,
            Cause::Protocol,
            Cause::Limit,
            Cause::Local,
        ] {
            let (code, reason) = goodbye(cause);
            assert!(matches!(code, 1001..=1003 | 1007..=1011), "{cause:?}");
            assert!(reason.len() <= 123);
        }
    }

    #[test]
    fn code_and_reason_of_a_peer_are_told_unless_it_ended_in_order() {
        assert_eq!(closed(None, ""), Ok(()));
        assert_eq!(closed(Some(1000), "bye"), Ok(()));
        let told = |code, reason| closed(Some(code), reason).unwrap_err();
        assert_eq!(
            told(1001, "going away").text,
            "websocket: peer closed with 1001 (\"going away\")"
        );
        assert_eq!(told(1001, "").cause, Cause::Closed);
        assert_eq!(told(1011, "").text, "websocket: peer closed with 1011");
        assert_eq!(told(1002, "x").cause, Cause::Closed);
    }
}
