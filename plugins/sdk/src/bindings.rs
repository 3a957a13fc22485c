//! The contract in `wit/` as Rust. What an author needs is re-exported under better names.
//!
//! An export macro can exist only once in a crate, and `describe` belongs to every world. So each interface that plugins
//! export is bound by a small world of its own; the linker unites those that a plugin really exports into its world.

#![allow(missing_docs, unreachable_pub, reason = "generated; the documentation is in wit/")]

/// What every world exports, and the interfaces that worlds import.
pub mod describe {
    wit_bindgen::generate!({
        inline: "
            package serphona:guest-describe;
            world describe-exports {
                import serphona:speech/link@0.1.0;
                import serphona:speech/log@0.1.0;
                import serphona:speech/asset@0.1.0;
                import serphona:speech/signing@0.1.0;
                export serphona:speech/describe@0.1.0;
            }",
        path: "../../wit",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_describe",
        default_bindings_module: "vg_plugin_sdk::bindings::describe",
        additional_derives: [PartialEq],
    });
}

/// What a speech-to-text plugin exports.
pub mod stt {
    wit_bindgen::generate!({
        inline: "
            package serphona:guest-stt;
            world stt-exports { export serphona:speech/stt@0.1.0; }",
        path: "../../wit",
        with: {
            "serphona:speech/types@0.1.0": crate::bindings::describe::serphona::speech::types,
            "serphona:speech/link@0.1.0": crate::bindings::describe::serphona::speech::link,
        },
        pub_export_macro: true,
        export_macro_name: "export_stt",
        default_bindings_module: "vg_plugin_sdk::bindings::stt",
        additional_derives: [PartialEq],
        additional_derives_ignore: ["session"],
    });
}

/// What a text-to-speech plugin exports.
pub mod tts {
    wit_bindgen::generate!({
        inline: "
            package serphona:guest-tts;
            world tts-exports { export serphona:speech/tts@0.1.0; }",
        path: "../../wit",
        with: {
            "serphona:speech/types@0.1.0": crate::bindings::describe::serphona::speech::types,
            "serphona:speech/link@0.1.0": crate::bindings::describe::serphona::speech::link,
        },
        pub_export_macro: true,
        export_macro_name: "export_tts",
        default_bindings_module: "vg_plugin_sdk::bindings::tts",
        additional_derives: [PartialEq],
        additional_derives_ignore: ["session"],
    });
}

/// What a masker exports.
pub mod mask {
    wit_bindgen::generate!({
        inline: "
            package serphona:guest-mask;
            world mask-exports { export serphona:speech/mask@0.1.0; }",
        path: "../../wit",
        pub_export_macro: true,
        export_macro_name: "export_mask",
        default_bindings_module: "vg_plugin_sdk::bindings::mask",
        additional_derives: [PartialEq],
        additional_derives_ignore: ["masker"],
    });
}
