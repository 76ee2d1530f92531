//! The explanation as text of 80 columns, and as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::{Explained, Fact, Section};
use crate::help::wrap;
use crate::report::Severity;

const WIDTH: usize = 80;
/// Column of the values.
const VALUES: usize = 34;

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for section in &self.sections {
            section.fmt(f)?;
        }
        if !self.remarks.is_empty() {
            writeln!(f, "wrong, ignored, repaired or overridden")?;
            for severity in [Severity::Error, Severity::Warning, Severity::Note] {
                for one in self.remarks.iter().filter(|one| one.severity == severity) {
                    f.write_str(&item(&one.to_string()))?;
                }
            }
            writeln!(f)?;
        }
        if self.dangers.is_empty() {
            return writeln!(f, "unsafe: nothing found");
        }
        writeln!(f, "unsafe")?;
        for danger in &self.dangers {
            f.write_str(&item(&format!("{}: {}", danger.place, danger.text)))?;
        }
        Ok(())
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent = self.depth * 2;
        let title = format!("{:indent$}{} {}", "", self.kind, self.name);
        writeln!(f, "{}", title.trim_end())?;
        for fact in &self.facts {
            f.write_str(&line(fact, indent + 2))?;
        }
        writeln!(f)
    }
}

/// Name, value, and at the right edge the origin; on a second line where they do not fit.
fn line(fact: &Fact, indent: usize) -> String {
    let key = format!("{:indent$}{}", "", fact.key);
    let mut text = match width(&key) < VALUES {
        true => format!("{key:<VALUES$}{}", fact.value),
        false => format!("{key}  {}", fact.value),
    };
    if let Some(why) = &fact.ignored {
        text.push_str(&format!(" (no effect: {why})"));
    }
    let mut lines: Vec<String> = Vec::new();
    if width(&text) > WIDTH {
        lines.push(key.clone());
        let rest = &text[key.len()..];
        lines.extend(wrap(rest.trim(), indent + 4).lines().map(str::to_owned));
    } else {
        lines.push(text);
    }
    let last = lines.last().map_or(0, |last| width(last));
    let right = |gap: usize| format!("{:>gap$}", fact.origin);
    match lines
        .last_mut()
        .filter(|_| last + 2 + width(&fact.origin) <= WIDTH)
    {
        Some(line) => line.push_str(&right(WIDTH - last)),
        None => lines.push(right(WIDTH)),
    }
    lines.join("\n") + "\n"
}

fn item(text: &str) -> String {
    let wrapped = wrap(text, 4);
    format!("  - {}", &wrapped[4..])
}

fn width(text: &str) -> usize {
    text.chars().count()
}

impl Explained {
    pub fn to_json(&self) -> String {
        let sections: Vec<_> = self.sections.iter().map(section).collect();
        let remarks: Vec<_> = self
            .remarks
            .iter()
            .map(|one| {
                let severity = match one.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                    Severity::Note => "note",
                };
                json!({"severity": severity, "place": one.place, "text": one.text})
            })
            .collect();
        let dangers: Vec<_> = self
            .dangers
            .iter()
            .map(|one| json!({"place": one.place, "text": one.text}))
            .collect();
        let all = json!({"sections": sections, "remarks": remarks, "unsafe": dangers});
        serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
    }
}

fn section(section: &Section) -> Value {
    let values: Vec<_> = section
        .facts
        .iter()
        .map(|fact| {
            let mut value = json!({"key": fact.key, "value": fact.value, "origin": fact.origin});
            if let Some(why) = &fact.ignored {
                value["ignored"] = why.as_str().into();
            }
            value
        })
        .collect();
    json!({
        "kind": section.kind,
        "name": section.name,
        "depth": section.depth,
        "values": values,
    })
}
