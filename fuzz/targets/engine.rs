#![no_main]

use ginnel_core::fuzzing::engine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| engine(data));
