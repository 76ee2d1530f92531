#![no_main]

use ginnel_core::fuzzing::smux;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| smux(data));
