use super::*;
use std::time::Duration;

const WHOLE: &str = r#"
    language = "pt-BR"
    greeting = "Olá."
    [hearing]
    plugin = "stt-local"
    options = { deep = { words = { file = "words.txt" } }, fast = true }
    [speaking]
    plugin = "tts-local"
    [prompts]
    not_understood = "Como?"
    agent_unavailable = "Um momento."
    farewell = "Tchau."
    [timing]
    barge_in_ms = 300
"#;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn faults(files: &[(&str, &str)], default: &str) -> Vec<String> {
    let folder = folder(files);
    let faults = FolderTenants::load(Some(folder.path()), Some(TenantId::new(default))).unwrap_err();
    let prefix = format!("{}/", folder.path().display());
    faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
}

#[tokio::test]
async fn without_a_folder_there_is_the_demo_tenant() {
    let tenants = FolderTenants::load(None, Some(TenantId::new("demo"))).unwrap();
    let settings = tenants.settings(&TenantHint::Default).await.unwrap();
    assert_eq!(settings.tenant.as_str(), "demo");
    assert_eq!(settings.hearing.plugin.as_str(), "stt-local");
    let options: serde_json::Value = serde_json::from_str(&settings.hearing.options).unwrap();
    assert!(options["grammar"].as_str().unwrap().starts_with("#JSGF"));
}

#[tokio::test]
async fn a_tenant_is_found_by_name_only() {
    let folder = folder(&[("acme.toml", WHOLE), ("words.txt", "sim não"), ("notes.md", "ignored")]);
    let tenants = FolderTenants::load(Some(folder.path()), None).unwrap();
    let settings = tenants.settings(&TenantHint::Named(TenantId::new("acme"))).await.unwrap();
    assert_eq!(settings.hearing.options, r#"{"deep":{"words":"sim não"},"fast":true}"#);
    assert_eq!(settings.speaking.options, "{}");
    assert_eq!(settings.timing.barge_in, Duration::from_millis(300));
    assert_eq!(settings.timing.silence, Duration::from_secs(5));
    for hint in [TenantHint::Named(TenantId::new("demo")), TenantHint::Default] {
        assert_eq!(tenants.settings(&hint).await.unwrap_err(), TenantError::Unknown);
    }
}

#[test]
fn faults_of_all_files_come_together_with_file_and_path() {
    let wrong = "greetings = 'Hi'\nlanguage = 3\nhuman = 'nobody'\n[timing]\nsilence_ms = 0";
    assert_eq!(
        faults(&[("a.toml", wrong), ("b c.toml", WHOLE), ("d.toml", "x"), ("acme.toml", WHOLE)], "demo"),
        [
            "a.toml: greetings: unknown field `greetings`, expected one of `language`, `greeting`, `human`, `hearing`, \
             `speaking`, `prompts`, `timing`",
            "a.toml: language: invalid type: integer `3`, expected a string",
            "a.toml: human: expected CONTEXT,EXTENSION",
            "a.toml: greeting: is needed",
            "a.toml: hearing.plugin: is needed",
            "a.toml: speaking.plugin: is needed",
            "a.toml: prompts.not_understood: is needed",
            "a.toml: prompts.agent_unavailable: is needed",
            "a.toml: prompts.farewell: is needed",
            "a.toml: timing.silence_ms: must be at least 1",
            "acme.toml: hearing.options.deep.words: cannot read words.txt: No such file or directory (os error 2)",
            "b c.toml: a tenant's file is named by its uuid or slug: letters, digits, '-' and '_'",
            "d.toml: toml: TOML parse error at line 1, column 2\n  |\n1 | x\n  |  ^\nkey with no value, expected `=`",
            "tenants.default: there is no tenant demo",
        ]
    );
}

#[test]
fn options_never_reach_outside_of_the_folder() {
    for file in ["/etc/passwd", "../secret", "a/../../b", ""] {
        let text = WHOLE.replace("words.txt", file);
        let faults = faults(&[("acme.toml", &text)], "acme");
        assert!(faults[0].contains("outside of the tenants' folder") || faults[0].contains("cannot read"), "{faults:?}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_a_fault() {
    let faults = FolderTenants::load(Some(Path::new("/nowhere/at/all")), None).unwrap_err();
    assert_eq!(faults.iter().next().unwrap().path, "tenants.dir");
}
