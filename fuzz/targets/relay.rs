#![no_main]

use ginnel_core::fuzzing::relay;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| relay(data));
