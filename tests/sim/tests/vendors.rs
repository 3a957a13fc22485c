//! Our plugins against the simulators of their vendors, and these against what is known of the vendors.
//!
//! One program: each says for seconds what a caller would and does little but wait meanwhile, so that those of all vendors run beside one another.

mod aws;
mod azure;
mod conformance;
mod deepgram;
mod elevenlabs;
mod google;
mod openai;
mod own;
mod preconnect;
mod readmes;
