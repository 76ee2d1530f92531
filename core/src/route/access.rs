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

/// Socket files that clients may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SocketFiles {
    #[default]
    None,
    All,
    /// Paths, and folders, which end with a slash, with all below them.
    Listed(Vec<String>),
}

impl SocketFiles {
    /// What leads out of a folder by `..` is not below it.
    pub fn allow(&self, path: &str) -> bool {
        let list = match self {
            Self::None => return false,
            Self::All => return !path.is_empty() && !path.contains('\0'),
            Self::Listed(list) => list,
        };
        let plain = !path.ends_with('/') && path.split('/').all(|part| part != "..");
        let has = |one: &String| match one.ends_with('/') {
            true => path.starts_with(one.as_str()),
            false => path == one,
        };
        plain && !path.contains('\0') && list.iter().any(has)
    }
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

    #[test]
    fn socket_files_are_reached_by_path_or_by_folder() {
        let list = ["/run/app.sock".to_owned(), "/srv/".to_owned()];
        let listed = SocketFiles::Listed(list.to_vec());
        for (path, by_list, by_all) in [
            ("/run/app.sock", true, true),
            ("/run/app.sock2", false, true),
            ("/srv/a/b", true, true),
            ("/srv", false, true),
            ("/srv/", false, true),
            ("/srv/../run/docker.sock", false, true),
            ("/srv/..a", true, true),
            ("/srv/a\0", false, false),
            ("srv/a", false, true),
            ("", false, false),
        ] {
            assert_eq!(listed.allow(path), by_list, "{path:?}");
            assert_eq!(SocketFiles::All.allow(path), by_all, "{path:?}");
            assert!(!SocketFiles::None.allow(path), "{path:?}");
        }
    }
}
