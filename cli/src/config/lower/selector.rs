//! Which of several nodes, targets or chains is taken: strategies, weights, and what speaks against one.

use ginnel_core::plan::{Overrides, Selector, Strategy};

use super::Lowering;
use crate::config::model;
use crate::config::options::{Options, Place};

impl Lowering<'_> {
    /// What the file leaves out is zero in the model: one failure, ten seconds.
    pub(super) fn selector(&mut self, model: Option<&model::Selector>, at: &str) -> Selector {
        let mut selector = Selector::default();
        let Some(model) = model else { return selector };
        selector.strategy = match model.strategy.as_str() {
            "" | "round" | "rr" => Strategy::Round,
            "random" | "rand" => Strategy::Random,
            "fifo" | "ha" => Strategy::Fifo,
            "hash" => Strategy::Hash,
            "parallel" => Strategy::Parallel,
            "lowestlatency" | "lowest" | "ll" => Strategy::Latency,
            word => {
                let text = format_args!(
                    "unknown strategy {word:?}: expected round, random, fifo, hash, parallel or lowestlatency"
                );
                self.findings.error(at, text);
                Strategy::Round
            }
        };
        if model.max_fails > 0 {
            selector.max_fails = u32::try_from(model.max_fails).unwrap_or(u32::MAX);
        }
        if let Some(time) = model.fail_timeout.positive() {
            selector.fail_timeout = time;
        }
        selector.max_latency = model.max_latency.positive();
        selector
    }

    /// `hash`: `host`, or nothing.
    pub(super) fn hashes_target(&mut self, options: &Options<'_>, at: &str) -> bool {
        match options.text("hash").as_deref() {
            Some("host") => true,
            None | Some("client" | "ip") => false,
            Some(other) => {
                let text = format_args!("hash: expected host, got {other:?}");
                self.findings.error(at, text);
                false
            }
        }
    }
}

pub(super) fn weight(options: &Options<'_>) -> u32 {
    options
        .int("weight")
        .and_then(|weight| u32::try_from(weight).ok())
        .unwrap_or(1)
        .max(1)
}

/// `maxFails` and `failTimeout` of a node's, or chain's, own.
pub(super) fn overrides(options: &Options<'_>) -> Overrides {
    debug_assert!(matches!(options.place, Place::Node | Place::Chain));
    let max_fails = options.int("maxFails").filter(|number| *number > 0);
    Overrides {
        max_fails: max_fails.and_then(|number| u32::try_from(number).ok()),
        fail_timeout: options.time("failTimeout"),
    }
}
