#![no_main]

use ginnel_core::fuzzing::ws;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| ws(data));
