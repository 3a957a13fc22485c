use super::*;
use serde_json::{Value, json};

/// The shortest component: a preamble, and a custom section so that two can differ.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0\0\x05\x04name";

fn packed(wasm: &[u8]) -> Result<Packed, RegistryError> {
    Packed::of(&Artifact { wasm, plugin: &"stt-acme@1.2.0".parse().unwrap(), signature: None })
}

fn manifest() -> Value {
    serde_json::from_slice(&packed(COMPONENT).unwrap().manifest).unwrap()
}

fn code(change: impl FnOnce(&mut Value)) -> &'static str {
    let mut manifest = manifest();
    change(&mut manifest);
    Found::read(&serde_json::to_vec(&manifest).unwrap()).unwrap_err().code()
}

#[test]
fn an_artifact_is_what_other_programs_expect() {
    let packed = packed(COMPONENT).unwrap();
    let config: Value = serde_json::from_slice(&packed.config).unwrap();
    let digest = Digest::of(COMPONENT).to_string();
    let none: [&str; 0] = [];
    assert_eq!(
        config,
        json!({"created": "1970-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2", "layerDigests": [digest],
            "component": {"exports": none, "imports": none}})
    );
    assert_eq!(
        manifest(),
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": Digest::of(&packed.config).to_string(), "size": packed.config.len()},
            "layers": [{"mediaType": "application/wasm", "digest": digest, "size": COMPONENT.len(),
                "annotations": {"org.opencontainers.image.title": "stt-acme.wasm"}}],
            "annotations": {"org.opencontainers.image.title": "stt-acme", "org.opencontainers.image.version": "1.2.0"}})
    );
    let found = Found::read(&packed.manifest).unwrap();
    assert_eq!(
        (found.component, found.bytes, found.plugin),
        (Digest::of(COMPONENT), COMPONENT.len() as u64, "stt-acme@1.2.0".parse().ok())
    );
}

#[test]
fn only_components_are_pushed() {
    for wasm in [&b"\0asm\x01\0\0\0"[..], &COMPONENT[..7], b"MZ", b""] {
        assert_eq!(packed(wasm).err().unwrap().code(), "not-a-component");
    }
}

#[test]
fn what_is_no_plugin_is_refused_before_anything_is_fetched() {
    assert_eq!(code(|it| it["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into()), "not-a-plugin");
    assert_eq!(code(|it| it["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar".into()), "not-a-plugin");
    assert_eq!(code(|it| it["layers"] = json!([])), "not-a-plugin");
    assert_eq!(code(|it| it["layers"] = json!([it["layers"][0], it["layers"][0]])), "not-a-plugin");
    assert_eq!(code(|it| it["schemaVersion"] = 1.into()), "not-a-plugin");
    assert_eq!(code(|it| *it = json!({"schemaVersion": 2, "manifests": []})), "not-a-plugin");
    assert_eq!(code(|it| it["layers"][0]["size"] = (PLUGIN_BYTES_MAX + 1).into()), "too-large");
    assert_eq!(code(|it| it["layers"][0]["size"] = (-1).into()), "malformed");
    assert_eq!(code(|it| it["layers"][0]["digest"] = "../../../etc/passwd".into()), "malformed");
    assert_eq!(code(|it| it["layers"][0]["digest"] = "sha512:00".into()), "malformed");
    assert_eq!(code(|it| it["annotations"][SIGNATURE_ANNOTATION] = "nonsense".into()), "malformed");
    assert_eq!(code(|it| *it = json!(["nested"])), "malformed");
    assert_eq!(Found::read(&b"[".repeat(100_000)).unwrap_err().code(), "malformed");
}

#[test]
fn a_name_that_no_plugin_could_have_is_left_out() {
    let mut manifest = manifest();
    manifest["annotations"]["org.opencontainers.image.title"] = "../../Evil".into();
    assert_eq!(Found::read(&serde_json::to_vec(&manifest).unwrap()).unwrap().plugin, None);
}
