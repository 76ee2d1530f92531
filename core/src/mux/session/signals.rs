//! What two ends say that both know more than smux: that a stream is reset, and that no new ones are wanted.

use super::{Event, Fin, Smux};
use crate::wire::smux::{Command, Header};

impl<K: Copy + PartialEq> Smux<K> {
    /// `agreed`: the peer knows RST and AWAY.
    pub fn with_signals(mut self, agreed: bool) -> Self {
        self.signals = agreed;
        self
    }

    /// No new streams from now on. A peer that can be told opens none, and what it opened meanwhile is
    /// served; streams of another one are refused.
    pub fn go_away(&mut self) {
        self.says_away = self.signals;
        self.refuses = !self.signals;
    }

    /// No stream is left, and all that ended them is sent.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && !self.says_away
    }

    /// The owner is gone, and the peer must not take that for an end of the data.
    pub fn reset(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id)
            && self.signals
            && stream.fin != Fin::Void
        {
            stream.reset = true;
            stream.fin = Fin::Wanted;
        }
        self.release(id);
    }

    pub(super) fn signal(&mut self, header: Header, events: &mut Vec<Event>) {
        if header.command == Command::Away {
            if !std::mem::replace(&mut self.is_away, true) {
                events.push(Event::Away);
            }
            return;
        }
        let Some(stream) = self.streams.get_mut(&header.stream) else {
            return;
        };
        if stream.abandoned {
            self.streams.remove(&header.stream);
        } else if stream.fin != Fin::Void {
            stream.fin = Fin::Void;
            events.push(Event::Reset(header.stream));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::plan::Mux;
    use crate::time::Time;

    fn pair(agreed: bool) -> [Smux<u8>; 2] {
        let new = |client| Smux::new(Mux::default(), client, 100, Time::ZERO).with_signals(agreed);
        [new(true), new(false)]
    }

    fn pass(from: &mut Smux<u8>, to: &mut Smux<u8>) -> String {
        let mut said = String::new();
        while let Some(seg) = from.poll(Time::ZERO, |_, _| (None, false)) {
            let wire = BytesMut::from(&seg.parts().concat()[..]);
            let mut events = Vec::new();
            to.recv(wire, Time::ZERO, &mut events).unwrap();
            for event in events {
                if let Event::Open(id) = event {
                    to.adopt(id, 1);
                }
                said += &format!("{event:?} ");
            }
        }
        said
    }

    #[test]
    fn a_reset_is_told_where_it_was_agreed_on_and_a_fin_elsewhere() {
        for (agreed, expected) in [(true, "Reset(3) "), (false, "Fin(3) ")] {
            let [mut client, mut server] = pair(agreed);
            client.open(1).unwrap();
            client.finish(3);
            assert_eq!(pass(&mut client, &mut server), "Open(3) Fin(3) ");
            server.reset(3);
            assert_eq!(pass(&mut server, &mut client), expected);
            client.release(3);
            assert_eq!(pass(&mut client, &mut server), "");
            assert!(client.is_empty() && server.is_empty(), "{agreed}");
        }
    }

    #[test]
    fn a_reset_follows_an_end_that_was_sent() {
        let [mut client, mut server] = pair(true);
        client.open(1).unwrap();
        client.finish(3);
        pass(&mut client, &mut server);
        client.reset(3);
        assert_eq!(pass(&mut client, &mut server), "Reset(3) ");
        server.reset(3);
        assert_eq!(pass(&mut server, &mut client), "");
        assert!(client.is_empty() && server.is_empty());
    }

    #[test]
    fn who_goes_away_gets_no_new_streams() {
        let [mut client, mut server] = pair(true);
        client.open(1).unwrap();
        pass(&mut client, &mut server);
        server.go_away();
        // Opened before it is known.
        client.open(1).unwrap();
        assert_eq!(pass(&mut server, &mut client), "Away ");
        assert!(!client.can_open());
        assert_eq!(pass(&mut client, &mut server), "Open(5) ");
    }

    #[test]
    fn a_peer_that_cannot_be_told_is_refused() {
        let [mut client, mut server] = pair(false);
        client.open(1).unwrap();
        pass(&mut client, &mut server);
        server.go_away();
        assert_eq!(pass(&mut server, &mut client), "");
        client.open(1).unwrap();
        assert_eq!(pass(&mut client, &mut server), "");
        assert_eq!(pass(&mut server, &mut client), "Fin(5) ");
    }

    #[test]
    fn signals_without_agreement_are_violations() {
        let [_, mut server] = pair(false);
        for wire in [[1, 5, 0, 0, 3, 0, 0, 0], [1, 6, 0, 0, 0, 0, 0, 0]] {
            let wire = BytesMut::from(&wire[..]);
            assert!(server.recv(wire, Time::ZERO, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn a_session_is_over_when_nothing_is_left_to_say() {
        let [mut client, mut server] = pair(true);
        assert!(server.is_empty());
        server.go_away();
        assert!(!server.is_empty(), "AWAY is to be sent");
        assert_eq!(pass(&mut server, &mut client), "Away ");
        assert!(server.is_empty());
        server.go_away();
        assert_eq!(pass(&mut server, &mut client), "", "it is told once");
    }

    #[test]
    fn a_reset_ends_a_stream_once() {
        let [mut client, mut server] = pair(true);
        for id in [3, 5] {
            client.open(1).unwrap();
            pass(&mut client, &mut server);
            client.reset(id);
        }
        // Given up by both before they hear of each other.
        server.release(3);
        assert_eq!(pass(&mut client, &mut server), "Reset(5) ");
        let wire = BytesMut::from(&[1, 5, 0, 0, 5, 0, 0, 0][..]);
        let mut events = Vec::new();
        server.recv(wire, Time::ZERO, &mut events).unwrap();
        assert!(events.is_empty(), "a second one");
        server.reset(5);
        assert_eq!(pass(&mut server, &mut client), "");
        assert!(client.is_empty() && server.is_empty());
    }
}
