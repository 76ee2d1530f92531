//! Sets of defaults for kinds of machines. What is set by itself outranks them.

use ginnel_core::limits::Limits;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    #[default]
    Standard,
    /// For devices with little memory: one thread, small buffers, a small budget.
    Small,
}

const SMALL_MEMORY: usize = 16 << 20;

impl Profile {
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "standard" => Some(Self::Standard),
            "small" => Some(Self::Small),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Small => "small",
        }
    }

    /// `None`: one for each core.
    pub fn threads(self) -> Option<usize> {
        (self == Self::Small).then_some(1)
    }

    /// The budget of the process in bytes; `None`: a part of the machine's memory.
    pub fn memory(self) -> Option<usize> {
        (self == Self::Small).then_some(SMALL_MEMORY)
    }

    pub fn limits(self) -> Limits {
        match self {
            Self::Standard => Limits::default(),
            Self::Small => Limits::small(),
        }
    }
}
