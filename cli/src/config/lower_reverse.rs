//! Model to plan: listeners that listen at the far end of a chain.

use ginnel_core::addr::Target;
use ginnel_core::plan::{Channel, Listener, Reverse};

use super::lower::Lowering;
use super::model;

/// As gost does it, a listener without a chain listens here.
pub(super) fn is_reverse(model: &model::Listener) -> bool {
    model.r#type == "rtcp" && !model.chain.is_empty()
}

/// The chain of the listener is the way to where it listens; that of the handler leads to the targets.
pub(super) fn apply(
    to: &mut Lowering<'_>,
    listener: &mut Listener,
    model: &model::Listener,
    addr: &str,
    at: &str,
) {
    if listener.channel != Channel::Rtcp {
        return;
    }
    if !is_reverse(model) {
        listener.channel = Channel::Tcp;
        return;
    }
    let mut chains = to.config.chains.iter();
    // That it exists was checked.
    let Some(chain) = chains.position(|one| one.name == model.chain) else {
        return;
    };
    match Target::parse(addr) {
        Some(addr) => listener.reverse = Some(Reverse { chain, addr }),
        None => {
            let text = format_args!("addr: expected host:port for the far end, got {addr:?}");
            to.findings.error(at, text);
        }
    }
}
