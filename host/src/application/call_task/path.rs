//! What a call does about the self-test of its media path, and about the time of its set-up.

use super::{Act, CallTask, MediaLeg, MouthCommand, Observation, TelephonyError};
use crate::application::limits;
use crate::application::path::{OnSilentPath, Silence};
use crate::application::shadow::Shadow;
use std::time::Instant;
use vg_domain::call::{CallInput, Phase};
use vg_domain::event::Fact;
use vg_domain::ids::UtteranceId;
use vg_domain::outcome::EndCause;

impl CallTask {
    /// From now on both sides ought to be heard.
    pub(super) fn watch_path(&mut self) {
        self.speaker.order(MouthCommand::Watch { path_within: limits::PATH_WITHIN, dead_air: limits::DEAD_AIR });
    }

    pub(super) fn connect(&mut self, leg: MediaLeg) {
        self.listener.set_rate_hz(leg.rate_hz);
        self.shadow(|shadow| shadow.set_rate_hz(leg.rate_hz));
        self.speaker.connect(leg.mouth, leg.floor, leg.rate_hz);
        self.leg_events = Some(leg.events);
        self.listen_to_kept_sound(leg.rate_hz);
        self.record();
    }

    /// The media leg goes: nothing is heard or said any more.
    pub(super) fn leave_leg(&mut self) {
        // While it is known what the listener owes, and the leg is there.
        self.leave_recording();
        self.leg_events = None;
        self.listener.stop();
        self.shadow(Shadow::stop);
        self.speaker.disconnect();
    }

    pub(super) fn on_path_proven(&mut self) {
        self.services.observe.observe(&Observation::PathTested("proven"));
        if self.path.proven() {
            self.services.observe.observe(&Observation::PathRebuilt("proven"));
        }
    }

    pub(super) async fn on_path_silent(&mut self, code: &'static str) {
        self.services.observe.observe(&Observation::PathTested(code));
        match self.path.silent() {
            Silence::Rebuild => self.line.act(Act::ReconnectMedia).await,
            Silence::Twice => {
                self.services.observe.observe(&Observation::PathRebuilt("silent"));
                self.on_path_failed(code);
            }
            Silence::Known => {}
        }
    }

    pub(super) fn on_rebuilt(&mut self, leg: Result<MediaLeg, TelephonyError>) {
        self.path.rebuilt(leg.is_ok());
        match leg {
            // Nobody is left to speak to.
            Ok(_) if matches!(self.call.phase(), Phase::Ending { .. } | Phase::Ended(_)) => {}
            Ok(leg) => {
                self.set_up.forget();
                self.leave_recording();
                self.listener.begin_anew();
                self.shadow(Shadow::stop);
                self.connect(leg);
                self.watch_path();
                self.tell(CallInput::MediaRebuilt);
            }
            Err(error) => {
                tracing::warn!(call = %self.id, code = error.code(), "media leg could not be built anew");
                self.services.observe.observe(&Observation::PathRebuilt("not_built"));
                self.on_path_failed("not_built");
            }
        }
    }

    /// What could be done was done.
    fn on_path_failed(&mut self, code: &'static str) {
        self.emit(Fact::PathSilent(code));
        match self.services.on_silent_path {
            OnSilentPath::GoOn => {}
            OnSilentPath::End => self.tell(CallInput::Stop(EndCause::NoSound)),
        }
    }

    pub(super) fn on_audible(&mut self, utterance: UtteranceId, at: Instant) {
        if !matches!(self.call.phase(), Phase::Greeting { .. }) {
            self.set_up.forget();
        } else if let Some(times) = self.set_up.heard(at) {
            self.services.observe.observe(&Observation::SetUp(times));
        }
        self.keeper.changes();
        self.tell(CallInput::Audible { utterance, at });
    }
}
