//! Limits: bytes a second, connections at a time, connections a second. Time is passed in.
//!
//! A line is a key and numbers, as in gost: `$` is the whole service, `$$` each connection (bytes) or each
//! client (connections), an address or a network one or each of those clients.

use std::net::IpAddr;
use std::time::Duration;

use super::Net;
use crate::time::Time;

const NANOS: i128 = 1_000_000_000;

/// Bytes a second, at most `burst` of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub rate: u64,
    pub burst: u64,
}

impl Flow {
    /// A burst of a fifth of a second: gost's whole second would let a short transfer pass at twice the rate.
    fn new(rate: u64, burst: Option<u64>) -> Self {
        let burst = burst.unwrap_or(rate / 5).max(1);
        Self { rate, burst }
    }
}

/// From the client, and to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    pub input: Option<Flow>,
    pub output: Option<Flow>,
}

/// `limiters`: service, connection and client limits apply together.
pub type Traffic = Scopes<Flows>;
/// `climiters`: a client's own line replaces `$$`; that of the service applies as well.
pub type Counts = Scopes<u64>;
/// `rlimiters`, in thousandths of connections a second; scopes as of [`Counts`].
pub type Rates = Scopes<u64>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes<T> {
    pub service: Option<T>,
    /// `$$`.
    pub each: Option<T>,
    clients: Vec<(Net, T)>,
}

impl<T: Copy> Scopes<T> {
    /// The line of the most specific address or network.
    pub fn client(&self, ip: IpAddr) -> Option<T> {
        let of = self.clients.iter().filter(|(net, _)| net.contains(ip));
        of.max_by_key(|(net, _)| net.bits())
            .map(|(_, limit)| *limit)
    }

    /// That, or `$$`.
    pub fn client_or_each(&self, ip: IpAddr) -> Option<T> {
        self.client(ip).or(self.each)
    }

    /// Without the lines of connections and clients.
    pub fn of_service(&self) -> Self {
        Self {
            service: self.service,
            each: None,
            clients: Vec::new(),
        }
    }

    /// Without the line of the service.
    pub fn of_connections(&self) -> Self {
        Self {
            service: None,
            each: self.each,
            clients: self.clients.clone(),
        }
    }

    fn set(&mut self, key: &str, limit: T) -> Result<(), String> {
        match key {
            "$" => self.service = Some(limit),
            "$$" => self.each = Some(limit),
            _ => match Net::parse(key) {
                Some(net) => self.clients.push((net, limit)),
                None => {
                    return Err(format!(
                        "expected $, $$, an address or a network, got {key:?}"
                    ));
                }
            },
        }
        Ok(())
    }
}

/// `KEY IN [OUT [BURST]]` a line. The error is that of the first wrong line, and says what is expected.
pub fn traffic(lines: &[&str]) -> Result<Traffic, String> {
    let mut traffic = Traffic::default();
    for line in lines {
        let (key, numbers) = split(line, 3)?;
        let mut sizes = [None; 3];
        for (size, text) in sizes.iter_mut().zip(numbers) {
            *size = size_of(text).map_err(|error| format!("{line:?}: {error}"))?;
        }
        let [input, output, burst] = sizes;
        let flow = |rate: u64| Flow::new(rate, burst);
        let flows = Flows {
            input: input.map(flow),
            output: output.map(flow),
        };
        traffic
            .set(key, flows)
            .map_err(|error| format!("{line:?}: {error}"))?;
    }
    Ok(traffic)
}

/// `KEY N` a line; zero is no limit.
pub fn counts(lines: &[&str]) -> Result<Counts, String> {
    numbers(lines, |text| text.parse().ok(), "a number of connections")
}

/// `KEY N` a line, with decimals; zero is no limit.
pub fn rates(lines: &[&str]) -> Result<Rates, String> {
    let thousandths = |text: &str| {
        let number: f64 = text.parse().ok()?;
        let usable = number.is_finite() && (0.0..1e12).contains(&number);
        // Less than one in a thousand seconds is not none at all.
        let least = if number > 0.0 { 1.0 } else { 0.0 };
        usable.then_some((number * 1000.0).max(least) as u64)
    };
    numbers(lines, thousandths, "a number of connections a second")
}

fn numbers(
    lines: &[&str],
    parse: impl Fn(&str) -> Option<u64>,
    what: &str,
) -> Result<Scopes<u64>, String> {
    let mut scopes = Scopes::default();
    for line in lines {
        let (key, numbers) = split(line, 1)?;
        let Some(limit) = parse(numbers[0]) else {
            return Err(format!("{line:?}: expected {what}, got {:?}", numbers[0]));
        };
        if limit > 0 {
            scopes
                .set(key, limit)
                .map_err(|error| format!("{line:?}: {error}"))?;
        }
    }
    Ok(scopes)
}

/// The key and 1 to `most` numbers.
fn split(line: &str, most: usize) -> Result<(&str, Vec<&str>), String> {
    let mut words = line.split_whitespace();
    let key = words.next().unwrap_or_default();
    let numbers: Vec<_> = words.collect();
    match numbers.len() {
        n if (1..=most).contains(&n) => Ok((key, numbers)),
        n => Err(format!(
            "{line:?}: expected a key and 1 to {most} numbers, got {n}"
        )),
    }
}

/// `100B`, `1.5MB`, `10KiB`, `1MB512KB`; units are powers of 1024. `None` for zero: no limit.
pub fn size_of(text: &str) -> Result<Option<u64>, String> {
    let expected = || format!("expected a size such as 10MB, got {text:?}");
    if text == "0" {
        return Ok(None);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(expected)?;
        let number: f64 = rest[..digits].parse().map_err(|_| expected())?;
        let unit = &rest[digits..];
        let power = unit.chars().next().and_then(|c| "BKMGTPE".find(c));
        let power = power.ok_or_else(expected)?;
        let behind = if power == 0 { unit } else { &unit[1..] };
        rest = match power {
            0 => behind.strip_prefix('B'),
            _ => behind.strip_prefix("iB").or(behind.strip_prefix('B')),
        }
        .ok_or_else(expected)?;
        total += number * 1024f64.powi(power as i32);
    }
    let usable = !text.is_empty() && (0.0..1e15).contains(&total);
    match usable.then_some(total as u64) {
        None => Err(expected()),
        Some(0) => Ok(None),
        Some(size) => Ok(Some(size)),
    }
}

/// A token bucket. It may be overdrawn; then it has nothing until that is made up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    rate: u64,
    burst: u64,
    /// In billionths.
    level: i128,
    at: Time,
}

impl Bucket {
    /// Filled up to what comes in `head_start`.
    pub fn new(flow: Flow, head_start: Duration, now: Time) -> Self {
        let level = i128::from(flow.rate) * head_start.as_nanos() as i128;
        Self {
            rate: flow.rate,
            burst: flow.burst,
            level: level.min(i128::from(flow.burst) * NANOS),
            at: now,
        }
    }

    pub fn available(&self, now: Time) -> u64 {
        u64::try_from(self.level_at(now) / NANOS).unwrap_or(0)
    }

    pub fn take(&mut self, n: u64, now: Time) {
        self.level = self.level_at(now) - i128::from(n) * NANOS;
        self.at = self.at.max(now);
    }

    /// Whether nothing of the past is left in it.
    pub fn is_full(&self, now: Time) -> bool {
        self.level_at(now) == i128::from(self.burst) * NANOS
    }

    /// What comes in `time`, at least one.
    pub fn share(&self, time: Duration) -> u64 {
        let share = u128::from(self.rate) * time.as_nanos() / NANOS as u128;
        u64::try_from(share)
            .unwrap_or(u64::MAX)
            .clamp(1, self.burst)
    }

    fn level_at(&self, now: Time) -> i128 {
        let gained = i128::from(self.rate) * now.since(self.at).as_nanos() as i128;
        (self.level + gained).min(i128::from(self.burst) * NANOS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn sizes_have_units_in_upper_case() {
        for (text, expected) in [
            ("100B", Ok(Some(100))),
            ("1.5KB", Ok(Some(1536))),
            ("10KiB", Ok(Some(10240))),
            ("1MB512KB", Ok(Some(1_572_864))),
            ("2GB", Ok(Some(2 << 30))),
            ("0", Ok(None)),
            ("0MB", Ok(None)),
        ] {
            assert_eq!(size_of(text), expected, "{text}");
        }
        for text in [
            "",
            "100",
            "1mb",
            "MB",
            "1M",
            "1 MB",
            "-1MB",
            "1BB",
            "1..5MB",
            "1iB",
            "9999999EB",
        ] {
            assert!(size_of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_most_specific_line_counts() {
        let limits = counts(&["$ 10", "$$ 2", "10.0.0.0/8 3", "10.0.0.1 4"]).unwrap();
        let of = |ip: &str| limits.client_or_each(ip.parse().unwrap());
        assert_eq!(limits.service, Some(10));
        assert_eq!(
            [of("10.0.0.1"), of("10.0.0.2"), of("11.0.0.1")],
            [Some(4), Some(3), Some(2)]
        );
        let traffic = traffic(&["$  100MB 50MB", "$$\t10MB", "10.0.0.0/8 0 1MB 3MB"]).unwrap();
        assert_eq!(
            traffic.service.unwrap().output,
            Some(Flow {
                rate: 50 << 20,
                burst: 10 << 20
            })
        );
        assert_eq!(traffic.each.unwrap().output, None);
        let client = traffic.client("10.1.1.1".parse().unwrap()).unwrap();
        assert_eq!(client.input, None);
        assert_eq!(
            client.output,
            Some(Flow {
                rate: 1 << 20,
                burst: 3 << 20
            })
        );
        assert_eq!(rates(&["$ 0.5", "$$ 0"]).unwrap().service, Some(500));
    }

    #[test]
    fn wrong_lines_are_errors() {
        for line in [
            "",
            "$",
            "$ 10",
            "$ 1mb",
            "$ 1MB 1MB 1MB 1MB",
            "x 1MB",
            "10.0.0.0/99 1MB",
        ] {
            assert!(traffic(&[line]).is_err(), "{line}");
        }
        for line in ["$ x", "$ 1 2", "$ -1", "a 1", "$ 1.5"] {
            assert!(counts(&[line]).is_err(), "{line}");
        }
        for line in ["$ x", "$ -1", "$ inf", "$ NaN"] {
            assert!(rates(&[line]).is_err(), "{line}");
        }
    }

    proptest! {
        /// Whoever takes what there is gets the rate and one burst at most, and the rate at least.
        #[test]
        fn a_bucket_keeps_its_rate(rate in 1000u64..1 << 30, steps in prop::collection::vec(1u64..200, 1..100)) {
            let flow = Flow::new(rate, None);
            let mut bucket = Bucket::new(flow, Duration::ZERO, Time::ZERO);
            let (mut now, mut taken) = (0, 0);
            for step in steps {
                now += step;
                let n = bucket.available(after(now));
                bucket.take(n, after(now));
                taken += n;
            }
            let due = rate * now / 1000;
            prop_assert!(taken <= due && due - taken <= 1, "{} of {}", taken, due);
        }

        #[test]
        fn an_overdrawn_bucket_makes_up_for_it(rate in 1u64..1 << 40, over in 0u64..1 << 40) {
            let flow = Flow { rate, burst: rate };
            let mut bucket = Bucket::new(flow, Duration::ZERO, Time::ZERO);
            bucket.take(over, Time::ZERO);
            let seconds = over / rate;
            let before = bucket.available(Time::ZERO + Duration::from_secs(seconds));
            prop_assert_eq!(before, 0);
            let later = Time::ZERO + Duration::from_secs(seconds + 2);
            prop_assert!(bucket.available(later) > 0);
        }
    }
}
