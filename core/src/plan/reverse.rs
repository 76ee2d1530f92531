//! Services that listen elsewhere.

use crate::addr::Target;

/// A port that the last node of a chain opens (`rtcp`, `rudp`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverse {
    /// Index into [`Plan::chains`](super::Plan::chains).
    pub chain: usize,
    /// Where that node is to listen.
    pub addr: Target,
}
