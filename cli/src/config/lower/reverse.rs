//! Listeners that listen at the far end of a chain.

use ginnel_core::addr::Target;
use ginnel_core::plan::{Channel, Listener, Reverse};

use super::Lowering;
use crate::config::model;

/// As gost does it, a listener without a chain listens here.
pub(crate) fn is_reverse(model: &model::Listener) -> bool {
    is_reverse_word(&model.r#type) && !model.chain.is_empty()
}

/// Listener types that may listen elsewhere.
pub(crate) fn is_reverse_word(word: &str) -> bool {
    matches!(word, "rtcp" | "rudp")
}

/// The chain of the listener is the way to where it listens; that of the handler leads to the targets.
pub(super) fn apply(
    to: &mut Lowering<'_>,
    listener: &mut Listener,
    model: &model::Listener,
    addr: &str,
    at: &str,
) {
    let here = match listener.channel {
        Channel::Rtcp => Channel::Tcp,
        Channel::Rudp => Channel::Udp,
        _ => return,
    };
    if !is_reverse(model) {
        listener.channel = here;
        return;
    }
    let mut chains = to.config.chains.iter();
    // That it exists was checked.
    let Some(chain) = chains.position(|one| one.name == model.chain) else {
        return;
    };
    match Target::parse(addr) {
        Some(addr) if addr.port == 0 && here == Channel::Udp => {
            let text = "addr: rudp needs a port: without one, a node takes it for an association";
            to.findings.error(at, text);
        }
        Some(addr) => listener.reverse = Some(Reverse { chain, addr }),
        None => {
            let text = format_args!("addr: expected host:port for the far end, got {addr:?}");
            to.findings.error(at, text);
        }
    }
}
