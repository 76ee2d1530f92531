//! Time as the engine sees it: nanoseconds since the driver started.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment since the driver's start, to the nanosecond. Drivers convert from their clock once per turn.
///
/// One nanosecond more is kept, so that an `Option` of it is no larger: every connection has many of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(NonZeroU64);

impl Time {
    pub const ZERO: Self = Self(NonZeroU64::MIN);
    /// 584 years after the start. Nothing is later.
    pub const MAX: Self = Self(NonZeroU64::MAX);

    /// The time that passed since `earlier`; zero if `earlier` lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.since(Self::ZERO).fmt(f)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_at_the_top_and_starts_at_zero() {
        assert_eq!(Time::ZERO + Duration::MAX, Time::MAX);
        assert_eq!(Time::MAX + Duration::from_nanos(1), Time::MAX);
        assert_eq!(Time::MAX - Time::ZERO, Duration::from_nanos(u64::MAX - 1));
        assert_eq!(Time::ZERO - Time::MAX, Duration::ZERO);
        assert_eq!(size_of::<Option<Time>>(), 8);
    }
}
