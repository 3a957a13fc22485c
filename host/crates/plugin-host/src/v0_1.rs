//! Binding of `serphona:speech@0.1.0`. The only module that sees its generated types; a later version gets a sibling.

mod convert;

use crate::api::{
    Descriptor, Kind, LinkId, MaskSettings, Masked, Now, Segment, SessionStart, SttEffect, SttInput, TtsEffect, TtsInput,
};
use crate::guest::Guest;
use crate::inspect::{PACKAGE, VERSION};
use crate::instance::{SessionError, Talk};
use crate::journal::LogLevel;
use crate::pace::Calls;
use crate::signing::Chunk;
use crate::wasi;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, ComponentType, HasSelf, Instance, InstancePre, Lift, Linker, Lower,
    ResourceAny, TypedFunc,
};
use wasmtime::{Engine, Store};
use zeroize::Zeroize;

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

/// Without imports: a mask is given nothing.
mod masks {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "package serphona:host; world masks { export serphona:speech/mask@0.1.0; }",
    });
}

use common::exports::serphona::speech::describe;
use common::serphona::speech::{asset, link, log, signing, types};
use listens::exports::serphona::speech::stt;
use masks::exports::serphona::speech::mask;
use speaks::exports::serphona::speech::tts;

/// A component checked against the host's functions: sessions of it start without a name being looked up.
pub(crate) struct Pre {
    kind: Kind,
    instance: InstancePre<Guest>,
    describe: ComponentExportIndex,
    constructor: ComponentExportIndex,
    method: ComponentExportIndex,
}

impl Pre {
    /// Binds `component` to the host's functions as a plugin of `kind`; `runtime` where it imports WASI.
    pub(crate) fn new(engine: &Engine, component: &Component, kind: Kind, runtime: bool) -> wasmtime::Result<Self> {
        let (constructor, method) = match kind {
            Kind::Stt | Kind::Tts => ("[constructor]session", "[method]session.handle"),
            Kind::Mask => ("[constructor]masker", "[method]masker.mask"),
        };
        let export = |interface: &str, name: &str| {
            let (_, interface) = component.get_export(None, format!("{PACKAGE}/{interface}@{VERSION}"))?;
            component.get_export_index(Some(&interface), name)
        };
        let missing = |name: &str| wasmtime::Error::msg(format!("component does not export {name}"));
        Ok(Self {
            kind,
            describe: export("describe", "describe").ok_or_else(|| missing("describe"))?,
            constructor: export(kind.as_str(), constructor).ok_or_else(|| missing(constructor))?,
            method: export(kind.as_str(), method).ok_or_else(|| missing(method))?,
            instance: link_host(engine, component, runtime)?,
        })
    }

    async fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<Instance> {
        match store.data().calls() {
            Calls::AtOnce => self.instance.instantiate(store),
            Calls::InSlices => self.instance.instantiate_async(store).await,
        }
    }

    /// A live resource and its one method.
    async fn construct<C, I, O>(&self, store: &mut Store<Guest>, settings: C) -> wasmtime::Result<(ResourceAny, TypedFunc<I, O>)>
    where
        C: ComponentNamedList + Lower + Send + Sync + 'static,
        I: ComponentNamedList + Lower,
        O: ComponentNamedList + Lift,
    {
        let instance = self.instantiate(store).await?;
        let constructor = instance.get_typed_func::<C, (ResourceAny,)>(&mut *store, self.constructor)?;
        let method = instance.get_typed_func(&mut *store, self.method)?;
        let (resource,) = call(store, constructor, settings).await?;
        Ok((resource, method))
    }
}

/// Asks a plugin what it is, and sees whether its functions have the shapes of its kind.
pub(crate) async fn describe(store: &mut Store<Guest>, pre: &Pre) -> wasmtime::Result<Descriptor> {
    let instance = pre.instantiate(store).await?;
    match pre.kind {
        Kind::Stt => drop(instance.get_typed_func::<ListenerInput, (Vec<stt::Effect>,)>(&mut *store, pre.method)?),
        Kind::Tts => drop(instance.get_typed_func::<SpeakerInput, (Vec<tts::Effect>,)>(&mut *store, pre.method)?),
        Kind::Mask => drop(instance.get_typed_func::<MaskInput, (mask::Masked,)>(&mut *store, pre.method)?),
    }
    let describe = instance.get_typed_func::<(), (describe::Descriptor,)>(&mut *store, pre.describe)?;
    Ok(call(store, describe, ()).await?.0.into())
}

fn link_host(engine: &Engine, component: &Component, runtime: bool) -> wasmtime::Result<InstancePre<Guest>> {
    let mut linker = Linker::new(engine);
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
    asset::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
    signing::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
    link::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
    if runtime {
        wasi::link(&mut linker)?;
    }
    linker.instantiate_pre(component)
}

/// One call of a guest in the way of its class.
async fn call<I, O>(store: &mut Store<Guest>, function: TypedFunc<I, O>, input: I) -> wasmtime::Result<O>
where
    I: ComponentNamedList + Lower + Send + Sync + 'static,
    O: ComponentNamedList + Lift + Send + Sync + 'static,
{
    match store.data().calls() {
        Calls::AtOnce => function.call(store, input),
        Calls::InSlices => function.call_async(store, input).await,
    }
}

type ListenerInput = (ResourceAny, types::Instant, stt::Input);
type SpeakerInput = (ResourceAny, types::Instant, tts::Input);
type MaskInput = (ResourceAny, Lent);

/// A live speech-to-text session.
pub(crate) struct Listener {
    session: ResourceAny,
    handle: TypedFunc<ListenerInput, (Vec<stt::Effect>,)>,
}

impl Talk for Listener {
    type Input = SttInput;
    type Effect = SttEffect;

    async fn open(store: &mut Store<Guest>, pre: &Pre) -> Result<Self, SessionError> {
        if pre.kind != Kind::Stt {
            return Err(SessionError::WrongKind);
        }
        let (session, handle) = pre.construct(store, ()).await?;
        Ok(Self { session, handle })
    }

    fn start(input: &SttInput) -> Option<&SessionStart> {
        if let SttInput::Start(start) = input { Some(start) } else { None }
    }

    async fn handle(&self, store: &mut Store<Guest>, now: Now, input: SttInput) -> wasmtime::Result<Vec<SttEffect>> {
        let (effects,) = call(store, self.handle, (self.session, now.into(), input.into())).await?;
        Ok(effects.into_iter().map(SttEffect::from).collect())
    }
}

/// A live text-to-speech session.
pub(crate) struct Speaker {
    session: ResourceAny,
    handle: TypedFunc<SpeakerInput, (Vec<tts::Effect>,)>,
}

impl Talk for Speaker {
    type Input = TtsInput;
    type Effect = TtsEffect;

    async fn open(store: &mut Store<Guest>, pre: &Pre) -> Result<Self, SessionError> {
        if pre.kind != Kind::Tts {
            return Err(SessionError::WrongKind);
        }
        let (session, handle) = pre.construct(store, ()).await?;
        Ok(Self { session, handle })
    }

    fn start(input: &TtsInput) -> Option<&SessionStart> {
        if let TtsInput::Start(start) = input { Some(start) } else { None }
    }

    async fn handle(&self, store: &mut Store<Guest>, now: Now, input: TtsInput) -> wasmtime::Result<Vec<TtsEffect>> {
        let (effects,) = call(store, self.handle, (self.session, now.into(), input.into())).await?;
        Ok(effects.into_iter().map(TtsEffect::from).collect())
    }
}

/// A segment on its way into a masker, in place of the generated one: what it stands in is wiped as soon as the guest has its copy.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Lent {
    text: String,
    source: mask::Source,
    partial: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

/// A live masker.
pub(crate) struct Masker {
    masker: ResourceAny,
    mask: TypedFunc<MaskInput, (mask::Masked,)>,
}

impl Masker {
    pub(crate) async fn open(store: &mut Store<Guest>, pre: &Pre, settings: MaskSettings) -> Result<Self, SessionError> {
        if pre.kind != Kind::Mask {
            return Err(SessionError::WrongKind);
        }
        let (masker, mask) = pre.construct(store, (mask::Settings::from(settings),)).await?;
        Ok(Self { masker, mask })
    }

    pub(crate) async fn mask(&self, store: &mut Store<Guest>, segment: Segment) -> wasmtime::Result<Masked> {
        let (masked,) = call(store, self.mask, (self.masker, segment.into())).await?;
        Ok(masked.into())
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
        let chunk = Chunk { prior: &prior, amz_date: &amz_date, header_hash: &header_hash, payload_hash: &payload_hash };
        self.signing.sign(id, &chunk)
    }
}

impl types::Host for Guest {}

impl link::Host for Guest {}
