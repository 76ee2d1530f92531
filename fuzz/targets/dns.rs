#![no_main]

use ginnel_core::fuzzing::dns;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| dns(data));
