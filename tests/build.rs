//! The reference orchestrator speaks what `host/proto/agent.proto` says, by a generator: the gateway's own messages are written by hand, and each
//! proves the other. No `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../host/proto/agent.proto");
    let files = protox::compile(["agent.proto"], ["../host/proto"])?;
    tonic_prost_build::configure().build_client(false).compile_fds(files)?;
    Ok(())
}
