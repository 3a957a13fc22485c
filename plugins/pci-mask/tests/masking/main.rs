//! What the masker finds, what it leaves alone, and what never leaves it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test says its figures and stops where it fails")]

mod dice;
mod measure;
mod speech;
mod labelled;
mod generated;
mod walks;
mod policy;
