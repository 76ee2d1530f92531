#![no_main]

use ginnel_core::fuzzing::tls;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| tls(data));
