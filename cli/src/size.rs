//! Amounts of memory: `64MiB`, `512K`, `1G`, plain bytes.

use serde_json::Value;

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// Less than this has no room for a handful of connections.
const LEAST: usize = 1 << 20;

impl Size {
    /// Units are powers of 1024, with or without `B` and `iB`, in any case. Not below 1 MiB.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("expected a size such as 64MiB (units K, M, G; none is bytes), got {text:?}")
        };
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let number: usize = number.parse().map_err(|_| wrong())?;
        let unit = unit.trim_start().to_ascii_lowercase();
        let unit = unit.strip_suffix("ib").or(unit.strip_suffix('b'));
        let shift = match unit.unwrap_or(text[end.unwrap_or(text.len())..].trim_start()) {
            "" => 0,
            "k" | "K" => 10,
            "m" | "M" => 20,
            "g" | "G" => 30,
            _ => return Err(wrong()),
        };
        let bytes = number.checked_mul(1 << shift).ok_or_else(wrong)?;
        if bytes < LEAST {
            return Err(format!("expected at least 1MiB, got {text:?}"));
        }
        Ok(Self(bytes))
    }

    /// From a configuration.
    pub fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Self::parse(text),
            other => Self::parse(&other.to_string()),
        }
    }
}

/// Half of what this machine, or the control group of the process, has; `None` where that is not to be found
/// out. Only a bound on the worst case: nothing is reserved.
pub fn default() -> Option<usize> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = machine.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse().ok());
    let bytes = kib.saturating_mul(1024).min(group.unwrap_or(usize::MAX));
    Some((bytes / 2).max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_all_spellings() {
        for text in [
            "64MiB", "64M", "64 MB", "64m", "65536K", "65536KiB", "67108864",
        ] {
            assert_eq!(Size::parse(text), Ok(Size(64 << 20)), "{text}");
        }
        assert_eq!(Size::parse("2GiB"), Ok(Size(2 << 30)));
        assert_eq!(Size::read(&serde_json::json!(67108864)), Ok(Size(64 << 20)));
        for text in [
            "",
            "MiB",
            "64X",
            "-1M",
            "1.5G",
            "64iB64",
            "99999999999999999999",
            "9999999999999G",
        ] {
            let why = Size::parse(text).unwrap_err();
            assert!(why.starts_with("expected a size such as 64MiB"), "{why}");
        }
        assert!(Size::parse("100K").unwrap_err().contains("at least 1MiB"));
    }
}
