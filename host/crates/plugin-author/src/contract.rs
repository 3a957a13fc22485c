//! The contract as it was when this program was built.

use wit_bindgen_core::wit_parser::{Resolve, SourceMap, WorldId};

/// Which kind of plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Listens.
    Stt,
    /// Speaks.
    Tts,
    /// Masks.
    Mask,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stt, Self::Tts, Self::Mask];

    /// The name in WIT.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stt => "stt",
            Self::Tts => "tts",
            Self::Mask => "mask",
        }
    }

    /// The world that a plugin of this kind is for.
    pub fn world(self) -> &'static str {
        match self {
            Self::Stt => "stt-plugin",
            Self::Tts => "tts-plugin",
            Self::Mask => "mask-plugin",
        }
    }
}

macro_rules! wit {
    ($($name:literal)*) => {
        /// The files of the contract: name and text.
        pub const WIT: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../../wit/", $name)))),*];
    };
}

wit!("asset.wit" "bake.wit" "describe.wit" "link.wit" "log.wit" "mask.wit" "signing.wit" "stt.wit" "tts.wit" "types.wit" "worlds.wit");

/// The contract, ready to be generated from.
pub(crate) fn resolve(kind: Kind) -> (Resolve, WorldId) {
    let mut sources = SourceMap::new();
    for (name, text) in WIT {
        sources.push_str(name, *text);
    }
    let mut resolve = Resolve::default();
    let group = sources.parse().map_err(|(_, error)| error).expect("the contract is well-formed: a test reads it");
    let package = resolve.push_group(group).expect("the contract stands alone: a test reads it");
    let world = resolve.select_world(&[package], Some(kind.world())).expect("every kind has a world: a test reads them");
    (resolve, world)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_kind_has_its_world() {
        for kind in Kind::ALL {
            let (resolve, world) = resolve(kind);
            assert_eq!(resolve.worlds[world].name, kind.world());
        }
    }

    #[test]
    fn no_file_of_the_contract_is_forgotten() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".wit")).collect();
        names.sort();
        assert_eq!(names, WIT.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
}
