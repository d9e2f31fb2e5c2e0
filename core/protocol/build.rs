//! Compiles the wire contract with protox: no protoc on the machine.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("../../proto");
    let files = [
        "sovereign/v1/identity.proto",
        "sovereign/v1/envelope.proto",
        "sovereign/v1/link.proto",
        "sovereign/local/v1/store.proto",
        "sovereign/local/v1/backup.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed={}", root.join(file).display());
    }
    let descriptors = protox::compile(files.map(|file| root.join(file)), [root])?;
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
