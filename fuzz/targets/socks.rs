#![no_main]

use ginnel_core::fuzzing::socks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| socks(data));
