//! `ginnel explain`: every value that counts, where it comes from, and what is unsafe about it.

mod dangers;
mod node;
mod parts;
mod process;
mod service;
mod show;
mod view;

use crate::prepare::Prepared;
use crate::report::{Finding, Topic};

/// What there is to say about a configuration. `Display` is for people, 80 columns wide.
pub struct Explained {
    pub sections: Vec<Section>,
    /// What is wrong, was ignored, repaired or overridden.
    pub remarks: Vec<Finding>,
    pub dangers: Vec<Danger>,
}

/// One service, hop, node or target, or what concerns the whole process.
pub struct Section {
    pub kind: &'static str,
    pub name: String,
    /// How far below the service or chain it stands.
    pub depth: usize,
    pub facts: Vec<Fact>,
}

/// One value.
pub struct Fact {
    pub key: String,
    pub value: String,
    /// `gost.yml:7`, `-L #1`, `environment GOST_API` or `default`.
    pub origin: String,
    /// Why it has no effect.
    pub ignored: Option<String>,
}

/// Something that others can make use of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Danger {
    pub place: String,
    pub text: String,
}

pub fn explain(prepared: &Prepared) -> Explained {
    let (mut dangers, mut remarks) = (Vec::new(), Vec::new());
    for finding in prepared.findings.all() {
        match finding.topic {
            Topic::Unsafe => dangers.push(Danger {
                place: view::short(&finding.place),
                text: finding.text.clone(),
            }),
            _ => remarks.push(finding.clone()),
        }
    }
    dangers.extend(dangers::find(&prepared.config));
    Explained {
        sections: view::sections(prepared),
        remarks,
        dangers,
    }
}
