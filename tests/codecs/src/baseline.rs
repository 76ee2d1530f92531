//! The counts to compare with, and what they were counted with.

use std::fs;
use std::process::Command;

pub const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.txt");

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// Whatever changes counts without a change of ours.
    pub tools: Vec<String>,
    /// Instructions of one call.
    pub counts: Vec<(String, u64)>,
}

impl Baseline {
    pub fn read() -> Result<Self, String> {
        let text = fs::read_to_string(PATH).map_err(|error| format!("{PATH}: {error}"))?;
        Self::parse(&text).ok_or_else(|| format!("{PATH}: expected lines of a count and a name"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut baseline = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match line.strip_prefix("# ") {
                Some(tool) => baseline.tools.push(tool.to_owned()),
                None => {
                    let (count, name) = line.trim_start().split_once("  ")?;
                    baseline.counts.push((name.to_owned(), count.parse().ok()?));
                }
            }
        }
        Some(baseline)
    }

    pub fn write(&self) -> Result<(), String> {
        fs::write(PATH, self.text()).map_err(|error| format!("{PATH}: {error}"))
    }

    fn text(&self) -> String {
        let tools = self.tools.iter().map(|tool| format!("# {tool}\n"));
        let counts = self.counts.iter();
        let counts = counts.map(|(name, count)| format!("{count:>9}  {name}\n"));
        tools.chain(counts).collect()
    }
}

/// What the counts depend on besides the code.
pub fn tools() -> Vec<String> {
    let first_line = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        text.ok()
            .and_then(|text| Some(text.lines().next()?.to_owned()))
            .unwrap_or_else(|| format!("no {program}"))
    };
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let avx2 = match flags.split_whitespace().any(|flag| flag == "avx2") {
        true => "with AVX2",
        false => "without AVX2",
    };
    vec![
        first_line("rustc", &["--version"]),
        format!("cc {}", first_line("cc", &["-dumpfullversion"])),
        first_line("getconf", &["GNU_LIBC_VERSION"]),
        first_line("valgrind", &["--version"]),
        format!("{} {avx2}", std::env::consts::ARCH),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let baseline = Baseline {
            tools: vec!["rustc 1.2.3".to_owned(), "x86_64 with AVX2".to_owned()],
            counts: vec![("mask, 64 B".to_owned(), 17), ("relay".to_owned(), 123_456)],
        };
        assert_eq!(Baseline::parse(&baseline.text()), Some(baseline));
        assert_eq!(Baseline::parse("seventeen  mask"), None);
    }

    #[test]
    fn the_baseline_has_every_case() {
        let known: Vec<String> = Baseline::read()
            .unwrap()
            .counts
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let cases: Vec<String> = ginnel_codecs::cases()
            .into_iter()
            .map(|case| case.name)
            .collect();
        assert_eq!(known, cases);
    }
}
