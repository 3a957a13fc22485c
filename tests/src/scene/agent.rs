//! An agent that answers as it is written.

use super::log::Log;
use super::script::{AgentManner, Answer, Piece, Wish};
use futures_util::future::BoxFuture;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use vg_domain::call::{AgentCommand, Hint};
use vg_domain::card::{CardCollect, CardField};
use vg_domain::fallback::Intent;
use vg_domain::ids::{ConversationId, TurnId};
use vg_domain::keypad::Collect;
use vg_domain::pause::Expect;
use vg_domain::transfer::{Transfer, TransferMode, TransferTarget};
use voice_gateway::application::ports::{Agent, AgentError, AgentEvent, CardReport, ConversationRequest, Question, Said};

/// See the module.
pub(super) struct Answerer {
    pub(super) log: Log,
    pub(super) answers: Mutex<Vec<Answer>>,
    pub(super) manner: Mutex<AgentManner>,
    /// What it was told that the gateway had said.
    pub(super) told: Mutex<Vec<Said>>,
    /// Answers that are being given; they end with the scene.
    pub(super) answering: Mutex<JoinSet<()>>,
}

impl Answerer {
    fn answer_to(&self, words: &str) -> Option<Answer> {
        let mut answers = self.answers.lock().unwrap();
        let fits = |answer: &Answer| answer.to.as_deref().is_none_or(|to| to == words);
        let at = answers.iter().position(fits)?;
        if answers[at].to.is_some() { Some(answers[at].clone()) } else { Some(answers.remove(at)) }
    }
}

impl Agent for Answerer {
    fn open(&self, request: ConversationRequest) -> BoxFuture<'_, Result<ConversationId, AgentError>> {
        let manner = *self.manner.lock().unwrap();
        Box::pin(async move {
            match manner {
                AgentManner::Takes => Ok(ConversationId::new(request.call.as_str())),
                AgentManner::Refuses => Err(AgentError::Unavailable),
            }
        })
    }

    fn ask(&self, question: Question) -> BoxFuture<'_, Result<mpsc::Receiver<AgentEvent>, AgentError>> {
        let words = question.text.as_str().to_owned();
        self.told.lock().unwrap().extend(question.said);
        let guesses = if question.speculative { "guesses" } else { "hears" };
        self.log.note(format!("agent {guesses} {words}"));
        if let Some(CardReport { outcome, kept, last_four }) = &question.card {
            let [token, last_four] = [kept.as_ref().map(|kept| &kept.token), last_four.as_ref()];
            let shown = [token, last_four].map(|told| told.map_or("-", |told| told.reveal().as_str()));
            self.log.note(format!("agent is told card {outcome} {}", shown.join(" ")));
        }
        let answer = self.answer_to(&words);
        Box::pin(async move {
            let Some(answer) = answer else {
                self.log.note("agent has no answer written");
                return Err(AgentError::Failed("unwritten"));
            };
            let (tx, rx) = mpsc::channel(32);
            let log = self.log.clone();
            self.answering.lock().unwrap().spawn(give(answer, tx, log));
            Ok(rx)
        })
    }

    fn commit(&self, _: &ConversationId, _: TurnId) -> BoxFuture<'_, ()> {
        self.log.note("agent guessed well");
        Box::pin(std::future::ready(()))
    }

    fn close(&self, _: &ConversationId) {
        self.log.note("agent forgets");
    }
}

async fn give(answer: Answer, to: mpsc::Sender<AgentEvent>, log: Log) {
    let given = async {
        sleep(Duration::from_millis(answer.after)).await;
        if let Some(expect) = &answer.expects {
            let expect = Expect::parse(expect).expect("something that can be expected");
            to.send(AgentEvent::Hint(Hint::Expect(expect))).await.ok()?;
        }
        if let Some(intent) = &answer.intent {
            let intent = Intent::parse(intent).expect("an intent is a short name");
            to.send(AgentEvent::Hint(Hint::Intent(intent))).await.ok()?;
        }
        if let Some(ms) = answer.holds {
            to.send(AgentEvent::Hint(Hint::Hold(Duration::from_millis(ms)))).await.ok()?;
        }
        if let Some(ms) = answer.waits {
            to.send(AgentEvent::Hint(Hint::Wait(Duration::from_millis(ms)))).await.ok()?;
        }
        if let Some(language) = answer.language {
            to.send(AgentEvent::Hint(Hint::Language(language))).await.ok()?;
        }
        if answer.interruptible == Some(false) {
            to.send(AgentEvent::Hint(Hint::Uninterruptible)).await.ok()?;
        }
        for piece in answer.says {
            match piece {
                Piece::Words(words) => {
                    log.note(format!("agent says {words}"));
                    to.send(AgentEvent::Text(words)).await.ok()?;
                }
                Piece::Pause(ms) => sleep(Duration::from_millis(ms)).await,
            }
        }
        if answer.hangs {
            return std::future::pending().await;
        }
        let end = match answer.falls {
            Some(code) => AgentEvent::Fell(code.leak()),
            None => AgentEvent::Done(answer.then.map(command)),
        };
        to.send(end).await.ok()
    };
    let over = tokio::select! {
        over = given => over,
        () = to.closed() => None,
    };
    if over.is_none() {
        log.note("agent is cancelled");
    }
}

fn command(wish: Wish) -> AgentCommand {
    let transfer = |name: String, mode: TransferMode| {
        let (target, summary) = (TransferTarget::Queue(name), Some("A caller for you.".to_owned()));
        AgentCommand::Transfer(Transfer { target, mode, summary })
    };
    match wish {
        Wish::HangUp => AgentCommand::HangUp,
        Wish::Human => AgentCommand::Human,
        Wish::Menu => AgentCommand::Menu,
        Wish::Queue(name) => transfer(name, TransferMode::Blind),
        Wish::Attended(name) => transfer(name, TransferMode::Attended),
        Wish::Digits(max) => {
            let (first, between) = (Duration::from_secs(6), Duration::from_secs(3));
            AgentCommand::Collect(Collect::new(max, Some('#'), first, between))
        }
        Wish::Card(fields) => {
            let fields: Vec<_> = fields.iter().map(|name| CardField::parse(name).expect("a field of a card")).collect();
            let (first, between) = (Duration::from_secs(6), Duration::from_secs(3));
            AgentCommand::CollectCard(CardCollect::new(&fields, first, between).expect("fields of a card"))
        }
    }
}
