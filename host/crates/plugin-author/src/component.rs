//! From a core module, where the tools of Go and C end, to a component.

use crate::contract::{self, Kind};
use std::collections::BTreeMap;
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemArg, MemoryType, Module,
    TypeSection, ValType as Type,
};
use wasmparser::{FuncType, Parser, Payload, TypeRef};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// What compilers for `wasip1` import.
const PREVIEW1: &str = "wasi_snapshot_preview1";
/// `ERRNO_BADF` of WASI preview 1: there is no such file.
const BADF: i32 = 8;
/// A second: Go's runtime does not accept that time has not begun.
const CLOCK_NS: i64 = 1_000_000_000;

/// Why a core module cannot become a plugin.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// It is no WebAssembly module.
    #[error("not a core module of WebAssembly")]
    NotAModule(#[source] wasmparser::BinaryReaderError),
    /// It does not fit the world.
    #[error("the module is no {world}: {detail}")]
    Misfit {
        /// Of the contract.
        world: &'static str,
        /// What is missing or too much.
        detail: String,
    },
}

impl ComponentError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAModule(_) => "not-a-module",
            Self::Misfit { .. } => "misfit",
        }
    }
}

/// The component of a core module that was built with the bindings of a [`project`](crate::project).
///
/// What its language's runtime wants of WASI preview 1 is answered inside the component: no files, no environment, a clock that stands
/// still, randomness that is none, and the session's end where it would wait or exit. So the component imports nothing but the contract.
///
/// # Errors
/// Where the bytes are no core module, or not one of this world.
pub fn component_of_core(core: &[u8], kind: Kind) -> Result<Vec<u8>, ComponentError> {
    let misfit = |detail: &dyn std::fmt::Display| ComponentError::Misfit { world: kind.world(), detail: format!("{detail:#}") };
    let wanted = preview1_imports(core).map_err(ComponentError::NotAModule)?;
    let (resolve, world) = contract::resolve(kind);
    let mut module = core.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(|error| misfit(&error))?;
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module).map_err(|error| misfit(&error))?;
    if !wanted.is_empty() {
        encoder.adapter(PREVIEW1, &nothing_outside(&wanted)).map_err(|error| misfit(&error))?;
    }
    encoder.encode().map_err(|error| misfit(&error))
}

/// Functions of preview 1 that the module imports, each once.
fn preview1_imports(core: &[u8]) -> Result<BTreeMap<String, FuncType>, wasmparser::BinaryReaderError> {
    let (mut types, mut wanted) = (Vec::new(), BTreeMap::new());
    for payload in Parser::new(0).parse_all(core) {
        match payload? {
            Payload::TypeSection(section) => {
                for group in section.into_iter_err_on_gc_types() {
                    types.push(group?);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    if let (PREVIEW1, TypeRef::Func(index)) = (import.module, import.ty)
                        && let Some(signature) = types.get(index as usize)
                    {
                        wanted.insert(import.name.to_owned(), signature.clone());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(wanted)
}

/// An adapter module that answers these functions from an empty world.
fn nothing_outside(wanted: &BTreeMap<String, FuncType>) -> Vec<u8> {
    let mut imports = ImportSection::new();
    let memory = MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import("env", "memory", EntityType::Memory(memory));
    let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    for (index, (name, signature)) in (0..).zip(wanted) {
        let plain = |types: &[wasmparser::ValType]| types.iter().map(|ty| plain_type(*ty)).collect::<Vec<_>>();
        types.ty().function(plain(signature.params()), plain(signature.results()));
        functions.function(index);
        exports.export(name, ExportKind::Func, index);
        code.function(&answer(name, signature));
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

/// Preview 1 passes nothing but integers.
fn plain_type(ty: wasmparser::ValType) -> Type {
    if ty == wasmparser::ValType::I64 { Type::I64 } else { Type::I32 }
}

fn answer(name: &str, signature: &FuncType) -> Function {
    let at = |align| MemArg { offset: 0, align, memory_index: 0 };
    let mut body = Function::new([]);
    let mut say = body.instructions();
    match name {
        "proc_exit" => drop(say.unreachable()),
        "args_sizes_get" | "environ_sizes_get" => {
            say.local_get(0).i32_const(0).i32_store(at(2)).local_get(1).i32_const(0).i32_store(at(2)).i32_const(0);
        }
        "clock_time_get" => {
            say.local_get(2).i64_const(CLOCK_NS).i64_store(at(3)).i32_const(0);
        }
        "args_get" | "environ_get" | "random_get" | "sched_yield" => {
            say.i32_const(0);
        }
        // Waiting would never end: whoever calls this has waited.
        "poll_oneoff" => drop(say.unreachable()),
        _ if signature.results().is_empty() => {}
        _ => {
            say.i32_const(BADF);
        }
    }
    say.end();
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_or_no_plugin_is_told_apart() {
        assert_eq!(component_of_core(b"RIFF", Kind::Stt).unwrap_err().code(), "not-a-module");
        let empty = Module::new().finish();
        let error = component_of_core(&empty, Kind::Mask).unwrap_err();
        assert_eq!(error.code(), "misfit");
        assert!(error.to_string().contains("mask-plugin"), "{error}");
    }

    #[test]
    fn nothing_of_the_outside_is_left_to_be_imported() {
        let wanted = [
            ("fd_write", FuncType::new([wasmparser::ValType::I32; 4], [wasmparser::ValType::I32])),
            (
                "clock_time_get",
                FuncType::new(
                    [wasmparser::ValType::I32, wasmparser::ValType::I64, wasmparser::ValType::I32],
                    [wasmparser::ValType::I32],
                ),
            ),
            ("proc_exit", FuncType::new([wasmparser::ValType::I32], [])),
        ];
        let adapter = nothing_outside(&wanted.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect());
        assert!(preview1_imports(&adapter).unwrap().is_empty());
    }
}
