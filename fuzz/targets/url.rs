#![no_main]

use ginnel::fuzzing::url;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| url(data));
