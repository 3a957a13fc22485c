//! The tenants of the virtual house.

use super::Shared;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use vg_domain::fallback::{Fallback, Intent};
use vg_domain::ids::{DidId, PluginId, TenantId, TrunkId};
use vg_domain::mask::Mode;
use vg_domain::number::NumberPlan;
use vg_domain::outbound::{MachineDetection, OutboundRules};
use vg_domain::recording::{RecordingPolicy, RecordingRules};
use vg_domain::tenant::{Ladder, PciSettings, Prompts, Provider, ShadowSettings, Share, TenantSettings, Timing};
use vg_domain::transfer::{PlacePattern, TransferSettings};
use voice_gateway::application::ports::{Admission, Arrival, TenantError, TenantHint, Tenants};

/// Settings of the virtual tenant.
pub fn settings() -> TenantSettings {
    let provider = |plugin: &str| Ladder::from(Provider::new(PluginId::new(plugin), "{}"));
    let settings = TenantSettings::new(TenantId::new("virtual"), "en-US", provider("stt-fake"), provider("tts-fake"));
    TenantSettings {
        greeting: "Welcome to the virtual house.".to_owned(),
        prompts: Prompts {
            not_understood: "Pardon?".to_owned(),
            still_there: "Are you still there?".to_owned(),
            time_is_nearly_up: "One minute is left.".to_owned(),
            agent_unavailable: "Nobody can answer now.".to_owned(),
            farewell: "Goodbye.".to_owned(),
            back_again: "I am back.".to_owned(),
            recording_notice: "This call is recorded.".to_owned(),
            recording_question: "May we record this call?".to_owned(),
            recording_deleted: "Nothing is kept.".to_owned(),
            transfer_failed: "Nobody is free.".to_owned(),
            use_keypad: "Use your keypad.".to_owned(),
            card_number: "Your card's number?".to_owned(),
            card_expiry: "Its expiry date?".to_owned(),
            card_code: "Its code?".to_owned(),
            card_invalid: "That is not right.".to_owned(),
            fillers: Vec::new(),
        },
        human: Some("people,s".to_owned()),
        transfer: TransferSettings { queue: PlacePattern::parse("queues,{name}"), ..TransferSettings::default() },
        ..settings
    }
}

/// A tenant whose callers are asked whether they may be recorded.
pub const ASKED: &str = "asked";

/// A tenant whose calls are recorded.
pub const RECORDED: &str = "recorded";

/// A tenant with two of each provider: `stt-fake`, `stt-second`, `tts-fake`, `tts-second`.
pub const LADDER: &str = "ladder";

/// The same tenant, who may have one session of the first of each.
pub const CROWDED: &str = "crowded";

/// A tenant whose calls `stt-beside` hears as well.
pub const SHADOWED: &str = "shadowed";

/// A tenant whose callers are told something while an answer is late, and about deliveries where none comes.
pub const HESITANT: &str = "hesitant";

/// A tenant that may have one call.
pub const LIMITED: &str = "limited";

/// A tenant whose calls come by a number and a trunk of its own: `did-1` and `trunk-1`.
pub const CONFIRMED: &str = "confirmed";

/// A tenant whose callers' cards are masked strictly.
pub const GUARDED: &str = "guarded";

/// A tenant whose callers may say their card's number.
pub const SAYING: &str = "saying";

/// Recorded without a word of it before.
fn recorded(policy: RecordingPolicy) -> RecordingRules {
    RecordingRules { policy, announced: false, ..RecordingRules::default() }
}

/// Rules of a tenant that may call people in Brazil.
pub fn outbound() -> OutboundRules {
    let plan = NumberPlan { country: Some("55".to_owned()) };
    OutboundRules {
        trunk: "PJSIP/{number}@trunk".parse().unwrap(),
        caller_id: plan.read("1130000000").unwrap(),
        caller_ids: Vec::new(),
        patterns: vec!["+55.".parse().unwrap()],
        denied: Vec::new(),
        plan,
        machines: MachineDetection::Off,
    }
}

pub(super) struct FakeTenants(pub(super) Arc<Shared>);

impl Tenants for FakeTenants {
    fn settings<'a>(&'a self, arrival: &'a Arrival) -> BoxFuture<'a, Result<Admission, TenantError>> {
        Box::pin(async move {
            let fault = self.0.script.lock().unwrap().tenant_fault.clone();
            match (fault, &arrival.hint) {
                (Some(fault), _) => Err(fault),
                (None, TenantHint::Default) => Ok(Admission::unconfirmed(Arc::new(settings()))),
                (None, TenantHint::Named(name)) if name.as_str() == CONFIRMED => Ok(Admission {
                    settings: Arc::new(TenantSettings { tenant: name.clone(), ..settings() }),
                    did: Some(DidId::new("did-1")),
                    trunk: Some(TrunkId::new("trunk-1")),
                }),
                (None, TenantHint::Named(name)) => self.named(name).await.map(Admission::unconfirmed),
            }
        })
    }

    fn named<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        Box::pin(async move {
            let fault = self.0.script.lock().unwrap().tenant_fault.clone();
            match (fault, tenant.as_str()) {
                (Some(fault), _) => Err(fault),
                (None, LIMITED) => {
                    let (tenant, calls_max) = (tenant.clone(), std::num::NonZeroUsize::new(1));
                    Ok(Arc::new(TenantSettings { tenant, calls_max, outbound: Some(outbound()), ..settings() }))
                }
                (None, LADDER) => {
                    let two = |first: &str, second: &str| {
                        let provider = |plugin: &str| Provider::new(PluginId::new(plugin), "{}");
                        Ladder::new(provider(first), [provider(second)])
                    };
                    let (hearing, speaking) = (two("stt-fake", "stt-second"), two("tts-fake", "tts-second"));
                    Ok(Arc::new(TenantSettings { tenant: tenant.clone(), hearing, speaking, ..settings() }))
                }
                (None, CROWDED) => {
                    let two = |first: &str, second: &str| {
                        let share = Share { sessions_max: Some(1), ..Share::default() };
                        let provider = |plugin: &str| Provider::new(PluginId::new(plugin), "{}");
                        Ladder::new(Provider { share, ..provider(first) }, [provider(second)])
                    };
                    let (hearing, speaking) = (two("stt-fake", "stt-second"), two("tts-fake", "tts-second"));
                    Ok(Arc::new(TenantSettings { tenant: tenant.clone(), hearing, speaking, ..settings() }))
                }
                (None, SHADOWED) => {
                    let provider = Provider::new(PluginId::new("stt-beside"), "{}");
                    let shadow = Some(ShadowSettings { provider, share_per_mille: 1_000, keep_words: false });
                    Ok(Arc::new(TenantSettings { tenant: tenant.clone(), shadow, ..settings() }))
                }
                (None, HESITANT) => {
                    let fillers = vec!["One moment.".to_owned(), "Let me see.".to_owned()];
                    let prompts = Prompts { fillers, ..settings().prompts };
                    let delivery = Intent::parse("delivery").unwrap();
                    let answers = [(delivery, "Parcels come within three days.".to_owned())].into();
                    let fallback = Fallback { answers, ..Fallback::default() };
                    let timing = Timing { hold: None, ..settings().timing };
                    Ok(Arc::new(TenantSettings { tenant: tenant.clone(), prompts, fallback, timing, ..settings() }))
                }
                (None, SAYING) => {
                    let pci = PciSettings { spoken_cards: true, ..PciSettings::default() };
                    Ok(Arc::new(TenantSettings { tenant: tenant.clone(), pci, ..settings() }))
                }
                (None, GUARDED) => {
                    let pci = PciSettings { mode: Some(Mode::Strict), ..PciSettings::default() };
                    Ok(Arc::new(TenantSettings { tenant: tenant.clone(), pci, ..settings() }))
                }
                (None, ASKED) => Ok(Arc::new(TenantSettings { recording: recorded(RecordingPolicy::Consent), ..settings() })),
                (None, RECORDED) => Ok(Arc::new(TenantSettings { recording: recorded(RecordingPolicy::On), ..settings() })),
                (None, _) => Err(TenantError::Unknown),
            }
        })
    }
}
