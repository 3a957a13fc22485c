//! Secrets are references: the configuration says where they are, never what they are.

use vg_domain::pii::Pii;

/// Resolves `env:NAME` (a variable) or `file:PATH` (the file without its trailing line break).
///
/// # Errors
/// A sentence that names the reference, never the value.
pub(crate) fn resolve(reference: &str, environment: &[(String, String)]) -> Result<Pii<String>, String> {
    match reference.split_once(':') {
        Some(("env", name)) => match environment.iter().find(|(known, _)| known == name) {
            Some((_, value)) if !value.is_empty() => Ok(Pii::new(value.clone())),
            _ => Err(format!("environment variable {name} is not set, or no text")),
        },
        Some(("file", path)) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Pii::new(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => Err(format!("cannot read {path}: {error}")),
        },
        // What stands here may be the secret itself: it is not repeated.
        _ => Err("is not a reference: write env:NAME or file:PATH, never the secret itself".to_owned()),
    }
}
