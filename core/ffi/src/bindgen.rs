//! Generates the bindings: `cargo run -p sovereign-ffi --features bindgen --bin uniffi-bindgen -- …`.

fn main() {
    uniffi::uniffi_bindgen_main();
}
