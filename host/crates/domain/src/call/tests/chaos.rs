//! Whatever happens in whatever order: no call panics, hangs, spins or outlives its release.

use super::*;
use crate::dice::Dice;
use crate::outbound::OnMachine;
use crate::tenant::Bounds;

const CALLS: u64 = 1500;
const STEPS: u64 = 300;

/// Deadlines of no time at all find loops that feed themselves.
fn hasty() -> TenantSettings {
    let zero = Duration::ZERO;
    let timing = Timing {
        endpoint_wait: zero,
        endpoint_bounds: Some(Bounds { floor: zero, ceiling: zero }),
        silence: zero,
        barge_in: zero,
        agent_deadline: zero,
        hold: None,
        filler: Some(zero),
        speech_deadline: zero,
        final_deadline: zero,
    };
    TenantSettings { timing, ..with_human() }
}

pub(super) fn mute() -> TenantSettings {
    let none = String::new;
    let prompts = Prompts {
        not_understood: none(),
        still_there: none(),
        time_is_nearly_up: none(),
        agent_unavailable: none(),
        farewell: none(),
        transfer_failed: none(),
        back_again: none(),
        use_keypad: none(),
        card_number: none(),
        card_expiry: none(),
        card_code: none(),
        card_invalid: none(),
        recording_notice: none(),
        recording_question: none(),
        recording_deleted: none(),
        fillers: Vec::new(),
    };
    TenantSettings { greeting: none(), prompts, ..settings() }
}

fn slow() -> TenantSettings {
    TenantSettings { human: Some("queues,human".into()), call_max: Some(Duration::from_secs(75)), ..filler::settings() }
}

pub(super) fn machines() -> TenantSettings {
    dialing::for_machines(OnMachine::Say("Call us back.".into()))
}

/// A call that wants to be woken must be elsewhere soon, and who waits for something must want to be woken.
fn check(desk: &mut Desk, seed: u64) {
    let mut wakes = 0;
    while desk.call.poll_timeout().is_some_and(|(at, _)| at <= desk.now) {
        desk.call.handle_timeout(desk.now);
        wakes += 1;
        assert!(wakes < 10, "seed {seed}: spins while {}", desk.phase());
    }
    let waits = !matches!(desk.call.phase(), Phase::Offered | Phase::Ended(_));
    assert_eq!(desk.call.poll_timeout().is_some(), waits, "seed {seed}: alarm while {}", desk.phase());
    assert!(desk.actions().len() < 100, "seed {seed}: floods");
}

fn random_input(desk: &Desk, dice: &mut Dice) -> CallInput {
    let mut inputs = table::inputs(&desk.call, desk.now);
    // Ends are rare, or no call would come far; answers are about an older turn now and then.
    let ends = if dice.below(60) == 0 { 0 } else { 6 };
    inputs.truncate(inputs.len() - ends);
    let index = usize::try_from(dice.below(inputs.len() as u64)).unwrap();
    match inputs.swap_remove(index) {
        CallInput::AgentText { turn, text } if dice.below(4) == 0 => {
            CallInput::AgentText { turn: TurnId(turn.0.saturating_sub(1)), text }
        }
        CallInput::UtteranceEnded { utterance } if dice.below(4) == 0 => {
            CallInput::UtteranceEnded { utterance: UtteranceId(utterance.0.saturating_sub(1)) }
        }
        input => input,
    }
}

#[test]
fn any_inputs_in_any_order_leave_a_call_that_ends_when_released() {
    let mut reached = std::collections::BTreeSet::new();
    for seed in 0..CALLS {
        let mut dice = Dice::new(seed);
        let settings: fn() -> TenantSettings =
            *dice.pick(&[settings, with_human, hasty, slow, mute, machines, keying::with_menu]);
        let mut desk = Desk::new(settings());
        let inputs = if seed % 3 == 0 {
            desk = Desk::dialing(settings());
            let by = *dice.pick(&[AnsweredBy::CalledSide, AnsweredBy::Human, AnsweredBy::Machine]);
            vec![CallInput::Up(by), CallInput::ConversationOpened, CallInput::MediaConnected]
        } else {
            vec![CallInput::Offered, CallInput::ConversationOpened, CallInput::MediaConnected, CallInput::Answered]
        };
        for input in inputs {
            if dice.below(8) > 0 {
                desk.tell(input);
            }
        }
        for _ in 0..STEPS {
            match dice.below(5) {
                0 => {
                    if let Some((at, _)) = desk.call.poll_timeout() {
                        desk.now = desk.now.max(at);
                    }
                }
                _ => {
                    desk.after(dice.below(400));
                    let input = random_input(&desk, &mut dice);
                    desk.call.handle(desk.now, input);
                }
            }
            reached.insert(desk.phase());
            check(&mut desk, seed);
        }
        desk.tell(CallInput::Released);
        assert!(desk.call.outcome().is_some(), "seed {seed}");
        assert_eq!(desk.call.poll_timeout(), None, "seed {seed}");
    }
    assert_eq!(reached.len(), 12, "every phase is reached: {reached:?}");
}
