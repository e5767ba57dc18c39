//! Any text as options: refused, or the same after a round trip.
#![no_main]

use engine::rctd::RctdOptions;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(options) = RctdOptions::from_json(text) {
        if options.check().is_ok() {
            let again = RctdOptions::from_json(&options.to_json()).expect("own JSON is read");
            assert_eq!(options, again);
        }
    }
});
