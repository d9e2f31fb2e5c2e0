//! The simulator's own `getrandom` has to be found by those who look it up at run time.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        for what in ["bins", "examples"] {
            println!("cargo::rustc-link-arg-{what}=-Wl,--export-dynamic-symbol=getrandom");
        }
    }
}
