use super::*;
use crate::adapters::tenants;
use crate::application::ports::{CardReport, Kept, Reach};
use std::sync::Arc;
use std::time::Duration;
use vg_domain::call::{AgentCommand, Hint};
use vg_domain::fallback::Intent;
use vg_domain::ids::{CallId, TurnId};
use vg_domain::mask::{Heard, Mask};
use vg_domain::parties::Direction;
use vg_domain::pause::Expect;
use vg_domain::pii::Pii;
use vg_domain::speech::Extent;
use vg_domain::transfer::{Transfer, TransferMode, TransferTarget};

fn read(reader: TurnReader, document: &str) -> Result<Vec<Piece>, Fault> {
    let (mut reader, mut pieces) = (reader, VecDeque::new());
    reader.read(document, &mut pieces)?;
    Ok(pieces.into())
}

#[test]
fn a_conversation_is_opened_with_all_that_is_known_of_the_call() {
    let request = ConversationRequest {
        call: CallId::new("call-1"),
        settings: Arc::new(tenants::demo()),
        caller: Pii::new("+5511999998888".into()),
        dialled: Pii::new("100".into()),
        agent: Some("sales".into()),
        metadata: BTreeMap::from([("campaign".to_owned(), "summer".to_owned())]),
        direction: Direction::Outbound,
    };
    let json = serde_json::to_value(NewConversation::of(&request)).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "call_id": "call-1", "tenant_id": "demo", "language": "en-US", "caller_number": "+5511999998888",
            "callee_number": "100", "direction": "outbound", "agent_id": "sales", "greeting": request.settings.greeting,
            "metadata": {"campaign": "summer"},
        })
    );
}

#[test]
fn a_turn_tells_what_the_caller_heard() {
    let text = |words: &str| Mask::new().mask_agent(words);
    let question = Question {
        call: CallId::new("call-1"),
        conversation: ConversationId::new("c"),
        turn: TurnId(2),
        text: Mask::new().mask_final(Heard::new("stop".into())),
        said: vec![
            Said { turn: None, text: text("Welcome."), reach: Reach::Whole },
            Said {
                turn: Some(TurnId(1)),
                text: text("It is three o'clock."),
                reach: Reach::Interrupted { spoken_ms: Some(400), extent: Extent::Exact { chars: 5 } },
            },
        ],
        within: Duration::from_secs(1),
        speculative: false,
        card: None,
    };
    assert_eq!(
        serde_json::to_value(Turn::of(&question)).unwrap(),
        serde_json::json!({
            "turn_id": 2, "text": "stop", "heard": [
                {"said": "Welcome.", "heard": "Welcome.", "state": "whole"},
                {"turn_id": 1, "said": "It is three o'clock.", "heard": "It is", "state": "interrupted", "spoken_ms": 400, "precision": "exact"},
            ],
        })
    );
}

#[test]
fn a_turn_tells_what_became_of_a_card() {
    let question = |card: CardReport| Question {
        call: CallId::new("call-1"),
        conversation: ConversationId::new("c"),
        turn: TurnId(2),
        text: Mask::new().mask_agent("[card]"),
        said: Vec::new(),
        within: Duration::from_secs(1),
        speculative: false,
        card: Some(card),
    };
    let told = |card: CardReport| serde_json::to_value(Turn::of(&question(card))).unwrap()["card"].clone();
    assert_eq!(told(CardReport::only("cancelled")), serde_json::json!({"outcome": "cancelled"}));
    let kept = Kept { token: Pii::new("tok-1".into()), brand: Some("visa".into()) };
    let given = CardReport { outcome: "given", kept: Some(kept), last_four: Some(Pii::new("1111".into())) };
    assert_eq!(format!("{:?}", question(given.clone()).card), "Some(given)", "a token is not printed");
    assert_eq!(told(given), serde_json::json!({"outcome": "given", "token": "tok-1", "last4": "1111", "brand": "visa"}));
}

#[test]
fn answers_are_read_whole_and_in_pieces() {
    let words = |text: &str| Piece::Text(text.to_owned());
    assert_eq!(read(TurnReader::Whole, r#"{"text":"Hi."}"#), Ok(vec![words("Hi."), Piece::Done(None)]));
    let hang_up = Piece::Done(Some(AgentCommand::HangUp));
    assert_eq!(read(TurnReader::Whole, r#"{"command":{"action":"hang_up"}}"#), Ok(vec![words(""), hang_up.clone()]));
    assert_eq!(read(TurnReader::Events, r#"{"type":"text","text":"Hi"}"#), Ok(vec![words("Hi")]));
    assert_eq!(read(TurnReader::Events, r#"{"type":"done","command":{"action":"hang_up"}}"#), Ok(vec![hang_up]));
    assert_eq!(read(TurnReader::Events, r#"{"type":"done"}"#), Ok(vec![Piece::Done(None)]));
    let yes_or_no = [Piece::Hint(Hint::Expect(Expect::YesNo)), Piece::Done(None)];
    assert_eq!(read(TurnReader::Events, r#"{"type":"done","expect":"yesno"}"#), Ok(yes_or_no.to_vec()));
    let digits = vec![Piece::Hint(Hint::Expect(Expect::Digits)), words("Your number?"), Piece::Done(None)];
    assert_eq!(read(TurnReader::Whole, r#"{"text":"Your number?","expect":"digits"}"#), Ok(digits));
    assert_eq!(read(TurnReader::Events, r#"{"type":"done","expect":"a song"}"#), Ok(vec![Piece::Done(None)]), "only a hint");
    let about = |intent: &str| Piece::Hint(Hint::Intent(Intent::parse(intent).unwrap()));
    let whole = vec![about("delivery"), words("Soon."), Piece::Done(None)];
    assert_eq!(read(TurnReader::Whole, r#"{"text":"Soon.","intent":"delivery"}"#), Ok(whole));
    let done = vec![about("delivery"), Piece::Hint(Hint::Expect(Expect::YesNo)), Piece::Done(None)];
    assert_eq!(read(TurnReader::Events, r#"{"type":"done","expect":"yesno","intent":"delivery"}"#), Ok(done));
    let wait = vec![Piece::Hint(Hint::Wait(Duration::from_secs(30))), Piece::Done(None)];
    assert_eq!(read(TurnReader::Events, r#"{"type":"done","wait_ms":30000}"#), Ok(wait));
    let early = vec![about("returns"), words("Of course")];
    assert_eq!(read(TurnReader::Events, r#"{"type":"text","text":"Of course","intent":"returns"}"#), Ok(early));
    assert_eq!(read(TurnReader::Events, r#"{"type":"done","intent":"two words"}"#), Ok(vec![Piece::Done(None)]), "only a hint");
    let notice = vec![Piece::Hint(Hint::Uninterruptible), words("This call is recorded.")];
    assert_eq!(
        read(TurnReader::Events, r#"{"type":"text","text":"This call is recorded.","interruptible":false}"#),
        Ok(notice.clone())
    );
    let ours = vec![Piece::Hint(Hint::Language("pt-BR".to_owned())), words("Claro.")];
    assert_eq!(read(TurnReader::Events, r#"{"type":"text","text":"Claro.","language":"pt-BR"}"#), Ok(ours));
    let hold = vec![Piece::Hint(Hint::Hold(Duration::from_secs(8))), words("")];
    assert_eq!(read(TurnReader::Events, r#"{"type":"text","text":"","hold_ms":8000}"#), Ok(hold));
    let no_tag = read(TurnReader::Events, r#"{"type":"text","text":"Claro.","language":"português"}"#);
    assert_eq!(no_tag, Ok(vec![words("Claro.")]), "only a hint");
    let whole = [notice, vec![Piece::Done(None)]].concat();
    assert_eq!(read(TurnReader::Whole, r#"{"text":"This call is recorded.","interruptible":false}"#), Ok(whole));
    assert_eq!(read(TurnReader::Events, r#"{"type":"text","text":"Hi","interruptible":true}"#), Ok(vec![words("Hi")]));
    assert_eq!(read(TurnReader::Events, r#"{"type":"thinking","about":7}"#), Ok(vec![]));
    assert_eq!(read(TurnReader::Events, r#"{"type":"error","code":"model_down"}"#), Err(Fault::Failed));
}

#[test]
fn nonsense_is_a_fault() {
    for document in
        ["", "null", "[]", "{}", "hello", r#"{"type":"text"}"#, r#"{"type":"text","text":7}"#, r#"{"type":"done","command":{}}"#]
    {
        assert_eq!(read(TurnReader::Events, document), Err(Fault::Garbage), "{document}");
    }
    for document in ["", "null", "[]", r#"{"text":7}"#, r#"{"command":"hang_up"}"#] {
        assert_eq!(read(TurnReader::Whole, document), Err(Fault::Garbage), "{document}");
    }
}

#[test]
fn a_handover_is_asked_for_and_advised() {
    let target = TransferTarget::Queue("sales".into());
    let wish = Some(Transfer { target: target.clone(), mode: TransferMode::Attended, summary: None });
    let reason = crate::application::ports::HandoverReason::Operator;
    let mut request = HandoverRequest { conversation: ConversationId::new("c"), reason, wish };
    let json = |request: &HandoverRequest| serde_json::to_value(Handover::of(request)).unwrap();
    assert_eq!(json(&request), serde_json::json!({"reason": "operator", "kind": "queue", "target": "sales", "mode": "attended"}));
    request.wish = None;
    assert_eq!(json(&request), serde_json::json!({"reason": "operator"}));

    let advice = |text: &str| serde_json::from_str::<Advice>(text).unwrap().parse();
    assert_eq!(advice("{}"), Ok(HandoverAdvice::default()));
    let told = HandoverAdvice { target: Some(target), mode: TransferMode::Blind, summary: Some("Wants a tent.".into()) };
    assert_eq!(advice(r#"{"kind":"queue","target":"sales","summary":"Wants a tent."}"#), Ok(told));
    assert_eq!(advice(r#"{"kind":"queue"}"#), Err(Fault::Garbage));
}
