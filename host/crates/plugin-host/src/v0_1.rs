//! Binding of `serphona:speech@0.1.0`. The only module that sees its generated types; a later version gets a sibling.

mod convert;

use crate::api::{Descriptor, Kind, LinkId, Now, SttEffect, SttInput, TtsEffect, TtsInput};
use crate::guest::{Guest, LogLevel};
use crate::instance::Talk;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker, ResourceAny};
use wasmtime::{Engine, Store};

/// What every plugin imports and describes. Worlds are cut by role here, so that shared interfaces are bound once.
mod common {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "package serphona:host;
            world common {
                import serphona:speech/log@0.1.0;
                import serphona:speech/asset@0.1.0;
                import serphona:speech/signing@0.1.0;
                import serphona:speech/link@0.1.0;
                export serphona:speech/describe@0.1.0;
            }",
    });
}

mod listens {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "package serphona:host; world listens { export serphona:speech/stt@0.1.0; }",
        with: {
            "serphona:speech/types@0.1.0": super::common::serphona::speech::types,
            "serphona:speech/link@0.1.0": super::common::serphona::speech::link,
        },
    });
}

mod speaks {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "package serphona:host; world speaks { export serphona:speech/tts@0.1.0; }",
        with: {
            "serphona:speech/types@0.1.0": super::common::serphona::speech::types,
            "serphona:speech/link@0.1.0": super::common::serphona::speech::link,
        },
    });
}

use common::exports::serphona::speech::describe;
use common::serphona::speech::{asset, link, log, signing, types};
use listens::exports::serphona::speech::stt;
use speaks::exports::serphona::speech::tts;

/// A component checked against the host's functions: sessions of it start without a name being looked up.
pub(crate) enum Pre {
    Stt(listens::ListensPre<Guest>),
    Tts(speaks::SpeaksPre<Guest>),
}

impl Pre {
    /// Binds `component` to the host's functions as a plugin of `kind`.
    pub(crate) fn new(engine: &Engine, component: &Component, kind: Kind) -> wasmtime::Result<Self> {
        let pre = link_host(engine, component)?;
        match kind {
            Kind::Stt => Ok(Self::Stt(listens::ListensPre::new(pre)?)),
            Kind::Tts => Ok(Self::Tts(speaks::SpeaksPre::new(pre)?)),
            Kind::Mask => Err(wasmtime::Error::msg("masks are not bound")),
        }
    }
}

/// Asks a plugin what it is.
pub(crate) fn describe(store: &mut Store<Guest>, component: &Component) -> wasmtime::Result<Descriptor> {
    let pre = common::CommonPre::new(link_host(store.engine(), component)?)?;
    let plugin = pre.instantiate(&mut *store)?;
    Ok(plugin.serphona_speech_describe().call_describe(store)?.into())
}

fn link_host(engine: &Engine, component: &Component) -> wasmtime::Result<InstancePre<Guest>> {
    let mut linker = Linker::new(engine);
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
    asset::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
    signing::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
    link::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
    linker.instantiate_pre(component)
}

/// A live speech-to-text session.
pub(crate) struct Listener {
    guest: listens::Listens,
    session: ResourceAny,
}

impl Talk for Listener {
    type Input = SttInput;
    type Effect = SttEffect;

    fn open(store: &mut Store<Guest>, pre: &Pre) -> Option<wasmtime::Result<Self>> {
        let Pre::Stt(pre) = pre else { return None };
        Some(pre.instantiate(&mut *store).and_then(|guest| {
            let session = guest.serphona_speech_stt().session().call_constructor(store)?;
            Ok(Self { guest, session })
        }))
    }

    fn is_start(input: &SttInput) -> bool {
        matches!(input, SttInput::Start(_))
    }

    fn handle(&self, store: &mut Store<Guest>, now: Now, input: SttInput) -> wasmtime::Result<Vec<SttEffect>> {
        let session = self.guest.serphona_speech_stt().session();
        let effects = session.call_handle(store, self.session, now.into(), &input.into())?;
        Ok(effects.into_iter().map(SttEffect::from).collect())
    }
}

/// A live text-to-speech session.
pub(crate) struct Speaker {
    guest: speaks::Speaks,
    session: ResourceAny,
}

impl Talk for Speaker {
    type Input = TtsInput;
    type Effect = TtsEffect;

    fn open(store: &mut Store<Guest>, pre: &Pre) -> Option<wasmtime::Result<Self>> {
        let Pre::Tts(pre) = pre else { return None };
        Some(pre.instantiate(&mut *store).and_then(|guest| {
            let session = guest.serphona_speech_tts().session().call_constructor(store)?;
            Ok(Self { guest, session })
        }))
    }

    fn is_start(input: &TtsInput) -> bool {
        matches!(input, TtsInput::Start(_))
    }

    fn handle(&self, store: &mut Store<Guest>, now: Now, input: TtsInput) -> wasmtime::Result<Vec<TtsEffect>> {
        let session = self.guest.serphona_speech_tts().session();
        let effects = session.call_handle(store, self.session, now.into(), &input.into())?;
        Ok(effects.into_iter().map(TtsEffect::from).collect())
    }
}

impl log::Host for Guest {
    fn log(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Error => LogLevel::Error,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Info => LogLevel::Info,
            log::Level::Debug => LogLevel::Debug,
        };
        Guest::log(self, level, message);
    }
}

impl asset::Host for Guest {
    fn size(&mut self, name: String) -> Option<u64> {
        self.asset_size(&name)
    }

    fn read(&mut self, name: String, offset: u64, len: u32) -> Vec<u8> {
        self.asset_read(&name, offset, len)
    }
}

impl signing::Host for Guest {
    fn aws_chunk_signature(
        &mut self,
        id: LinkId,
        prior: String,
        amz_date: String,
        header_hash: String,
        payload_hash: String,
    ) -> Option<String> {
        self.signer(id)?.sign(&prior, &amz_date, &header_hash, &payload_hash)
    }
}

impl types::Host for Guest {}

impl link::Host for Guest {}
