#![no_main]

use ginnel::fuzzing::flags;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flags(data));
