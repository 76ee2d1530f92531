//! Who is let in (admissions) and which targets are left out (bypasses).

use std::net::IpAddr;

use super::matcher::Matcher;
use crate::addr::{Host, Target};

/// A list with its sense. As a whitelist it stands for everything that is not in it.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub name: String,
    pub whitelist: bool,
    pub matcher: Matcher,
}

/// Whether a client may come in: every admission must let it. An empty whitelist lets nobody in.
pub fn admits<'a>(admissions: impl IntoIterator<Item = &'a Rules>, client: IpAddr) -> bool {
    let host = Host::Ip(client);
    let mut admissions = admissions.into_iter();
    admissions.all(|rules| rules.matcher.matches(&host, None) == rules.whitelist)
}

/// Whether a target is left out: some blacklist has it, or there are whitelists and none has it. Empty lists
/// leave out nothing, even as whitelists.
pub fn bypassed<'a>(bypasses: impl IntoIterator<Item = &'a Rules>, target: &Target) -> bool {
    let mut whitelisted = None;
    for rules in bypasses {
        if rules.matcher.is_empty() {
            continue;
        }
        let matches = rules.matcher.matches(&target.host, Some(target.port));
        match rules.whitelist {
            true => whitelisted = Some(whitelisted.unwrap_or(false) || matches),
            false if matches => return true,
            false => {}
        }
    }
    whitelisted == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::matcher::Pattern;

    fn rules(text: &str) -> Rules {
        let (whitelist, list) = match text.strip_prefix('~') {
            Some(list) => (true, list),
            None => (false, text),
        };
        let patterns = list.split_whitespace();
        Rules {
            name: String::new(),
            whitelist,
            matcher: Matcher::new(patterns.map(|one| Pattern::parse(one).unwrap())),
        }
    }

    fn is_bypassed(lists: &[&str], target: &str) -> bool {
        let lists: Vec<_> = lists.iter().map(|list| rules(list)).collect();
        bypassed(&lists, &Target::parse(target).unwrap())
    }

    #[test]
    fn blacklists_and_whitelists_work_together() {
        for (lists, target, expected) in [
            (&["a.com"][..], "a.com:1", true),
            (&["a.com"], "b.com:1", false),
            (&["~a.com"], "a.com:1", false),
            (&["~a.com"], "b.com:1", true),
            (&[""], "a.com:1", false),
            (&["~"], "a.com:1", false),
            (&[], "a.com:1", false),
            (&["~a.com", "~b.com"], "b.com:1", false),
            (&["~a.com", "~b.com"], "c.com:1", true),
            (&["~.com", "a.com"], "a.com:1", true),
            (&["~.com", "a.com"], "b.com:1", false),
            (&["~", "~b.com"], "a.com:1", true),
        ] {
            assert_eq!(is_bypassed(lists, target), expected, "{lists:?} {target}");
        }
    }

    #[test]
    fn every_admission_must_admit() {
        let admitted = |lists: &[&str], client: &str| {
            let lists: Vec<_> = lists.iter().map(|list| rules(list)).collect();
            admits(&lists, client.parse().unwrap())
        };
        for (lists, client, expected) in [
            (&["10.0.0.0/8"][..], "10.0.0.1", false),
            (&["10.0.0.0/8"], "11.0.0.1", true),
            (&["~10.0.0.0/8"], "10.0.0.1", true),
            (&["~10.0.0.0/8"], "::ffff:10.0.0.1", true),
            (&["~10.0.0.0/8"], "11.0.0.1", false),
            (&["~"], "10.0.0.1", false),
            (&[""], "10.0.0.1", true),
            (&["~10.0.0.0/8", "10.0.0.1-10.0.0.5"], "10.0.0.3", false),
            (&["~10.0.0.0/8", "10.0.0.1-10.0.0.5"], "10.0.0.6", true),
        ] {
            assert_eq!(admitted(lists, client), expected, "{lists:?} {client}");
        }
    }
}
