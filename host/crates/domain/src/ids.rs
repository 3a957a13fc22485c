//! Names of things, each its own type so that none can stand for another.

use std::fmt;
use std::sync::Arc;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is; ids are compared byte by byte.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// One call of this gateway: a UUID made here, never Asterisk's channel id.
    CallId
}
text_id! {
    /// The tenant to whom a call belongs: UUID or slug.
    TenantId
}
text_id! {
    /// A conversation as the agent names it.
    ConversationId
}
text_id! {
    /// A number of a tenant's own, as the tenant's source names it; never the number itself.
    DidId
}
text_id! {
    /// A trunk of a tenant's own, as the tenant's source names it.
    TrunkId
}
text_id! {
    /// A speech plugin, for example `stt-local`.
    PluginId
}

impl PluginId {
    /// Its name without registry and version: `stt-x` of `stt-x@1.2.0` and of `oci://example.com/speech/stt-x:1.2`.
    pub fn plain(&self) -> &str {
        let id = self.as_str();
        let name = id.strip_prefix("oci://").map_or(id, |oci| oci.rsplit('/').next().unwrap_or(oci));
        name.split(['@', ':']).next().unwrap_or(name)
    }
}

/// One thing the caller said and what came of it; counts from 1 within a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TurnId(pub u32);

/// One thing the gateway says: a greeting, a reply or a prompt; counts from 1 within a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UtteranceId(pub u32);

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UtteranceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
