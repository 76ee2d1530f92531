#![no_main]

use ginnel_core::fuzzing::handlers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| handlers(data));
