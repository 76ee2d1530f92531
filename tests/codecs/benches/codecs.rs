//! How long the codecs take: `cargo bench -p ginnel-codecs`, with a word to take only cases that hold it.

use divan::Bencher;
use divan::counter::BytesCount;
use ginnel_codecs::{Case, cases};

fn main() {
    divan::main();
}

fn names() -> Vec<String> {
    cases().into_iter().map(|case| case.name).collect()
}

#[divan::bench(args = names())]
fn codec(bencher: Bencher, name: &str) {
    let case: Case = cases()
        .into_iter()
        .find(|case| case.name == name)
        .expect("one of the cases");
    let bencher = bencher.with_inputs(|| case.work(1));
    match case.bytes {
        0 => bencher.bench_local_values(|mut work| work()),
        bytes => bencher
            .counter(BytesCount::new(bytes))
            .bench_local_values(|mut work| work()),
    }
}
