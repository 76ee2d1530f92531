//! Objects that query parameters define, and the references to them.

use serde_json::{Value, json};

use super::Names;
use super::parts::Query;
use super::query::positive;
use crate::config::model::{Config, Map};

/// Those that both `-L` and `-F` can define. What is returned refers to them.
pub(super) fn shared(query: &Query, names: &mut Names, config: &mut Config) -> Result<Map, String> {
    let mut objects = Objects::new(names);
    objects.shared(query, None, config)?;
    Ok(objects.references)
}

/// Those of a service.
pub(super) fn of_service(
    query: &Query,
    names: &mut Names,
    config: &mut Config,
) -> Result<Map, String> {
    let mut objects = Objects::new(names);
    if let Some(text) = given(query, "admission") {
        objects.add("admission", &mut config.admissions, |name| {
            matchers("admission", text, name)
        })?;
    }
    objects.shared(query, query.get(&["prefer"]), config)?;
    let traffic = traffic(query)?;
    if !traffic.is_empty() {
        objects.add_limits("limiter", &mut config.limiters, &traffic)?;
    }
    // Zero is no limit, as in gost.
    let limit = |key: &str| given(query, key).filter(|text| *text != "0");
    if let Some(text) = limit("climiter") {
        let line = format!("$ {}", positive("climiter", text)?);
        objects.add_limits("climiter", &mut config.climiters, &[line])?;
    }
    if let Some(text) = limit("rlimiter") {
        let number = text.parse().ok();
        let number = number.filter(|number: &f64| number.is_finite() && *number > 0.0);
        let Some(number) = number else {
            return Err(format!(
                "rlimiter: expected a positive number, got {text:?}"
            ));
        };
        let line = format!("$ {number}");
        objects.add_limits("rlimiter", &mut config.rlimiters, &[line])?;
    }
    Ok(objects.references)
}

/// What one line defines.
struct Objects<'a> {
    names: &'a mut Names,
    references: Map,
}

impl<'a> Objects<'a> {
    fn new(names: &'a mut Names) -> Self {
        Self {
            names,
            references: Map::new(),
        }
    }

    /// `make` is told the name of the object.
    fn add(
        &mut self,
        kind: &'static str,
        list: &mut Vec<Map>,
        make: impl FnOnce(&str) -> Result<Value, String>,
    ) -> Result<(), String> {
        let name = self.names.next(kind);
        if let Value::Object(object) = make(&name)? {
            list.push(object);
        }
        self.references.insert(kind.to_owned(), name.into());
        Ok(())
    }

    fn add_limits(
        &mut self,
        kind: &'static str,
        list: &mut Vec<Map>,
        lines: &[String],
    ) -> Result<(), String> {
        self.add(kind, list, |name| {
            Ok(json!({"name": name, "limits": lines}))
        })
    }

    fn shared(
        &mut self,
        query: &Query,
        prefer: Option<&str>,
        config: &mut Config,
    ) -> Result<(), String> {
        if let Some(text) = given(query, "bypass") {
            self.add("bypass", &mut config.bypasses, |name| {
                matchers("bypass", text, name)
            })?;
        }
        if let Some(text) = given(query, "resolver") {
            self.add("resolver", &mut config.resolvers, |name| {
                resolver(text, prefer, name)
            })?;
        }
        if let Some(text) = given(query, "hosts") {
            self.add("hosts", &mut config.hosts, |name| hosts(text, name))?;
        }
        Ok(())
    }
}

fn given<'q>(query: &'q Query, key: &str) -> Option<&'q str> {
    query.get(&[key]).filter(|text| !text.is_empty())
}

/// `bypass=` and `admission=`: a comma list, turned into a whitelist by a leading `~`.
fn matchers(key: &str, text: &str, name: &str) -> Result<Value, String> {
    let (whitelist, list) = match text.strip_prefix('~') {
        Some(list) => (true, list),
        None => (false, text),
    };
    let matchers: Vec<_> = list.split(',').filter(|one| !one.is_empty()).collect();
    if matchers.is_empty() {
        return Err(format!("{key}: the list is empty"));
    }
    Ok(match whitelist {
        true => json!({"name": name, "whitelist": true, "matchers": matchers}),
        false => json!({"name": name, "matchers": matchers}),
    })
}

fn resolver(text: &str, prefer: Option<&str>, name: &str) -> Result<Value, String> {
    let servers: Vec<_> = text
        .split(',')
        .filter(|one| !one.is_empty())
        .map(|addr| match prefer {
            Some(prefer) => json!({"addr": addr, "prefer": prefer}),
            None => json!({"addr": addr}),
        })
        .collect();
    if servers.is_empty() {
        return Err("resolver: the list is empty".to_owned());
    }
    Ok(json!({"name": name, "nameservers": servers}))
}

fn hosts(text: &str, name: &str) -> Result<Value, String> {
    let mappings: Vec<_> = text
        .split(',')
        .filter_map(|one| one.split_once(':'))
        .map(|(host, ip)| json!({"ip": ip, "hostname": host}))
        .collect();
    if mappings.is_empty() {
        return Err(format!("hosts: expected name:address, got {text:?}"));
    }
    Ok(json!({"name": name, "mappings": mappings}))
}

/// The lines of a limiter: `$` for the service, `$$` for each connection.
fn traffic(query: &Query) -> Result<Vec<String>, String> {
    let side = |key: &str| match given(query, key) {
        Some(text) if !is_size(text) => {
            Err(format!("{key}: expected a size such as 10MB, got {text:?}"))
        }
        found => Ok(found),
    };
    let mut lines = Vec::new();
    let pairs = [
        ("$", "limiter.in", "limiter.out"),
        ("$$", "limiter.conn.in", "limiter.conn.out"),
    ];
    for (scope, input, output) in pairs {
        let (input, output) = (side(input)?, side(output)?);
        if input.is_none() && output.is_none() {
            continue;
        }
        // A gap in front would be read as the other side.
        let (input, output) = (input.unwrap_or("0"), output.unwrap_or_default());
        lines.push(format!("{scope} {input} {output}"));
    }
    Ok(lines)
}

/// `1.5MB`, `10KiB`, sums; a number needs its unit, in upper case.
fn is_size(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if digits.len() == rest.len() {
            return false;
        }
        let scaled = digits.trim_start_matches(['K', 'M', 'G', 'T', 'P', 'E']);
        if digits.len() - scaled.len() > 1 {
            return false;
        }
        let Some(after) = scaled
            .strip_prefix("iB")
            .or_else(|| scaled.strip_prefix('B'))
        else {
            return false;
        };
        rest = after;
    }
    !text.is_empty()
}
