//! A new project: the template of its language and kind with its name filled in, beside the contract.

use crate::contract::{self, Kind, WIT};
use crate::name::PluginName;
use crate::shelf;

/// A language that there is a template for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Compiled to a component by cargo.
    Rust,
    /// Run by QuickJS inside the component.
    Js,
    /// Run by CPython inside the component.
    Python,
    /// Compiled by Go for wasip1.
    Go,
    /// Compiled by clang or zig.
    C,
}

/// A file of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative to the project, with slashes.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rust, Self::Js, Self::Python, Self::Go, Self::C];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
        }
    }
}

/// A project that builds with its language's ordinary tools to a working plugin: stt over a WebSocket, tts over HTTP, or a mask of card
/// numbers. Paths are unique; nothing in it needs this machine.
pub fn project(language: Language, kind: Kind, name: &PluginName) -> Vec<File> {
    let mut files = template(language, kind, name);
    files.extend(WIT.iter().map(|(file, text)| File { path: format!("wit/{file}"), text: (*text).to_owned() }));
    match language {
        Language::Rust => files.extend(sdk()),
        Language::Go => files.extend(go_bindings(kind)),
        Language::C => files.extend(c_bindings(kind)),
        Language::Js | Language::Python => {}
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn template(language: Language, kind: Kind, name: &PluginName) -> Vec<File> {
    let own = format!("{}/", language.as_str());
    let of_kind = format!("{}/", kind.as_str());
    let build = shelf::text(&format!("{own}build.md"));
    let mut files = Vec::new();
    for (path, text) in shelf::TEMPLATES {
        let path = match path.strip_prefix(&own) {
            Some("build.md") => continue,
            Some(path) => match path.split_once('/') {
                Some(_) if path.starts_with(&of_kind) => &path[of_kind.len()..],
                Some((folder, _)) if Kind::ALL.iter().any(|kind| kind.as_str() == folder) => continue,
                // A mask has no links that could fail.
                _ if kind == Kind::Mask && path.starts_with("faults") => continue,
                _ => path,
            },
            // What is for all languages lies beside them. A mask reaches nobody.
            None if path.contains('/') || (kind == Kind::Mask && *path == "policy.toml") => continue,
            None => path,
        };
        let text = text.replace("{build}", build.trim_end()).replace("{run}", run(kind));
        files.push(File { path: placed(language, path), text: filled(&text, kind, name) });
    }
    if language == Language::C && kind != Kind::Mask {
        files.extend(shelf::C_PARTS.iter().map(|(path, text)| File { path: format!("src/{path}"), text: (*text).to_owned() }));
    }
    files
}

/// Some files cannot lie in the checkout under the name they need.
fn placed(language: Language, path: &str) -> String {
    match path {
        path if language == Language::C && path.ends_with(['c', 'h']) => format!("src/{path}"),
        "cargo-config.toml" => ".cargo/config.toml".to_owned(),
        "sdk.toml" => "sdk/Cargo.toml".to_owned(),
        "gitignore" => ".gitignore".to_owned(),
        other => other.to_owned(),
    }
}

fn filled(text: &str, kind: Kind, name: &PluginName) -> String {
    let (host, recorded, policy) = match kind {
        Kind::Stt => ("wss://api.example.com", " --session session.jsonl", " --policy policy.toml"),
        Kind::Tts => ("https://api.example.com", " --session session.jsonl", " --policy policy.toml"),
        Kind::Mask => ("", "", ""),
    };
    text.replace(" --policy policy.toml", policy)
        .replace(" {recorded}", recorded)
        .replace("{host}", host)
        .replace("{kind}", kind.as_str())
        .replace("kind-plugin", kind.world())
        .replace("serphona_speech_kind", &format!("serphona_speech_{}", kind.as_str()))
        .replace("plugin-name", name.as_str())
        .replace("plugin_name", &name.snake())
}

/// One session on this machine, by kind.
fn run(kind: Kind) -> &'static str {
    match kind {
        Kind::Stt => {
            "voice-gateway plugin vendor                       # in a terminal of its own: the vendor that this was begun for\n\
             echo '{\"endpoint\":\"http://127.0.0.1:8080\"}' > options.json\n\
             API_KEY=test voice-gateway plugin run plugin-name.wasm --in speech.wav --secret api_key=env:API_KEY \\\n    \
             --options options.json --policy policy.toml --record session.jsonl"
        }
        Kind::Tts => {
            "voice-gateway plugin vendor                       # in a terminal of its own: the vendor that this was begun for\n\
             echo '{\"endpoint\":\"http://127.0.0.1:8080\"}' > options.json\n\
             API_KEY=test voice-gateway plugin run plugin-name.wasm --text \"Good morning.\" --secret api_key=env:API_KEY \\\n    \
             --options options.json --policy policy.toml --out speech.wav --record session.jsonl"
        }
        Kind::Mask => {
            "echo '{\"id\":1,\"text\":\"4111 1111 1111 1111\",\"lang\":\"en-US\",\"source\":\"caller\",\"conversation\":\"a\",\"partial\":false}' |\n    \
             voice-gateway plugin run plugin-name.wasm --stdin"
        }
    }
}

/// The guest library as it is here: it is on no registry, and a plugin is built against the contract it was begun with.
fn sdk() -> impl Iterator<Item = File> {
    shelf::SDK.iter().map(|(path, text)| {
        // In the checkout the contract lies two folders up.
        File { path: format!("sdk/src/{path}"), text: text.replace("\"../../wit\"", "\"../wit\"") }
    })
}

fn c_bindings(kind: Kind) -> Vec<File> {
    // The type object would be a binary input of the link; the component's last step embeds the types instead.
    let options = wit_bindgen_c::Opts { no_object_file: true, ..Default::default() };
    generated(options.build(), kind, "bindings/")
}

fn go_bindings(kind: Kind) -> Vec<File> {
    // The layout is the author's to look at: by gofmt only where it is there, so better never.
    let options = wit_bindgen_go::Opts { format: wit_bindgen_go::Format::False, ..Default::default() };
    generated(options.build(), kind, "")
}

fn generated(mut generator: Box<dyn wit_bindgen_core::WorldGenerator>, kind: Kind, folder: &str) -> Vec<File> {
    let (mut resolve, world) = contract::resolve(kind);
    let mut files = wit_bindgen_core::Files::default();
    generator
        .generate(&mut resolve, world, &mut files)
        .expect("the contract uses nothing that a generator lacks: a test makes all");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    files.iter().map(|(path, bytes)| File { path: format!("{folder}{path}"), text: text(bytes) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_project_is_whole_and_bears_its_name() {
        let name: PluginName = "stt-acme-2".parse().unwrap();
        for (language, kind) in Language::ALL.into_iter().flat_map(|language| Kind::ALL.map(|kind| (language, kind))) {
            let files = project(language, kind, &name);
            let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
            assert_eq!(paths.len(), files.len(), "{language:?} {kind:?}: a path twice");
            assert!(paths.contains("README.md") && paths.contains("wit/worlds.wit"), "{language:?} {kind:?}: {paths:?}");
            assert!(files.iter().any(|file| file.text.contains("stt-acme-2")));
            // Bindings are made, not filled in, and have names of their own.
            for file in files.iter().filter(|file| !file.path.starts_with("bindings/")) {
                let left = [
                    "plugin-name",
                    "plugin_name",
                    "kind-plugin",
                    "speech_kind",
                    "{build}",
                    "{run}",
                    "{kind}",
                    "{host}",
                    "{recorded}",
                ];
                let left = left.iter().find(|token| file.text.contains(*token));
                assert_eq!(left, None, "{language:?} {kind:?}: {}", file.path);
            }
        }
    }
}
