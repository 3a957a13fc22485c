//! Every crate that is linked in carries a licence that `deny.toml` allows: the same list as `cargo deny`, without that program.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let repo = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let deny: toml::Table = toml::from_str(&std::fs::read_to_string(repo.join("deny.toml")).unwrap()).unwrap();
    let allowed: HashSet<&str> =
        deny["licenses"]["allow"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]);
    let output = cargo.current_dir(repo).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut refused = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let expression = package["license"].as_str().unwrap_or_default();
        if !is_allowed(expression, &allowed) {
            refused.push(format!("{} {}: `{expression}`", package["name"], package["version"]));
        }
    }
    assert!(refused.is_empty(), "not allowed by deny.toml:\n{}", refused.join("\n"));
}

#[test]
fn a_choice_needs_one_licence_and_a_sum_needs_all() {
    let allowed = HashSet::from(["MIT", "Zlib"]);
    assert!(is_allowed("GPL-3.0 OR MIT", &allowed));
    assert!(is_allowed("MIT/Apache-2.0", &allowed));
    assert!(is_allowed("(GPL-3.0 OR MIT) AND Zlib", &allowed));
    assert!(!is_allowed("(GPL-3.0 OR MIT) AND Apache-2.0", &allowed));
    assert!(!is_allowed("", &allowed));
}

/// SPDX expressions as crates use them: `AND` of `OR`s in parentheses, or `OR` of `AND`s without; `/` is the old way to write `OR`.
fn is_allowed(expression: &str, allowed: &HashSet<&str>) -> bool {
    let expression = expression.trim().replace('/', " OR ");
    if expression.contains('(') {
        let sums = expression.split(" AND ").map(|part| part.trim().trim_start_matches('(').trim_end_matches(')'));
        return sums.into_iter().all(|part| is_allowed(part, allowed));
    }
    expression.split(" OR ").any(|choice| choice.split(" AND ").all(|name| allowed.contains(name.trim())))
}
