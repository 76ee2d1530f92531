//! What a peer's frames say, inflated and checked, one thing at a time.

use bytes::BytesMut;

use crate::wire::deflate::{Inflater, Pool, Window};
use crate::wire::utf8::{Invalid, Utf8};
use crate::wire::websocket::{Decoder, Item, Violation};

/// One thing that a peer said.
#[derive(Debug)]
pub(crate) enum News {
    Begin {
        text: bool,
    },
    /// Payload of the current message, never empty.
    Data(BytesMut),
    End,
    Ping(BytesMut),
    Pong(BytesMut),
    Close(Option<u16>, String),
}

/// Why decoding stopped for good.
#[derive(Debug)]
pub(crate) struct Stop {
    /// What the peer is told besides the text; `None`: nothing at all.
    pub(crate) code: Option<u16>,
    pub(crate) text: String,
}

/// The receiving half of an open connection.
#[derive(Debug)]
pub(crate) struct Incoming {
    decoder: Decoder,
    /// Agreed on for what the peer compresses.
    window: Option<Window>,
    /// Lent by the pool while a compressed message is unfinished; with takeover, from the first one on.
    inflater: Option<Box<Inflater>>,
    /// The current message is compressed.
    compressed: bool,
    /// The inflater may have more of what it was fed.
    inflating: bool,
    /// Text has to be UTF-8; `None`: nobody asks.
    utf8: Option<Utf8>,
    /// The current message is text.
    text: bool,
    /// Nothing of the current message came yet.
    empty: bool,
}

impl Incoming {
    /// `masked`: the peer is a client. `check_text`: for who delivers text as text.
    pub(crate) fn new(masked: bool, window: Option<Window>, check_text: bool) -> Self {
        Self {
            decoder: Decoder::new(masked, window.is_some()),
            window,
            inflater: None,
            compressed: false,
            inflating: false,
            utf8: check_text.then(Utf8::default),
            text: false,
            empty: true,
        }
    }

    /// There may be more without another byte, at most [`STEP`](crate::wire::deflate::STEP) with each
    /// [`News`].
    pub(crate) fn is_inflating(&self) -> bool {
        self.inflating
    }

    /// The next thing in `wire`, of which it takes the bytes. `None`: all is used up.
    pub(crate) fn next(
        &mut self,
        pool: &mut Pool,
        wire: &mut BytesMut,
    ) -> Result<Option<News>, Stop> {
        loop {
            if let Some(news) = self.inflate(pool)? {
                return Ok(Some(news));
            }
            let Some(item) = self.decoder.next(wire)? else {
                return Ok(None);
            };
            return Ok(Some(match item {
                Item::Begin { text, compressed } => {
                    self.begin(pool, text, compressed);
                    News::Begin { text }
                }
                Item::Data(piece) => match self.inflater.as_mut().filter(|_| self.compressed) {
                    Some(inflater) => {
                        inflater.feed(piece);
                        self.inflating = true;
                        continue;
                    }
                    None => self.data(piece)?,
                },
                Item::End => match self.inflater.as_mut().filter(|_| self.compressed) {
                    Some(inflater) => {
                        inflater.complete();
                        self.inflating = true;
                        continue;
                    }
                    None => self.end()?,
                },
                Item::Ping(payload) => News::Ping(payload),
                Item::Pong(payload) => News::Pong(payload),
                Item::Close(code, reason) => News::Close(code, reason),
            }));
        }
    }

    /// The current message, or the last one, is text.
    pub(crate) fn is_text(&self) -> bool {
        self.text
    }

    /// The current message, or the last one, has no payload so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.empty
    }

    /// See [`Decoder::opaque`].
    pub(crate) fn opaque(&self) -> u64 {
        match self.compressed || self.utf8.is_some() {
            true => 0,
            false => self.decoder.opaque(),
        }
    }

    /// See [`Decoder::pass`].
    pub(crate) fn pass(&mut self, n: u64) {
        self.empty = false;
        self.decoder.pass(n);
    }

    /// See [`Decoder::next_head`].
    pub(crate) fn next_head(&self) -> usize {
        self.decoder.next_head()
    }

    /// See [`Decoder::unfinished`].
    pub(crate) fn unfinished(&self) -> Option<String> {
        self.decoder.unfinished()
    }

    /// Bytes in use for inflation.
    pub(crate) fn held(&self) -> usize {
        self.inflater.as_ref().map_or(0, |inflater| inflater.held())
    }

    /// The connection is over: gives back what the pool lent.
    pub(crate) fn recycle(&mut self, pool: &mut Pool) {
        if let Some(inflater) = self.inflater.take() {
            pool.recycle(*inflater);
        }
        (self.compressed, self.inflating) = (false, false);
    }

    fn begin(&mut self, pool: &mut Pool, text: bool, compressed: bool) {
        (self.text, self.compressed, self.empty) = (text, compressed, true);
        if compressed {
            self.inflater
                .get_or_insert_with(|| Box::new(pool.inflater()))
                .renew();
        }
    }

    /// What is left of what the inflater was fed, or the end behind it.
    fn inflate(&mut self, pool: &mut Pool) -> Result<Option<News>, Stop> {
        let Some(inflater) = self.inflater.as_mut().filter(|_| self.inflating) else {
            return Ok(None);
        };
        let piece = pool.inflate(inflater).map_err(|fail| Stop {
            code: Some(1007),
            text: fail.text,
        })?;
        if let Some(piece) = piece {
            return self.data(piece).map(Some);
        }
        self.inflating = false;
        if !inflater.is_complete() {
            return Ok(None);
        }
        self.compressed = false;
        if self.window.is_none_or(|window| !window.takeover) {
            self.recycle(pool);
        }
        self.end().map(Some)
    }

    fn data(&mut self, piece: BytesMut) -> Result<News, Stop> {
        if let Some(utf8) = self.utf8.as_mut().filter(|_| self.text) {
            utf8.feed(&piece)?;
        }
        self.empty = false;
        Ok(News::Data(piece))
    }

    fn end(&mut self) -> Result<News, Stop> {
        if let Some(utf8) = self.utf8.as_mut().filter(|_| self.text) {
            utf8.end()?;
        }
        Ok(News::End)
    }
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self {
            code: (!violation.silent).then_some(1002),
            text: violation.text,
        }
    }
}

impl From<Invalid> for Stop {
    fn from(_: Invalid) -> Self {
        Self {
            code: Some(1007),
            text: "text that is not UTF-8".to_owned(),
        }
    }
}
