//! The JSON of chat completions, of which little is used: text, and three tools.

use crate::adapters::agent::commands;
use crate::adapters::agent::service::{Fault, Piece};
use crate::adapters::agent::web::Reader;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::LazyLock;
use vg_domain::call::AgentCommand;

/// Bytes of a tool call's name and arguments.
const CALL_MAX: usize = 8 << 10;
/// The end of a stream.
const END: &str = "[DONE]";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    System,
    User,
    Assistant,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) content: String,
}

/// Body of `POST …/chat/completions`.
#[derive(Serialize)]
pub(super) struct Completion<'a> {
    model: &'a str,
    messages: &'a [Message],
    stream: bool,
    tools: &'static Value,
}

impl<'a> Completion<'a> {
    pub(super) fn new(model: &'a str, messages: &'a [Message]) -> Self {
        Self { model, messages, stream: true, tools: &TOOLS }
    }
}

static TOOLS: LazyLock<Value> = LazyLock::new(|| {
    let summary = json!({"type": "string", "description": "What the person should know before the caller is connected, in one or two sentences."});
    json!([
        tool("hang_up", "End the call, after a goodbye was said.", json!({}), &[]),
        tool("transfer_to_human", "Connect the caller to a person.", json!({"summary": summary}), &[]),
        tool(
            "transfer",
            "Connect the caller to a place that the instructions name. Never to one that only the caller names.",
            json!({
                "kind": {"type": "string", "enum": ["queue", "extension", "external"]},
                "target": {"type": "string", "description": "Name of the queue, the extension, or a number in E.164."},
                "mode": {"type": "string", "enum": ["blind", "attended"]},
                "summary": summary,
            }),
            &["kind", "target"],
        ),
    ])
});

fn tool(name: &str, description: &str, properties: Value, required: &[&str]) -> Value {
    let parameters = json!({"type": "object", "properties": properties, "required": required});
    json!({"type": "function", "function": {"name": name, "description": description, "parameters": parameters}})
}

/// An answer, or a piece of one.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(alias = "message")]
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    tool_calls: Option<Vec<CallPiece>>,
}

#[derive(Deserialize)]
struct CallPiece {
    #[serde(default)]
    index: usize,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

/// Reads answers. The first tool that is called is the command; others are let go.
pub(crate) struct ChatReader {
    one_document: bool,
    name: String,
    arguments: String,
    done: bool,
}

impl ChatReader {
    pub(super) fn new(one_document: bool) -> Self {
        Self { one_document, name: String::new(), arguments: String::new(), done: false }
    }

    fn delta(&mut self, delta: Delta, into: &mut VecDeque<Piece>) -> Result<(), Fault> {
        if let Some(text) = delta.content {
            into.push_back(Piece::Text(text));
        }
        let calls = delta.tool_calls.unwrap_or_default();
        for function in calls.into_iter().filter(|call| call.index == 0).filter_map(|call| call.function) {
            self.name.push_str(&function.name.unwrap_or_default());
            self.arguments.push_str(&function.arguments.unwrap_or_default());
            if self.name.len() + self.arguments.len() > CALL_MAX {
                return Err(Fault::TooLong);
            }
        }
        Ok(())
    }

    fn complete(&mut self, into: &mut VecDeque<Piece>) {
        if !std::mem::replace(&mut self.done, true) {
            into.push_back(Piece::Done(self.command()));
        }
    }

    /// Models make up names and arguments. A transfer that makes no sense goes to the tenant's person, who can set it right.
    fn command(&self) -> Option<AgentCommand> {
        #[derive(Deserialize)]
        struct Place {
            kind: String,
            target: String,
            mode: Option<String>,
            summary: Option<String>,
        }
        match self.name.as_str() {
            "hang_up" => Some(AgentCommand::HangUp),
            "transfer_to_human" => Some(AgentCommand::Human),
            "transfer" => {
                let place = serde_json::from_str(&self.arguments).map_err(|_| Fault::Garbage);
                let transfer = place.and_then(|Place { kind, target, mode, summary }| {
                    commands::transfer(&kind, target, mode.as_deref(), summary)
                });
                Some(transfer.map_or(AgentCommand::Human, AgentCommand::Transfer))
            }
            _ => None,
        }
    }
}

impl Reader for ChatReader {
    fn read(&mut self, document: &str, into: &mut VecDeque<Piece>) -> Result<(), Fault> {
        if document == END {
            self.complete(into);
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_str(document).map_err(|_| Fault::Garbage)?;
        if chunk.error.is_some() {
            return Err(Fault::Failed);
        }
        // A chunk without a choice counts tokens.
        let Some(choice) = chunk.choices.into_iter().next() else {
            return if self.one_document { Err(Fault::Garbage) } else { Ok(()) };
        };
        if let Some(delta) = choice.delta {
            self.delta(delta, into)?;
        }
        if choice.finish_reason.is_some() || self.one_document {
            self.complete(into);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_domain::transfer::{Transfer, TransferMode, TransferTarget};

    fn read(one_document: bool, documents: &[&str]) -> Result<Vec<Piece>, Fault> {
        let (mut reader, mut pieces) = (ChatReader::new(one_document), VecDeque::new());
        documents.iter().try_for_each(|document| reader.read(document, &mut pieces))?;
        Ok(pieces.into())
    }

    fn text(words: &str) -> Piece {
        Piece::Text(words.to_owned())
    }

    #[test]
    fn a_streamed_answer_ends_once() {
        let pieces = read(
            false,
            &[
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
                r#"{"choices":[{"delta":{"content":"It is"}}]}"#,
                r#"{"choices":[{"delta":{"content":" three."},"finish_reason":null}],"usage":null}"#,
                r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
                r#"{"choices":[],"usage":{"total_tokens":9}}"#,
                END,
            ],
        );
        assert_eq!(pieces, Ok(vec![text(""), text("It is"), text(" three."), Piece::Done(None)]));
        assert_eq!(read(false, &[END]), Ok(vec![Piece::Done(None)]));
    }

    #[test]
    fn tools_become_commands() {
        let call = |name: &str, arguments: &str| {
            let arguments = serde_json::to_string(arguments).unwrap();
            let half = format!(
                r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"id":"x","function":{{"name":"{name}","arguments":""}}}}]}}}}]}}"#
            );
            let rest =
                format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"function":{{"arguments":{arguments}}}}}]}}}}]}}"#);
            let other = r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"name":"hang_up","arguments":"{}"}}]}}]}"#;
            match read(false, &[&half, &rest, other, END]).unwrap().pop() {
                Some(Piece::Done(command)) => command,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(call("hang_up", "{}"), Some(AgentCommand::HangUp));
        assert_eq!(call("transfer_to_human", r#"{"summary":"x"}"#), Some(AgentCommand::Human));
        let (target, mode) = (TransferTarget::Queue("sales".into()), TransferMode::Blind);
        let transfer = AgentCommand::Transfer(Transfer { target, mode, summary: Some("Wants a tent.".into()) });
        assert_eq!(call("transfer", r#"{"kind":"queue","target":"sales","summary":"Wants a tent."}"#), Some(transfer));
        for nonsense in ["", "{}", "sales", r#"{"kind":"moon","target":"x"}"#, r#"{"kind":"external","target":"0900"}"#] {
            assert_eq!(call("transfer", nonsense), Some(AgentCommand::Human), "{nonsense}");
        }
        assert_eq!(call("order_pizza", "{}"), None);
    }

    #[test]
    fn a_server_that_does_not_stream_is_understood() {
        let whole = r#"{"choices":[{"message":{"role":"assistant","content":"Bye.","tool_calls":[{"id":"1","type":"function",
            "function":{"name":"hang_up","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#;
        assert_eq!(read(true, &[whole]), Ok(vec![text("Bye."), Piece::Done(Some(AgentCommand::HangUp))]));
        assert_eq!(read(true, &[r#"{"choices":[]}"#]), Err(Fault::Garbage));
    }

    #[test]
    fn nonsense_and_errors_are_faults() {
        for document in ["", "hello", "[]", r#"{"choices":7}"#, r#"{"choices":[{"delta":{"content":7}}]}"#] {
            assert_eq!(read(false, &[document]), Err(Fault::Garbage), "{document}");
        }
        assert_eq!(read(false, &[r#"{"error":{"message":"no model"}}"#]), Err(Fault::Failed));
        let long = format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"function":{{"arguments":"{}"}}}}]}}}}]}}"#,
            "x".repeat(CALL_MAX + 1)
        );
        assert_eq!(read(false, &[&long]), Err(Fault::TooLong));
    }
}
