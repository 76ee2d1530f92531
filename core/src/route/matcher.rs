//! Patterns of bypasses and admissions: addresses, networks, ranges, names, with or without ports.
//!
//! The forms are gost's: `10.0.0.1`, `10.0.0.1-10.0.0.9`, `10.0.0.0/8`, `example.com`, `.example.com` (the name
//! and all below it), `*.example.com` (`*` crosses dots, `?` is one character). All but networks and ranges
//! take a port or a range of ports: `example.com:443`, `[::1]:80-90`. Names are compared without case.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::Net;
use crate::addr::Host;

type Ports = RangeInclusive<u16>;

const ALL_PORTS: Ports = 0..=u16::MAX;

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    Net(Net),
    Range(IpAddr, IpAddr),
    Ip(IpAddr, Ports),
    Name(String, Ports),
    /// The name itself and all below it; without the leading dot.
    Suffix(String, Ports),
    Glob(String, Ports),
}

impl Pattern {
    /// The error says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("{text:?} is no pattern: {what}"));
        if text.contains('/') {
            return match Net::parse(text) {
                Some(net) => Ok(Self::Net(net)),
                None => wrong("expected a network such as 10.0.0.0/8"),
            };
        }
        if let Some((from, to)) = text.split_once('-')
            && let (Ok(from), Ok(to)) = (from.parse::<IpAddr>(), to.parse::<IpAddr>())
        {
            return match from.is_ipv4() == to.is_ipv4() && from <= to {
                true => Ok(Self::Range(from, to)),
                false => wrong("the range runs backwards or mixes IPv4 and IPv6"),
            };
        }
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip, ALL_PORTS));
        }
        let (host, ports) = match text.rsplit_once(':') {
            None => (text, ALL_PORTS),
            Some((host, ports)) => match parse_ports(ports) {
                Some(ports) => (host, ports),
                None => return wrong("expected a port or a range of ports behind the colon"),
            },
        };
        if let Some(ip) = Host::parse(host).ip() {
            return Ok(Self::Ip(ip, ports));
        }
        let is_part = |c: char| c.is_alphanumeric() || "-_.*?".contains(c);
        if !host.chars().all(is_part) || host.trim_matches('.').is_empty() {
            return wrong(
                "expected an address, a network, a range or a name, with or without a port",
            );
        }
        let host = host.to_lowercase();
        Ok(match host.strip_prefix('.') {
            _ if host.contains(['*', '?']) => Self::Glob(host, ports),
            Some(name) => Self::Suffix(name.to_owned(), ports),
            None => Self::Name(host, ports),
        })
    }
}

fn parse_ports(text: &str) -> Option<Ports> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (from, to) = (number(from)?, number(to)?);
    (from <= to).then_some(from..=to)
}

/// A list of patterns, arranged so that long ones are quick to search.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    nets: Vec<Net>,
    ranges: Vec<(IpAddr, IpAddr)>,
    ips: HashMap<IpAddr, Vec<Ports>>,
    names: HashMap<String, Vec<Ports>>,
    suffixes: HashMap<String, Vec<Ports>>,
    globs: Vec<(String, Ports)>,
}

impl Matcher {
    pub fn new(patterns: impl IntoIterator<Item = Pattern>) -> Self {
        let mut matcher = Self::default();
        for pattern in patterns {
            match pattern {
                Pattern::Net(net) => matcher.nets.push(net),
                Pattern::Range(from, to) => matcher.ranges.push((from, to)),
                Pattern::Ip(ip, ports) => matcher.ips.entry(ip).or_default().push(ports),
                Pattern::Name(name, ports) => matcher.names.entry(name).or_default().push(ports),
                Pattern::Suffix(name, ports) => {
                    matcher.suffixes.entry(name).or_default().push(ports);
                }
                Pattern::Glob(glob, ports) => matcher.globs.push((glob, ports)),
            }
        }
        matcher
    }

    pub fn is_empty(&self) -> bool {
        self.nets.is_empty()
            && self.ranges.is_empty()
            && self.ips.is_empty()
            && self.names.is_empty()
            && self.suffixes.is_empty()
            && self.globs.is_empty()
    }

    /// `port` `None` matches patterns of any port, as for clients.
    pub fn matches(&self, host: &Host, port: Option<u16>) -> bool {
        let has = |ports: &Ports| port.is_none_or(|port| ports.contains(&port));
        let listed = |list: Option<&Vec<Ports>>| list.is_some_and(|list| list.iter().any(has));
        let text = match host {
            Host::File(_) => return false,
            // Rules know no zones: an address is the same in each.
            Host::Zoned(zoned) => return self.matches(&Host::from(zoned.0), port),
            Host::Ip(ip) => {
                let ip = ip.to_canonical();
                let found = listed(self.ips.get(&ip))
                    || self.nets.iter().any(|net| net.contains(ip))
                    || self.ranges.iter().any(|(from, to)| {
                        from.is_ipv4() == ip.is_ipv4() && *from <= ip && ip <= *to
                    });
                if found || self.globs.is_empty() {
                    return found;
                }
                ip.to_string()
            }
            Host::Name(name) => {
                let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
                let below = std::iter::successors(Some(name.as_str()), |name| {
                    name.split_once('.').map(|(_, rest)| rest)
                });
                if listed(self.names.get(&name))
                    || (!self.suffixes.is_empty()
                        && below
                            .into_iter()
                            .any(|name| listed(self.suffixes.get(name))))
                {
                    return true;
                }
                name
            }
        };
        let mut globs = self.globs.iter();
        globs.any(|(glob, ports)| has(ports) && glob_matches(glob, &text))
    }
}

/// `*` is any number of characters, `?` one. In time of the product of the lengths at most.
fn glob_matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t) = (0, 0);
    // Where the last star stood, and how much it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                g += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else {
                    return false;
                };
                star = Some((at, taken + 1));
                g = at + 1;
                t = taken + 1;
            }
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, host: &str, port: u16) -> bool {
        let matcher = Matcher::new([Pattern::parse(pattern).unwrap()]);
        matcher.matches(&Host::parse(host), Some(port))
    }

    #[test]
    fn every_kind_of_pattern() {
        for (pattern, yes, no) in [
            (
                "10.0.0.1",
                "10.0.0.1:1 [::ffff:10.0.0.1]:1",
                "10.0.0.2:1 a.b:1",
            ),
            ("10.0.0.1:80", "10.0.0.1:80", "10.0.0.1:81 10.0.0.2:80"),
            (
                "10.0.0.1:80-90",
                "10.0.0.1:80 10.0.0.1:90",
                "10.0.0.1:79 10.0.0.1:91",
            ),
            (
                "10.0.0.1-10.0.0.9",
                "10.0.0.1:1 10.0.0.9:1",
                "10.0.0.0:1 10.0.0.10:1 [::1]:1",
            ),
            ("10.0.0.0/8", "10.255.0.1:1", "11.0.0.0:1 [a00::1]:1"),
            ("0.0.0.0/0", "1.2.3.4:1", "[::1]:1"),
            ("::/0", "[::1]:1", "1.2.3.4:1"),
            ("2001:db8::/32", "[2001:db8:1::1]:1", "[2001:db9::1]:1"),
            ("::1", "[::1]:1", "[::2]:1"),
            ("[::1]:80", "[::1]:80", "[::1]:81"),
            (
                "Example.com",
                "example.COM:1 example.com.:1",
                "a.example.com:1 xexample.com:1",
            ),
            ("example.com:443", "example.com:443", "example.com:80"),
            (
                ".example.com",
                "example.com:1 a.b.example.com:1",
                "xexample.com:1 example.org:1",
            ),
            (".example.com:1-2", "a.example.com:2", "a.example.com:3"),
            (
                "*.example.com",
                "a.example.com:1 a.b.example.com:1",
                "example.com:1",
            ),
            ("*.example.com:80", "a.example.com:80", "a.example.com:81"),
            ("a?c*", "abc:1 abcdef:1", "ac:1 xabc:1"),
            ("*", "anything:1 1.2.3.4:5", ""),
            ("192.168.*", "192.168.4.5:1", "10.0.0.1:1"),
        ] {
            for (list, expected) in [(yes, true), (no, false)] {
                for target in list.split_whitespace() {
                    let (host, port) = target.rsplit_once(':').unwrap();
                    let got = matches(pattern, host, port.parse().unwrap());
                    assert_eq!(got, expected, "{pattern} for {target}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            ".",
            ":80",
            "10.0.0.0/33",
            "10.0.0.0/x",
            "10.0.0.0/-1",
            "example.com/path",
            "a b",
            "~*.example.com",
            "example.com:",
            "example.com:x",
            "example.com:9-1",
            "a:70000",
            "10.0.0.9-10.0.0.1",
            "10.0.0.1-::1",
            "http://a",
            "a:80,b",
        ] {
            let error = Pattern::parse(text).expect_err(text);
            assert!(error.starts_with(&format!("{text:?}")), "{error}");
        }
    }

    /// The same by trying everything.
    fn slow(glob: &[char], text: &[char]) -> bool {
        match glob.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|n| slow(rest, &text[n..])),
            Some((c, rest)) => text
                .split_first()
                .is_some_and(|(first, more)| (*c == '?' || c == first) && slow(rest, more)),
        }
    }

    proptest! {
        #[test]
        fn globs_match_as_by_definition(glob in "[ab.*?]{0,8}", text in "[ab.]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(glob_matches(&glob, &text), slow(&chars(&glob), &chars(&text)));
        }

        #[test]
        fn a_network_has_what_shares_its_bits(a: u32, b: u32, bits in 0u8..=32) {
            let net = Net::parse(&format!("{}/{bits}", std::net::Ipv4Addr::from(a))).unwrap();
            let mask = u32::MAX.checked_shl(u32::from(32 - bits)).unwrap_or(0);
            let got = net.contains(IpAddr::from(b.to_be_bytes()));
            prop_assert_eq!(got, a & mask == b & mask);
        }

        #[test]
        fn any_text_is_a_pattern_or_an_error(text in "\\PC{0,20}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                let matcher = Matcher::new([pattern]);
                prop_assert!(!matcher.is_empty());
                matcher.matches(&Host::parse(&text), None);
            }
        }
    }
}
