//! The targets of a forwarding service, and which of its clients each is for.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Overrides, Selector};
use crate::addr::{Host, Target};
use crate::route::access::{Rules, bypassed};
use crate::route::matcher::Matcher;
use crate::route::rule::{Asked, Rule};
use crate::route::sniff::Seen;

/// The targets of a forwarding service.
#[derive(Clone, Debug)]
pub struct Forward {
    pub nodes: Vec<ForwardNode>,
    pub selector: Selector,
}

#[derive(Clone, Debug)]
pub struct ForwardNode {
    pub name: String,
    pub addr: Target,
    pub weight: u32,
    pub backup: bool,
    pub overrides: Overrides,
    pub rules: TargetRules,
}

/// What a client's first bytes have to say for the target to be taken, and what speaks against it.
#[derive(Clone, Debug, Default)]
pub struct TargetRules {
    /// `http`, `tls` or `ssh`; empty for any.
    pub protocol: String,
    /// Whom the client asks for.
    pub host: Option<Matcher>,
    /// The beginning of the path of an HTTP request.
    pub path: String,
    /// The target is not taken for clients who ask for these.
    pub bypasses: Vec<Arc<Rules>>,
    /// In place of protocol, host and path, as gost's later versions say it.
    pub rule: Option<Rule>,
    /// Statuses of HTTP responses that count as failures of the target.
    pub fail_codes: Vec<RangeInclusive<u16>>,
}

impl TargetRules {
    /// `seen` is absent where nothing was looked at.
    pub fn fits(&self, seen: Option<&Seen>) -> bool {
        let seen = seen.unwrap_or(&Seen::Unknown);
        let path = match seen {
            Seen::Http { path, .. } => path,
            _ => "",
        };
        let target = seen.target();
        let rules = self.bypasses.iter().map(AsRef::as_ref);
        if target
            .as_ref()
            .is_some_and(|target| bypassed(rules, target))
        {
            return false;
        }
        let asked = target.map(|target| target.host);
        if let Some(rule) = &self.rule {
            return rule.matches(Asked {
                host: asked.as_ref(),
                protocol: seen.protocol(),
                path,
            });
        }
        let is_asked = |host: &Host, matcher: &Matcher| matcher.matches(host, None);
        let fits_host = self
            .host
            .as_ref()
            .is_none_or(|matcher| asked.as_ref().is_some_and(|host| is_asked(host, matcher)));
        let fits_protocol = self.protocol.is_empty() || self.protocol == seen.protocol();
        fits_protocol && fits_host && path.starts_with(&self.path)
    }

    pub fn is_failure(&self, status: u16) -> bool {
        self.fail_codes.iter().any(|codes| codes.contains(&status))
    }
}
