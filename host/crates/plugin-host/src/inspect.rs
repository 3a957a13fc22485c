//! Looks at a component before it is compiled: what it is, what it wants, what it offers.

use crate::api::Kind;
use crate::load::LoadError;
use wasmparser::{Parser, Payload};

/// Package and version this host speaks.
pub(crate) const PACKAGE: &str = "serphona:speech";
pub(crate) const VERSION: &str = "0.1.0";

/// Interfaces a plugin may import: three with functions, and the type-only ones.
const IMPORTS: [&str; 5] = ["log", "asset", "signing", "types", "link"];

/// Says which kind of plugin the bytes are, or why they are none. Costs a walk over section headers, no compilation.
pub(crate) fn inspect(wasm: &[u8]) -> Result<Kind, LoadError> {
    match wasm {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => return Err(LoadError::CoreModule),
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => {}
        [b'\0', b'a', b's', b'm', ..] if wasm.len() < 8 => return Err(LoadError::Truncated),
        _ => return Err(LoadError::NotWasm),
    }
    let mut depth = 0usize;
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(broken)? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    check_import(import.map_err(broken)?.name.name)?;
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
    kind_of(&exports)
}

fn check_import(name: &str) -> Result<(), LoadError> {
    match interface(name)? {
        Some(interface) if IMPORTS.contains(&interface) => Ok(()),
        _ => Err(LoadError::ForbiddenImport { import: name.to_owned() }),
    }
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
        Some(Kind::Mask) => Err(LoadError::KindUnsupported { kind: Kind::Mask.as_str() }),
        Some(kind) if describes => Ok(kind),
        Some(_) => Err(LoadError::MissingExport { export: "describe" }),
        None => Err(LoadError::MissingExport { export: "stt or tts" }),
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
        let error = check_import("wasi:sockets/tcp@0.2.6").unwrap_err();
        assert_eq!(error.code(), "forbidden-import");
        assert!(error.to_string().contains("wasi:sockets/tcp@0.2.6"));
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
