#![no_main]

use ginnel::fuzzing::yaml;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| yaml(data));
