//! Names with fixed addresses.

use std::collections::HashMap;
use std::net::IpAddr;

/// `name` maps that name, `.name` it and all below it, `.` everything. Names are compared without case.
#[derive(Clone, Debug, Default)]
pub struct Hosts(HashMap<String, Vec<IpAddr>>);

impl Hosts {
    /// Several addresses of one name are kept in their order.
    pub fn new<'a>(mappings: impl IntoIterator<Item = (&'a str, IpAddr)>) -> Self {
        let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for (name, ip) in mappings {
            let addrs = hosts.entry(name.to_lowercase()).or_default();
            if !addrs.contains(&ip) {
                addrs.push(ip);
            }
        }
        Self(hosts)
    }

    /// The exact name first, then `.name`, then `.parent` step by step, at last `.`.
    pub fn lookup(&self, name: &str) -> Option<&[IpAddr]> {
        if self.0.is_empty() || name.is_empty() {
            return None;
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
        if let Some(found) = self.0.get(&name) {
            return Some(found);
        }
        let mut rest = format!(".{name}");
        loop {
            if let Some(found) = self.0.get(&rest) {
                return Some(found);
            }
            rest = match rest[1..].find('.') {
                Some(at) => rest.split_off(at + 1),
                None if rest.len() > 1 => ".".to_owned(),
                None => return None,
            };
        }
    }
}

/// The lines of a hosts file: an address and its names; `#` starts a comment. The error names the line.
pub fn parse_file(text: &str) -> Result<Vec<(String, IpAddr)>, (usize, String)> {
    let mut mappings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(ip) = words.next() else { continue };
        let Ok(ip) = ip.parse() else {
            let text = format!("expected an address and its names, got {ip:?}");
            return Err((index + 1, text));
        };
        mappings.extend(words.map(|name| (name.to_owned(), ip)));
    }
    Ok(mappings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_name_is_found_first_and_everything_last() {
        let text = "10.0.0.1 a.example.com A2\n10.0.0.2 .example.com # all\n\n10.0.0.3 .com\n10.0.0.4 a.example.com";
        let mappings = parse_file(text).unwrap();
        let mappings = mappings.iter().map(|(name, ip)| (name.as_str(), *ip));
        let hosts = Hosts::new(mappings.clone());
        let found = |hosts: &Hosts, name: &str| {
            let found = hosts.lookup(name).unwrap_or_default().iter();
            found.map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
        };
        for (name, expected) in [
            ("a.example.com", "10.0.0.1 10.0.0.4"),
            ("A.Example.COM.", "10.0.0.1 10.0.0.4"),
            ("a2", "10.0.0.1"),
            ("example.com", "10.0.0.2"),
            ("b.c.example.com", "10.0.0.2"),
            ("other.com", "10.0.0.3"),
            ("com", "10.0.0.3"),
            ("example.org", ""),
            ("", ""),
        ] {
            assert_eq!(found(&hosts, name), expected, "{name}");
        }
        let all = Hosts::new(mappings.chain([(".", "::1".parse().unwrap())]));
        assert_eq!(found(&all, "example.org"), "::1");
        assert_eq!(found(&all, "example.com"), "10.0.0.2");
    }

    #[test]
    fn a_wrong_line_is_named() {
        assert_eq!(parse_file("1.1.1.1 a\nb 2.2.2.2").unwrap_err().0, 2);
    }
}
