//! Looks at a component before it is compiled: what it is, what it wants, what it offers.

use crate::api::Kind;
use crate::limits::{NAME_BYTES, cut};
use crate::load::LoadError;
use crate::wasi;
use wasmparser::{MemoryType, Parser, Payload};

/// Package and version this host speaks.
pub(crate) const PACKAGE: &str = "serphona:speech";
pub(crate) const VERSION: &str = "0.1.0";

/// Interfaces of ours that hold only types.
const TYPES: [&str; 2] = ["types", "link"];
/// Those with functions. A mask imports none of them, and nothing else.
const FUNCTIONS: [&str; 3] = ["log", "asset", "signing"];

/// What a component is before it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inspected {
    /// By its exports.
    pub(crate) kind: Kind,
    /// It brings its language's runtime along, which imports WASI.
    pub(crate) runtime: bool,
    /// Interfaces that it imports, in its own order.
    pub(crate) imports: Vec<String>,
}

/// Says which kind of plugin the bytes are, or why they are none. Costs a walk over section headers, no compilation.
pub(crate) fn inspect(wasm: &[u8]) -> Result<Inspected, LoadError> {
    match wasm {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => return Err(LoadError::CoreModule),
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => {}
        [b'\0', b'a', b's', b'm', ..] if wasm.len() < 8 => return Err(LoadError::Truncated),
        _ => return Err(LoadError::NotWasm),
    }
    let mut depth = 0usize;
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(broken)? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::MemorySection(memories) => {
                for memory in memories {
                    check_memory(memory.map_err(broken)?)?;
                }
            }
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    imports.push(import.map_err(broken)?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    exports.push(export.map_err(broken)?.name.name);
                }
            }
            _ => {}
        }
    }
    for import in &imports {
        check_import(import)?;
    }
    let kind = kind_of(&exports)?;
    if kind == Kind::Mask
        && let Some(import) = imports.iter().find(|import| !only_types(import))
    {
        return Err(LoadError::ForbiddenImport { import: (*import).to_owned() });
    }
    let runtime = imports.iter().any(|import| wasi::interface(import).is_some());
    Ok(Inspected { kind, runtime, imports: imports.into_iter().map(str::to_owned).collect() })
}

/// No budget would cover them.
fn check_memory(memory: MemoryType) -> Result<(), LoadError> {
    if memory.memory64 || memory.shared {
        return Err(LoadError::Refused { detail: "it has a shared memory, or one of 64 bits".to_owned() });
    }
    Ok(())
}

fn check_import(name: &str) -> Result<(), LoadError> {
    match interface(name)? {
        Some(interface) if TYPES.contains(&interface) || FUNCTIONS.contains(&interface) => Ok(()),
        None if wasi::interface(name).is_some() => Ok(()),
        _ => Err(LoadError::ForbiddenImport { import: cut(name.to_owned(), NAME_BYTES) }),
    }
}

fn only_types(import: &str) -> bool {
    matches!(interface(import), Ok(Some(interface)) if TYPES.contains(&interface))
}

fn kind_of(exports: &[&str]) -> Result<Kind, LoadError> {
    let mut kind = None;
    let mut describes = false;
    for name in exports {
        match interface(name)? {
            Some("describe") => describes = true,
            Some("stt") => kind = Some(Kind::Stt),
            Some("tts") => kind = Some(Kind::Tts),
            Some("mask") => kind = Some(Kind::Mask),
            _ => {}
        }
    }
    match kind {
        Some(kind) if describes => Ok(kind),
        Some(_) => Err(LoadError::MissingExport { export: "describe" }),
        None => Err(LoadError::MissingExport { export: "stt, tts or mask" }),
    }
}

/// The interface of our package that `name` means; none for a foreign package, an error for another version of ours.
fn interface(name: &str) -> Result<Option<&str>, LoadError> {
    let Some(rest) = name.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix('/')) else {
        return Ok(None);
    };
    match rest.split_once('@') {
        Some((interface, VERSION)) => Ok(Some(interface)),
        found => Err(LoadError::Version {
            found: format!("{PACKAGE}@{}", found.map_or("(none)", |(_, version)| version)),
            supported: format!("{PACKAGE}@{VERSION}"),
        }),
    }
}

fn broken(error: wasmparser::BinaryReaderError) -> LoadError {
    if error.message().contains("unexpected end") {
        LoadError::Truncated
    } else {
        LoadError::Malformed { detail: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_imports_pass_and_the_others_are_named() {
        check_import("serphona:speech/log@0.1.0").unwrap();
        check_import("serphona:speech/types@0.1.0").unwrap();
        check_import("wasi:random/random@0.2.6").unwrap();
        let error = check_import("wasi:nn/graph@0.2.6").unwrap_err();
        assert_eq!(error.code(), "forbidden-import");
        assert!(error.to_string().contains("wasi:nn/graph@0.2.6"));
        assert_eq!(check_import("serphona:speech/stt@0.1.0").unwrap_err().code(), "forbidden-import");
    }

    #[test]
    fn another_version_is_refused_naming_both() {
        let error = kind_of(&["serphona:speech/stt@0.2.0"]).unwrap_err();
        assert_eq!(error.code(), "version");
        let text = error.to_string();
        assert!(text.contains("serphona:speech@0.2.0") && text.contains("serphona:speech@0.1.0"), "{text}");
    }

    #[test]
    fn a_plugin_must_describe_itself() {
        assert_eq!(kind_of(&["serphona:speech/stt@0.1.0"]).unwrap_err().code(), "missing-export");
        assert_eq!(kind_of(&[]).unwrap_err().code(), "missing-export");
        let whole = ["serphona:speech/describe@0.1.0", "serphona:speech/tts@0.1.0"];
        assert_eq!(kind_of(&whole).unwrap(), Kind::Tts);
    }

    #[test]
    fn other_files_are_told_apart() {
        assert_eq!(inspect(b"RIFF....WAVE").unwrap_err().code(), "not-wasm");
        assert_eq!(inspect(b"").unwrap_err().code(), "not-wasm");
        assert_eq!(inspect(b"\0asm\x01\0\0\0").unwrap_err().code(), "core-module");
        assert_eq!(inspect(b"\0asm\x0d\0").unwrap_err().code(), "truncated");
        assert_eq!(inspect(b"\0asm\x0d\0\x01\0").unwrap_err().code(), "missing-export");
    }
}
