//! The manifest and the configuration of a plugin in a registry ("Wasm OCI Artifact layout", CNCF; OCI image spec 1.1).

use super::fault::RegistryError;
use crate::digest::Digest;
use crate::limits::PLUGIN_BYTES_MAX;
use crate::reference::PluginName;
use crate::sign::Signature;
use bytes::Bytes;
use oci_client::manifest::{IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wasmparser::{Parser, Payload};

/// The text of the `.minisig` file, as the manifest's annotation.
pub const SIGNATURE_ANNOTATION: &str = "com.serphona.plugin.minisig";

const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
const COMPONENT_TYPE: &str = "application/wasm";
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";

/// A plugin to be pushed.
#[derive(Debug, Clone, Copy)]
pub struct Artifact<'a> {
    /// The component.
    pub wasm: &'a [u8],
    /// What it is called.
    pub plugin: &'a PluginName,
    /// Its signature.
    pub signature: Option<&'a Signature>,
}

/// An artifact as the registry gets it.
pub(super) struct Packed {
    pub(super) component: Bytes,
    pub(super) component_digest: Digest,
    pub(super) config: Bytes,
    pub(super) config_digest: Digest,
    pub(super) manifest: Bytes,
    pub(super) manifest_digest: Digest,
}

/// A manifest as far as it matters.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) component: Digest,
    pub(super) bytes: u64,
    pub(super) signature: Option<Signature>,
    pub(super) plugin: Option<PluginName>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: Names,
}

#[derive(Serialize, Default)]
struct Names {
    exports: Vec<String>,
    imports: Vec<String>,
}

impl Packed {
    pub(super) fn of(artifact: &Artifact<'_>) -> Result<Self, RegistryError> {
        let bytes = artifact.wasm.len() as u64;
        if bytes > PLUGIN_BYTES_MAX {
            return Err(RegistryError::TooLarge { what: "component", bytes, bytes_max: PLUGIN_BYTES_MAX });
        }
        let component = Names::of(artifact.wasm)?;
        let component_digest = Digest::of(artifact.wasm);
        let config = json(&Config {
            // A real date would give the same plugin another digest with each push.
            created: "1970-01-01T00:00:00Z",
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [component_digest.to_string()],
            component,
        });
        let describe = |media_type: &str, digest: Digest, bytes: usize, annotations: BTreeMap<String, String>| Descriptor {
            media_type: media_type.to_owned(),
            digest: digest.to_string(),
            size: bytes as u64,
            annotations,
        };
        let plugin = artifact.plugin;
        let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut annotations = BTreeMap::from([text(TITLE, plugin.name())]);
        annotations.extend(plugin.version().map(|version| text(VERSION, version)));
        annotations.extend(artifact.signature.map(|signature| text(SIGNATURE_ANNOTATION, signature.text())));
        let file = BTreeMap::from([text(TITLE, &format!("{}.wasm", plugin.name()))]);
        let config_digest = Digest::of(&config);
        let manifest = json(&Manifest {
            schema_version: 2,
            media_type: OCI_IMAGE_MEDIA_TYPE.to_owned(),
            config: describe(CONFIG_TYPE, config_digest, config.len(), BTreeMap::new()),
            layers: vec![describe(COMPONENT_TYPE, component_digest, artifact.wasm.len(), file)],
            annotations,
        });
        Ok(Self {
            component: Bytes::copy_from_slice(artifact.wasm),
            component_digest,
            config: config.into(),
            config_digest,
            manifest_digest: Digest::of(&manifest),
            manifest: manifest.into(),
        })
    }
}

impl Names {
    /// What a component imports and exports by name.
    fn of(wasm: &[u8]) -> Result<Self, RegistryError> {
        let mut names = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(|_| RegistryError::NotAComponent)? {
                Payload::Version { encoding, .. } => {
                    if depth == 0 && encoding != wasmparser::Encoding::Component {
                        return Err(RegistryError::NotAComponent);
                    }
                    depth += 1;
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        names.imports.push(import.map_err(|_| RegistryError::NotAComponent)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        names.exports.push(export.map_err(|_| RegistryError::NotAComponent)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(names)
    }
}

impl Found {
    pub(super) fn read(text: &[u8]) -> Result<Self, RegistryError> {
        #[derive(Deserialize)]
        struct Index {
            #[serde(rename = "manifests")]
            _manifests: Vec<serde_json::Value>,
        }
        let not = |why: &str| RegistryError::NotAPlugin { why: why.to_owned() };
        let manifest: Manifest = match serde_json::from_slice(text) {
            Ok(manifest) => manifest,
            Err(_) if serde_json::from_slice::<Index>(text).is_ok() => {
                return Err(not("it is a list of images for several machines"));
            }
            Err(_) => return Err(RegistryError::Malformed { what: "manifest" }),
        };
        let known = ["", OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE].contains(&manifest.media_type.as_str());
        if manifest.schema_version != 2 || !known {
            return Err(not("its manifest is of an unknown kind"));
        }
        if manifest.config.media_type != CONFIG_TYPE {
            return Err(not(&format!(
                "its configuration is {}, not {CONFIG_TYPE}",
                super::fault::bounded(&manifest.config.media_type)
            )));
        }
        let [layer] = manifest.layers.as_slice() else {
            return Err(not(&format!("it has {} layers, not one", manifest.layers.len())));
        };
        if layer.media_type != COMPONENT_TYPE {
            return Err(not(&format!("its layer is {}, not {COMPONENT_TYPE}", super::fault::bounded(&layer.media_type))));
        }
        if layer.size > PLUGIN_BYTES_MAX {
            return Err(RegistryError::TooLarge { what: "component", bytes: layer.size, bytes_max: PLUGIN_BYTES_MAX });
        }
        let signature = manifest.annotations.get(SIGNATURE_ANNOTATION).map(|text| text.parse());
        let name = manifest.annotations.get(TITLE).map(|name| match manifest.annotations.get(VERSION) {
            Some(version) => format!("{name}@{version}"),
            None => name.clone(),
        });
        Ok(Self {
            component: layer.digest.parse().map_err(|_| RegistryError::Malformed { what: "digest of the component" })?,
            bytes: layer.size,
            signature: signature.transpose().map_err(|_| RegistryError::Malformed { what: "signature" })?,
            plugin: name.and_then(|name| name.parse().ok()),
        })
    }
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("numbers and texts always become JSON")
}

#[cfg(test)]
mod tests;
