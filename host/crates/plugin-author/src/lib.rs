//! What a plugin's author starts from: a working project in the language of choice, and the last step of languages whose own
//! tools end at a core module.
//!
//! Everything is part of the program: the contract, the templates, the SDK. Nothing is read or fetched. This crate knows no files
//! (callers write what they are given), no engine and no host.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod component;
mod contract;
mod name;
mod project;
mod shelf;

pub use component::{ComponentError, component_of_core};
pub use contract::{Kind, WIT};
pub use name::{NameError, PluginName};
pub use project::{File, Language, project};
