#![no_main]

use ginnel_core::fuzzing::proxy_protocol;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| proxy_protocol(data));
