//! Orders from beside the call: the API, consoles, the command line.

use super::CallTask;
use crate::application::limits;
use crate::application::line::Act;
use crate::application::orders::Ordered;
use crate::application::ports::{CallOrder, OrderError};
use tokio::sync::oneshot;
use vg_domain::call::CallInput;
use vg_domain::outcome::EndCause;
use vg_domain::transfer::{Transfer, TransferMode, TransferRefusal};

type Answer = oneshot::Sender<Result<(), OrderError>>;

/// The order to hand over that waits for what comes of it. Dropping it says that the call has ended.
#[derive(Default)]
pub(super) struct Pending(Option<(TransferMode, Answer)>);

impl Pending {
    /// Something came of the hand-over that is under way.
    pub(super) fn handed_over(&mut self, outcome: Result<(), &'static str>) {
        if let Some((_, answer)) = self.0.take() {
            // Who asked may have gone.
            let _ = answer.send(outcome.map_err(OrderError::Failed));
        }
    }

    /// The leg has parted: a blind hand-over is carried out with that, whoever answers later.
    pub(super) fn parted(&mut self) {
        if self.0.as_ref().is_some_and(|(mode, _)| *mode == TransferMode::Blind) {
            self.handed_over(Ok(()));
        }
    }
}

impl CallTask {
    pub(super) async fn on_order(&mut self, ordered: Option<Ordered>) {
        let Some(Ordered { order, answer }) = ordered else {
            self.orders = None;
            return;
        };
        let result = match order {
            CallOrder::HangUp => {
                self.tell(CallInput::Stop(EndCause::Stopped));
                Ok(())
            }
            CallOrder::Say(text) => self.on_say_order(text),
            CallOrder::Digits(digits) if !is_digits(&digits) => Err(OrderError::Failed("bad_digits")),
            CallOrder::Digits(_) if !self.call.is_conversing() => Err(OrderError::NotNow),
            CallOrder::Digits(digits) => return self.line.act(Act::Digits(digits, answer)).await,
            CallOrder::Transfer(wish) => match self.may_hand_over(&wish) {
                Ok(()) => {
                    self.pending = Pending(Some((wish.mode, answer)));
                    self.tell(CallInput::TransferOrdered(wish));
                    return;
                }
                Err(error) => Err(error),
            },
            CallOrder::CallOffTransfer if !self.call.can_call_off_handover() => Err(OrderError::NotNow),
            CallOrder::CallOffTransfer => {
                self.tell(CallInput::TransferCalledOff);
                Ok(())
            }
            CallOrder::Recording(order) => self.on_recording_order(order),
        };
        // Who asked may have gone.
        let _ = answer.send(result);
    }

    fn on_say_order(&mut self, text: String) -> Result<(), OrderError> {
        if text.trim().is_empty() || text.len() > limits::SAY_ORDER_BYTES {
            return Err(OrderError::Failed("bad_text"));
        }
        if !self.call.takes_lines() {
            return Err(OrderError::NotNow);
        }
        self.tell(CallInput::SayOrdered(text));
        Ok(())
    }

    /// Asked before the call is disturbed: what is refused leaves no trace in it.
    fn may_hand_over(&self, wish: &Transfer) -> Result<(), OrderError> {
        if !self.call.can_be_handed_over() {
            return Err(OrderError::NotNow);
        }
        match self.settings.transfer.resolve(wish, None) {
            Ok(_) => Ok(()),
            Err(TransferRefusal::NoTargets | TransferRefusal::Forbidden) => Err(OrderError::Forbidden),
            Err(refusal @ (TransferRefusal::Name | TransferRefusal::Number | TransferRefusal::NoConsulting)) => {
                Err(OrderError::Failed(refusal.code()))
            }
        }
    }
}

fn is_digits(digits: &str) -> bool {
    (1..=limits::DIGITS_ORDER).contains(&digits.len())
        && digits.chars().all(|key| matches!(key, '0'..='9' | '*' | '#' | 'A'..='D'))
}
