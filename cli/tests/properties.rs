//! Whatever is typed: an answer, never a panic.

use std::io::Cursor;

use ginnel::config::load::load;
use ginnel::config::print::{Output, print};
use ginnel::config::yaml::{self, Format};
use ginnel::flags::{self, Flags};
use ginnel::report::Findings;
use proptest::prelude::*;

/// Pieces that URLs and their mistakes are made of.
fn line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("wss".to_owned()),
        Just("http+".to_owned()),
        Just("relay".to_owned()),
        Just("://".to_owned()),
        Just("unix".to_owned()),
        Just("u:p@".to_owned()),
        Just("[::1]".to_owned()),
        Just(":8080-8082".to_owned()),
        Just(":443".to_owned()),
        Just("/".to_owned()),
        Just("a:1,b:2".to_owned()),
        Just("?".to_owned()),
        Just("&auth=dTpw".to_owned()),
        Just("path=%2f".to_owned()),
        Just("&listener.backlog=1".to_owned()),
        Just("&bypass=~x&hosts=a:b".to_owned()),
        Just("%".to_owned()),
        Just("#".to_owned()),
        "\\PC{0,3}",
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn lines_are_read_or_refused(services in proptest::collection::vec(line(), 1..3), node in line()) {
        let flags = Flags { services, nodes: vec![node], api: Some(String::new()), ..Flags::default() };
        let loaded = load(&flags, &|_| None, &mut Cursor::new(""));
        if loaded.findings.has_errors() {
            return Ok(());
        }
        // What was accepted prints as a configuration that reads back the same.
        let text = print(&loaded.config, Output::Yaml);
        let mut findings = Findings::default();
        let again = yaml::parse(&text, Format::Yaml, "printed", &mut findings);
        prop_assert!(!findings.has_errors(), "{findings:?}\n{text}");
        prop_assert_eq!(print(&again, Output::Yaml), text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}", yaml in "([ \t]{0,4}[-:{}a-z, \"]{0,8}\n){0,6}") {
        for text in [&text, &yaml] {
            let flags = Flags { services: vec![text.clone()], nodes: vec![text.clone()], ..Flags::default() };
            load(&flags, &|_| None, &mut Cursor::new(""));
            yaml::parse(text, Format::Yaml, "any", &mut Findings::default());
            yaml::parse(text, Format::Json, "any", &mut Findings::default());
        }
        let _ = flags::parse([text]);
    }
}
