//! What the house promises on paper is so: commands exist, files exist, the plugin contract is documented item by item.
#![allow(clippy::unwrap_used, clippy::panic)]

mod checkout;

use checkout::{repo, sources};

const PAPERS: &[&str] = &["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"];
/// What a path in the papers begins with when it means a file of the checkout.
const FOLDERS: &[&str] = &["host/", "plugins/", "tests/", "wit/", "xtask/", "deploy/", "docs/", ".ci/"];
const WIT_ITEMS: &[&str] = &["interface", "world", "record", "variant", "enum", "flags", "resource", "type"];

#[test]
fn every_chore_in_the_papers_exists() {
    let help = read("xtask/src/main.rs");
    let help = help.split("const HELP").nth(1).unwrap();
    for paper in PAPERS {
        for chore in read(paper).split("cargo xtask ").skip(1) {
            let name: String = chore.chars().take_while(|letter| letter.is_ascii_lowercase()).collect();
            assert!(help.contains(&format!("\n  {name} ")), "{paper} speaks of `cargo xtask {name}`, which is no chore");
        }
    }
}

#[test]
fn every_file_in_the_papers_exists() {
    for paper in PAPERS {
        let text = read(paper);
        let quoted = text.split('`').skip(1).step_by(2);
        let is_path =
            |quote: &&str| FOLDERS.iter().any(|folder| quote.starts_with(folder)) && !quote.contains([' ', '*', '<', '{']);
        for path in quoted.filter(is_path) {
            assert!(repo().join(path).exists(), "{paper} speaks of {path}, which does not exist");
        }
    }
}

#[test]
fn every_item_of_the_plugin_contract_is_documented() {
    let mut bare = Vec::new();
    for source in sources().iter().filter(|source| source.kind == "wit" && source.path.starts_with("wit/")) {
        let mut documented = false;
        for (number, line) in source.text.lines().map(str::trim).enumerate() {
            let first = line.split_whitespace().next().unwrap_or_default();
            let item = WIT_ITEMS.contains(&first) || line.contains(": func(") || line.starts_with("constructor(");
            if item && !documented {
                bare.push(format!("{}:{}: {line}", source.path, number + 1));
            }
            // Attributes may stand between an item and its comment.
            documented = line.starts_with("///") || (documented && line.starts_with('@'));
        }
    }
    assert!(bare.is_empty(), "without a word of what they mean:\n{}", bare.join("\n"));
}

#[test]
fn the_licence_travels_with_the_code() {
    assert!(read("LICENSE").contains("Apache License"));
    for part in ["flite", "PocketSphinx", "CMU"] {
        assert!(read("NOTICE").contains(part), "NOTICE does not mention {part}");
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repo().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
