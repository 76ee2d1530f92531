//! Websocket messages with every kind of compression: any frames mean the same in any pieces, and what one
//! end says is what the other hears, message by message.

use bytes::BytesMut;

use super::script::{Cuts, WHOLE};
use crate::message::{Connection, Deflate, Event, Kind, Shared, Window};
use crate::wire::websocket::{Decoder, Item};

/// A message may inflate a thousandfold; so much is enough to compare.
const ENOUGH: usize = 4 * 1024 * 1024;

/// What a connection said, data joined.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    messages: Vec<(Kind, Vec<u8>, bool)>,
    /// The code it was closed with, or that it failed.
    end: Option<Option<Option<u16>>>,
    bytes: usize,
}

/// `flags` choose the role and the compression.
pub(super) fn messages(bytes: &[u8], flags: u8, cuts: Cuts) {
    let deflate = (flags & 2 != 0).then(|| Deflate {
        tx: window(flags, 4),
        rx: window(flags, 6),
    });
    let (whole, cut) = (
        hear(bytes, flags, deflate, WHOLE),
        hear(bytes, flags, deflate, cuts),
    );
    if whole.0.bytes.max(cut.0.bytes) <= ENOUGH {
        assert_eq!(whole, cut, "other pieces, other messages");
    }
    talk(bytes, flags, deflate, cuts);
}

fn window(flags: u8, at: u32) -> Window {
    let flags = flags.rotate_right(at);
    Window {
        takeover: flags & 1 != 0,
        bits: if flags & 2 != 0 { 8 } else { 15 },
    }
}

/// The two ends of an upgraded connection, the one that is tried first.
fn pair(flags: u8, deflate: Option<Deflate>, shared: &mut Shared) -> [Connection; 2] {
    let Ok(mut client) = Connection::client("h", "/", deflate, shared) else {
        panic!("our own request");
    };
    let mut server = Connection::server(deflate.map(|_| Deflate::with_takeover()));
    for _ in 0..2 {
        server.handle_input(client.take_output());
        assert!(matches!(
            server.poll_event(shared),
            None | Some(Event::Open)
        ));
        client.handle_input(server.take_output());
        assert!(matches!(
            client.poll_event(shared),
            None | Some(Event::Open)
        ));
    }
    match flags & 1 {
        0 => [server, client],
        _ => [client, server],
    }
}

/// What the frames mean, and what is answered besides pongs.
fn hear(bytes: &[u8], flags: u8, deflate: Option<Deflate>, mut cuts: Cuts) -> (Heard, Vec<Item>) {
    let shared = &mut Shared::new([7; 32]);
    let [mut end, _] = pair(flags, deflate, shared);
    let mut heard = Heard::default();
    cuts.feed(bytes, |piece| {
        end.handle_input(BytesMut::from(piece));
        heard.listen(&mut end, shared);
        heard.end.is_none() && heard.bytes <= ENOUGH
    });
    if heard.bytes <= ENOUGH {
        end.handle_eof();
        heard.listen(&mut end, shared);
        assert!(end.is_over() && heard.end.is_some());
    }
    let mut decoder = Decoder::new(end.is_client(), true);
    let mut wire = end.take_output();
    let mut items = Vec::new();
    while let Some(item) = decoder
        .next(&mut wire)
        .unwrap_or_else(|fault| panic!("{fault:?}"))
    {
        // The library's words depend on its steps.
        match item {
            Item::Close(code, _) => items.push(Item::Close(code, String::new())),
            item => items.push(item),
        }
    }
    (heard, items)
}

/// One end sends messages of the bytes, in parts, and the other hears them.
fn talk(bytes: &[u8], flags: u8, deflate: Option<Deflate>, mut cuts: Cuts) {
    let shared = &mut Shared::new([7; 32]);
    let [mut from, mut to] = pair(flags, deflate, shared);
    let (mut heard, mut expected) = (Heard::default(), Vec::new());
    cuts.feed(bytes, |piece| {
        let kind = match str::from_utf8(piece) {
            Ok(_) => Kind::Text,
            Err(_) => Kind::Binary,
        };
        from.begin(kind);
        for part in piece.chunks(20) {
            from.write(part, shared);
        }
        from.end(shared);
        expected.push((kind, piece.to_vec(), true));
        true
    });
    from.close(1000, "done", shared);
    let wire = from.take_output();
    cuts.feed(&wire, |piece| {
        to.handle_input(BytesMut::from(piece));
        heard.listen(&mut to, shared);
        true
    });
    assert_eq!(heard.messages, expected);
    assert_eq!(heard.end, Some(Some(Some(1000))));
}

impl Heard {
    fn listen(&mut self, end: &mut Connection, shared: &mut Shared) {
        while self.bytes <= ENOUGH
            && let Some(event) = end.poll_event(shared)
        {
            assert_eq!(self.end, None, "{event:?} behind the end");
            match (event, self.messages.last_mut()) {
                (Event::Begin(kind), last) => {
                    assert!(last.is_none_or(|last| last.2), "a message in a message");
                    self.messages.push((kind, Vec::new(), false));
                }
                (Event::Data(piece), Some((_, data, false))) => {
                    assert!(!piece.is_empty());
                    self.bytes += piece.len();
                    data.extend_from_slice(&piece);
                }
                (Event::End, Some((kind, data, done))) if !*done => {
                    assert!(*kind == Kind::Binary || str::from_utf8(data).is_ok());
                    *done = true;
                }
                (Event::Closed(code, _), _) => self.end = Some(Some(code)),
                (Event::Failed(_), _) => {
                    self.end = Some(None);
                    // How much of a broken message comes in front of the fault depends on the pieces.
                    if let Some((_, data, _)) = self.messages.pop_if(|last| !last.2) {
                        self.bytes -= data.len();
                    }
                }
                (event, last) => panic!("{event:?} behind {last:?}"),
            }
        }
    }
}
