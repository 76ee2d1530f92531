//! smux of both ends of a channel.

use std::time::Duration;

use ginnel_core::plan::Mux;

use super::Lowering;
use crate::config::options::Options;

/// smux's own rules for its settings. Zero and negative numbers mean the default.
pub(super) fn settings(to: &mut Lowering<'_>, options: &Options<'_>, at: &str) -> Option<Mux> {
    let defaults = Mux::default();
    let mut wrong = |text: String| {
        to.findings.error(at, text);
        None
    };
    match options.text("mux.type").as_deref() {
        None | Some("smux") => {}
        Some("yamux") => {
            return wrong("mux.type yamux is not supported: use smux on both ends".to_owned());
        }
        Some(other) => return wrong(format!("mux.type: expected smux, got {other:?}")),
    }
    let int = |name: &str, default: usize| options.size(name).unwrap_or(default);
    let configured = options.size("mux.version");
    let version = configured.unwrap_or(usize::from(defaults.version));
    if !matches!(version, 1 | 2) {
        return wrong(format!("mux.version: expected 1 or 2, got {version}"));
    }
    let interval = options
        .time("mux.keepaliveInterval")
        .unwrap_or(Duration::from_secs(10));
    let timeout = options
        .time("mux.keepaliveTimeout")
        .unwrap_or(defaults.keepalive_timeout);
    let enabled = !options.flag("mux.keepaliveDisabled");
    if enabled && timeout < interval {
        return wrong(format!(
            "mux.keepaliveTimeout ({timeout:?}) must not be less than mux.keepaliveInterval ({interval:?})"
        ));
    }
    let max_frame = int("mux.maxFrameSize", defaults.max_frame);
    if max_frame > 65535 {
        return wrong(format!(
            "mux.maxFrameSize: expected 1 to 65535, got {max_frame}"
        ));
    }
    let max_receive = int("mux.maxReceiveBuffer", defaults.max_receive);
    let max_stream = int("mux.maxStreamBuffer", defaults.max_stream);
    if max_receive > 0x7fff_ffff {
        return wrong(format!(
            "mux.maxReceiveBuffer: expected at most 2147483647, got {max_receive}"
        ));
    }
    if max_stream > max_receive {
        return wrong(format!(
            "mux.maxStreamBuffer ({max_stream}) must not be larger than mux.maxReceiveBuffer ({max_receive})"
        ));
    }
    Some(Mux {
        version: if version == 2 { 2 } else { 1 },
        agree: configured.is_none(),
        keepalive: enabled.then_some(interval),
        keepalive_timeout: timeout,
        max_frame,
        max_receive,
        max_agreed: int("mux.maxReceiveBuffer", defaults.max_agreed),
        max_stream,
        max_streams: int("mux.maxStreams", defaults.max_streams),
    })
}
