#![no_main]

use ginnel_core::fuzzing::http1;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| http1(data));
