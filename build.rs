//! Compiles `proto/countersign/v1` without a system protoc, for the daemon alone.
#![expect(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

#[cfg(not(feature = "daemon"))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}

#[cfg(feature = "daemon")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=proto/countersign/v1/events.proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("countersign/v1/events.proto")?;
    // For reflection: tools read the service, comments and all, from the daemon itself.
    std::fs::write(out.join("countersign.v1.bin"), compiler.encode_file_descriptor_set())?;
    let files = compiler.file_descriptor_set();
    tonic_prost_build::configure()
        .build_client(false)
        // An event holds digits and numbers: what it prints is written by hand.
        .skip_debug(["countersign.v1.CallEvent"])
        .emit_rerun_if_changed(false)
        .compile_fds(files.clone())?;
    // What tests and load generators speak with.
    let clients = out.join("clients");
    std::fs::create_dir_all(&clients)?;
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .out_dir(clients)
        .compile_fds(files)?;
    Ok(())
}
