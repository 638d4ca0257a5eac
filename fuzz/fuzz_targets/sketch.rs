//! Sketch files: any bytes are refused or read, and what was read is written and read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore::{Policy, Sketch};

fuzz_target!(|data: &[u8]| {
    let Ok(sketch) = Sketch::from_bytes(data) else { return };
    let bytes = sketch.to_bytes();
    let again = Sketch::from_bytes(&bytes).expect("what was written is read");
    assert_eq!(again.to_bytes(), bytes);
    let _ = Policy::default().resolve(&sketch);
});
