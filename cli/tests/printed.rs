//! A printed configuration loads to the same configuration again.

use ginnel::config::model::{
    Auth, Auther, Chain, Config, Forwarder, Handler, Hop, Listener, Log, Map, Node, Part, Selector,
    Service, Tls, TlsOptions,
};
use ginnel::config::print::{Output, print};
use ginnel::config::yaml::{self, Format};
use ginnel::duration::Span;
use ginnel::report::Findings;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Words that YAML and JSON might take for something else, and any others.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "yes",
        "no",
        "on",
        "null",
        "~",
        "true",
        "False",
        "007",
        "0x10",
        "0o7",
        "1e3",
        "1_000",
        "1.50",
        "-1",
        "+1",
        ".inf",
        ".nan",
        ":",
        ":80",
        "a: b",
        "- a",
        "-",
        "?",
        "#x",
        "x #y",
        "*a",
        "&a",
        "!t",
        "%x",
        "@x",
        "`x",
        "{a}",
        "[a]",
        "'",
        "\"",
        "\\",
        " x",
        "x ",
        "\t",
        "a\nb",
        "a\n",
        "\na",
        "  a\n b\n\n",
        "|",
        ">",
        "<&>",
        "=",
        "<<",
        "é😀",
        "\u{feff}x",
        "\u{85}",
        "\u{2028}",
        "2001-01-01",
        "12:30:45",
        "---",
        "...",
        "services:",
    ];
    prop_oneof![
        3 => "[a-z0-9.:/-]{1,12}",
        2 => proptest::sample::select(odd.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{1,8}",
    ]
}

/// The same, or nothing.
fn maybe() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), text()]
}

/// Whole milliseconds: a printed number of less than a million nanoseconds reads as seconds.
fn span() -> impl Strategy<Value = Span> {
    prop_oneof![Just(0), 1..100_000i64].prop_map(|millis| Span(millis * 1_000_000))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1000..1000i32).prop_map(|number| Value::from(f64::from(number) / 8.0)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map("[a-z.]{1,6}", inner, 0..3).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Options that no part knows are kept as they are.
fn metadata() -> impl Strategy<Value = Map> {
    btree_map("[a-z][a-z.-]{0,7}", value(), 0..4).prop_map(|map| map.into_iter().collect())
}

fn auth() -> impl Strategy<Value = Auth> {
    (maybe(), maybe(), maybe()).prop_map(|(username, password, file)| Auth {
        username,
        password,
        file,
    })
}

fn tls() -> impl Strategy<Value = Tls> {
    let options = (maybe(), vec(text(), 0..3)).prop_map(|(min_version, alpn)| TlsOptions {
        min_version,
        alpn,
        ..TlsOptions::default()
    });
    (
        maybe(),
        maybe(),
        any::<bool>(),
        maybe(),
        of(options),
        span(),
        vec(text(), 0..3),
    )
        .prop_map(
            |(cert_file, key_file, secure, server_name, options, validity, server_names)| Tls {
                cert_file,
                key_file,
                secure,
                server_name,
                options,
                validity,
                server_names,
                ..Tls::default()
            },
        )
}

fn selector() -> impl Strategy<Value = Selector> {
    (maybe(), any::<i32>(), span(), span()).prop_map(
        |(strategy, max_fails, fail_timeout, max_latency)| Selector {
            strategy,
            max_fails: max_fails.into(),
            fail_timeout,
            max_latency,
        },
    )
}

fn handler() -> impl Strategy<Value = Handler> {
    let names = (maybe(), maybe(), vec(text(), 0..3), maybe());
    (names, of(auth()), any::<i32>(), of(tls()), metadata()).prop_map(
        |((r#type, auther, authers, chain), auth, retries, tls, metadata)| Handler {
            r#type,
            auth,
            auther,
            authers,
            chain,
            retries: retries.into(),
            tls,
            metadata,
            ..Handler::default()
        },
    )
}

fn listener() -> impl Strategy<Value = Listener> {
    (maybe(), maybe(), of(tls()), metadata()).prop_map(|(r#type, chain, tls, metadata)| Listener {
        r#type,
        chain,
        tls,
        metadata,
        ..Listener::default()
    })
}

fn part() -> impl Strategy<Value = Part> {
    (maybe(), of(auth()), of(tls()), metadata()).prop_map(|(r#type, auth, tls, metadata)| Part {
        r#type,
        auth,
        tls,
        metadata,
    })
}

fn node() -> impl Strategy<Value = Node> {
    (maybe(), maybe(), of(part()), of(part()), metadata()).prop_map(
        |(name, addr, connector, dialer, metadata)| Node {
            name,
            addr,
            connector,
            dialer,
            metadata,
            ..Node::default()
        },
    )
}

fn hop() -> impl Strategy<Value = Hop> {
    (maybe(), of(selector()), of(vec(node(), 0..3)), metadata()).prop_map(
        |(name, selector, nodes, metadata)| Hop {
            name,
            selector,
            nodes,
            metadata,
            ..Hop::default()
        },
    )
}

fn service() -> impl Strategy<Value = Service> {
    let target = (maybe(), maybe()).prop_map(|(name, addr)| Node {
        name,
        addr,
        ..Node::default()
    });
    let forwarder =
        (maybe(), of(selector()), vec(target, 0..3)).prop_map(|(hop, selector, nodes)| Forwarder {
            hop,
            selector,
            nodes,
            ..Forwarder::default()
        });
    let rest = (of(text()), vec(text(), 0..3)).prop_map(|(bypass, admissions)| {
        let mut rest = Map::new();
        rest.extend(bypass.map(|name| ("bypass".to_owned(), name.into())));
        if !admissions.is_empty() {
            rest.insert("admissions".to_owned(), admissions.into());
        }
        rest
    });
    let parts = (of(handler()), of(listener()), of(forwarder));
    (maybe(), maybe(), parts, metadata(), rest).prop_map(
        |(name, addr, (handler, listener, forwarder), metadata, rest)| Service {
            name,
            addr,
            handler,
            listener,
            forwarder,
            metadata,
            rest,
            origin: String::new(),
        },
    )
}

fn config() -> impl Strategy<Value = Config> {
    let chain = (maybe(), vec(hop(), 0..3)).prop_map(|(name, hops)| Chain {
        name,
        hops,
        ..Chain::default()
    });
    let auther = (maybe(), vec(auth(), 0..3), of(text())).prop_map(|(name, auths, file)| {
        let mut rest = Map::new();
        rest.extend(file.map(|path| ("file".to_owned(), json!({"path": path}))));
        Auther {
            name,
            auths,
            rest,
            origin: String::new(),
        }
    });
    let bypass =
        (text(), vec(text(), 0..3), any::<bool>()).prop_map(|(name, matchers, is)| {
            match json!({"name": name, "whitelist": is, "matchers": matchers}) {
                Value::Object(map) => map,
                _ => Map::new(),
            }
        });
    let log = (maybe(), maybe()).prop_map(|(level, output)| Log {
        level,
        output,
        ..Log::default()
    });
    let lists = (
        vec(service(), 0..3),
        vec(chain, 0..3),
        vec(hop(), 0..2),
        vec(auther, 0..2),
        vec(bypass, 0..2),
    );
    (lists, of(tls()), of(log), of(text()), any::<bool>()).prop_map(
        |((services, chains, hops, authers, bypasses), tls, log, api, strict)| Config {
            services,
            chains,
            hops,
            authers,
            bypasses,
            tls,
            log,
            api: api.map(|addr| Map::from_iter([("addr".to_owned(), addr.into())])),
            strict,
            ..Config::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_loads_to_the_same(config in config()) {
        for (output, format) in [(Output::Yaml, Format::Yaml), (Output::Json, Format::Json)] {
            let text = print(&config, output);
            let mut findings = Findings::default();
            let mut again = yaml::parse(&text, format, "printed", &mut findings);
            forget_places(&mut again);
            // Options and types that nobody knows are made up here, and with `strict` refused.
            let unreadable = findings.all().iter().find(|one| {
                !one.text.contains("unknown option") && !one.text.contains("expected")
            });
            prop_assert_eq!(unreadable, None, "{}", &text);
            prop_assert_eq!(&again, &config, "{}", &text);
            prop_assert_eq!(print(&again, output), text);
        }
    }
}

fn forget_places(config: &mut Config) {
    for service in &mut config.services {
        service.origin.clear();
        if let Some(handler) = &mut service.handler {
            handler.chain_origin.clear();
        }
    }
    config.authers.iter_mut().for_each(|one| one.origin.clear());
    for chain in &mut config.chains {
        chain.origin.clear();
        chain.hops.iter_mut().for_each(|one| one.origin.clear());
    }
    config.hops.iter_mut().for_each(|one| one.origin.clear());
    for map in &mut config.bypasses {
        map.retain(|key, _| key != "$origin");
    }
}
