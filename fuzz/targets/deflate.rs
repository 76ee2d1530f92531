#![no_main]

use ginnel_core::fuzzing::deflate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| deflate(data));
