//! The vendor that the templates are written for, as an author has it: `voice-gateway plugin vendor`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The key that only the host and the vendor know.
pub(crate) const KEY: &str = "k-3f9c1d77";

/// Ends with its value.
pub(crate) struct Vendor {
    program: Child,
    pub(crate) address: String,
}

impl Vendor {
    pub(crate) fn start(mut gateway: Command) -> Self {
        gateway.args(["plugin", "vendor", "--bind", "127.0.0.1:0", "--key", KEY]);
        let mut program = gateway.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split_whitespace().next()).expect(&line).to_owned();
        Self { program, address }
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// A WAV file of silence, 16 bits, one channel.
pub(crate) fn silence_wav(rate_hz: u32, ms: u32) -> Vec<u8> {
    let bytes = rate_hz * ms / 1_000 * 2;
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(rate_hz.to_le_bytes());
    wav.extend((rate_hz * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.resize(44 + bytes as usize, 0);
    wav
}
