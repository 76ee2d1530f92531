//! Bodies of the fuzz targets: each takes any bytes and panics when a promise is broken.
//!
//! The targets of `fuzz/` only call them; `core/tests/fuzz_seeds/` runs them over the committed seeds
//! on stable. Input is decoded by hand, so that a seed stays readable and a mutation changes little.

mod deflate;
mod dns;
mod engine;
mod handlers;
mod http1;
mod messages;
pub mod mutate;
mod plans;
mod proxy_protocol;
mod script;
mod smux;
mod socks;
mod templates;
mod tls;
mod world;
mod ws;

pub use deflate::deflate;
pub use dns::dns;
pub use engine::engine;
pub use handlers::handlers;
pub use http1::http1;
pub use proxy_protocol::proxy_protocol;
pub use smux::smux;
pub use socks::{relay, socks};
pub use templates::RAW;
pub use tls::tls;
pub use ws::ws;

/// A target's name, which is that of its folder of seeds, and its body.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: &[Target] = &[
    ("deflate", deflate),
    ("dns", dns),
    ("engine", engine),
    ("handlers", handlers),
    ("http1", http1),
    ("proxy_protocol", proxy_protocol),
    ("relay", relay),
    ("smux", smux),
    ("socks", socks),
    ("tls", tls),
    ("ws", ws),
];
