//! The files that projects are made of, as they were when this program was built.

macro_rules! shelf {
    ($(#[$doc:meta])* $name:ident from $folder:literal: $($path:literal)*) => {
        $(#[$doc])*
        pub(crate) const $name: &[(&str, &str)] = &[$(($path, include_str!(concat!("../../../../plugins/", $folder, $path)))),*];
    };
}

shelf! {
    /// `plugins/templates`: for every language what all kinds share, and a folder for each kind.
    TEMPLATES from "templates/":
    "README.md" "c/Makefile" "c/build.md" "c/faults.c" "c/faults.h" "c/mask/plugin.c" "c/stt/plugin.c" "c/stt/world.h"
    "c/tts/plugin.c" "c/tts/world.h" "gitignore" "go/build.md" "go/faults/faults.go" "go/go.sum"
    "go/mask/export_serphona_speech_describe/describe.go" "go/mask/export_serphona_speech_mask/masker.go"
    "go/stt/export_serphona_speech_describe/describe.go" "go/stt/export_serphona_speech_stt/session.go"
    "go/tts/export_serphona_speech_describe/describe.go" "go/tts/export_serphona_speech_tts/session.go" "js/build.md"
    "js/faults.js" "js/mask/plugin.js" "js/mask/plugin.test.js" "js/package.json" "js/stt/plugin.js" "js/stt/plugin.test.js"
    "js/tts/plugin.js" "js/tts/plugin.test.js" "policy.toml" "python/build.md" "python/faults.py" "python/mask/app.py"
    "python/mask/mask.py" "python/mask/test_plugin.py" "python/requirements.txt" "python/stt/app.py" "python/stt/stt.py"
    "python/stt/test_plugin.py" "python/tts/app.py" "python/tts/test_plugin.py" "python/tts/tts.py" "rust/Cargo.toml"
    "rust/build.md" "rust/cargo-config.toml" "rust/mask/src/lib.rs" "rust/sdk.toml" "rust/stt/src/lib.rs" "rust/tts/src/lib.rs"
}

shelf! {
    /// The guest library for Rust.
    SDK from "sdk/src/":
    "audio.rs" "bindings.rs" "describe.rs" "fault.rs" "imports.rs" "lib.rs" "link.rs" "mask.rs" "options.rs" "stt.rs" "task.rs"
    "testing.rs" "tts.rs" "tts/silence.rs" "tts/texts.rs"
}

shelf! {
    /// Parts of the C template that the local listener uses too.
    C_PARTS from "stt-local/src/":
    "json.c" "json.h"
}

/// The text of a template's file; empty where there is none, which a test would notice.
pub(crate) fn text(path: &str) -> &'static str {
    TEMPLATES.iter().find(|(name, _)| *name == path).map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn paths(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                paths(&entry.path(), &format!("{name}/"), found);
            } else {
                found.push(name);
            }
        }
    }

    #[test]
    fn no_file_is_forgotten_on_the_shelf() {
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugins");
        for (folder, shelf) in [("templates", TEMPLATES), ("sdk/src", SDK)] {
            let mut found = Vec::new();
            paths(&plugins.join(folder), "", &mut found);
            found.sort();
            let mut listed: Vec<&str> = shelf.iter().map(|(path, _)| *path).collect();
            listed.sort_unstable();
            assert_eq!(listed, found, "{folder}");
        }
    }
}
