//! Channels, bridges and applications, and who is where.

use super::{Left, Move};
use crate::load::callers::{Line, Switch};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// What the dialplan says of every caller.
pub(super) const TENANT: &str = "tenant=load";

/// Media channels that are gone and whose sockets are still listened to.
const BURIED_MAX: usize = 512;

pub(super) struct House {
    pub(super) callers: Switch,
    pub(super) inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) channels: BTreeMap<String, Channel>,
    /// With who is in them.
    pub(super) bridges: BTreeMap<String, Vec<String>>,
    /// Applications that were ever listened to, and by whom they are now.
    pub(super) apps: BTreeMap<String, Option<mpsc::Sender<String>>>,
    /// Counts callers, who go to the applications in turns.
    came: usize,
    pub(super) moves: Vec<Move>,
    pub(super) given_up: usize,
    /// Sockets of media channels that are gone, those that went last.
    buried: VecDeque<Line>,
    said_to_nobody: usize,
}

pub(super) struct Channel {
    /// In which application it is; empty in the dialplan.
    pub(super) app: String,
    /// What the dialplan ran first, which is on show for ever.
    data: String,
    name: String,
    /// Which caller it is.
    pub(super) caller: Option<usize>,
    /// The sound of a media channel.
    line: Option<Line>,
    pub(super) variables: HashMap<String, String>,
}

/// The channel of a caller.
pub(super) fn caller(number: usize) -> String {
    format!("caller-{number}")
}

impl House {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects those callers among the channels with the media channels of their bridges.
    pub(super) fn rewire<'a>(&self, inner: &mut Inner, touched: impl Iterator<Item = &'a String>) {
        for id in touched {
            let number = match inner.channels.get(id) {
                Some(channel) => channel.caller,
                None => id.strip_prefix("caller-").and_then(|number| number.parse().ok()),
            };
            if let Some(number) = number {
                self.callers.connect(number, inner.lines_of(id));
            }
        }
    }
}

impl Inner {
    pub(super) fn left(&self) -> Left {
        Left { channels: self.channels.keys().cloned().collect(), bridges: self.bridges.keys().cloned().collect() }
    }

    /// What is told of a channel, in events and answers.
    pub(super) fn told(&self, id: &str) -> Value {
        let Some(Channel { app, data, name, caller, .. }) = self.channels.get(id) else { return json!({ "id": id }) };
        let place = json!({"exten": "100", "app_name": if app.is_empty() { "Playback" } else { "Stasis" }, "app_data": data});
        let number = if caller.is_some() { "5550100" } else { "" };
        json!({"id": id, "state": "Up", "name": name, "caller": {"number": number}, "dialplan": place})
    }

    /// Of several sockets of one application the last one counts.
    pub(super) fn listens(&mut self, app: &str, say: mpsc::Sender<String>) {
        self.say(app, &json!({"type": "ApplicationReplaced"}));
        self.apps.insert(app.to_owned(), Some(say));
    }

    pub(super) fn listens_no_more(&mut self, app: &str, said: &mpsc::Sender<String>) {
        if let Some(says) = self.apps.get_mut(app)
            && says.as_ref().is_some_and(|says| says.same_channel(said))
        {
            *says = None;
        }
    }

    /// To whom the next caller comes.
    pub(super) fn next_app(&mut self) -> Option<String> {
        let listened: Vec<&String> = self.apps.iter().filter(|(_, says)| says.is_some()).map(|(app, _)| app).collect();
        let app = listened.get(self.came % listened.len().max(1)).map(|app| (*app).clone());
        self.came += 1;
        app
    }

    pub(super) fn say(&self, app: &str, event: &Value) {
        let mut event = event.clone();
        event["application"] = app.into();
        if let Some(Some(says)) = self.apps.get(app) {
            // Whoever is so far behind is frozen, and asks when it wakes.
            let _ = says.try_send(event.to_string());
        }
    }

    pub(super) fn of(&self, app: &str) -> Vec<&String> {
        self.channels.iter().filter(|(_, channel)| channel.app == app).map(|(id, _)| id).collect()
    }

    pub(super) fn caller_comes(&mut self, number: usize, app: &str) -> String {
        let (id, data, name) = (caller(number), format!("{app},{TENANT}"), format!("PJSIP/load-{number:08x}"));
        let channel = Channel { app: app.to_owned(), data, name, caller: Some(number), line: None, variables: HashMap::new() };
        self.channels.insert(id.clone(), channel);
        id
    }

    pub(super) fn media_comes(&mut self, id: &str, app: &str, line: Line) {
        let name = format!("UnicastRTP/{}", line.gateway);
        let (app, line) = (app.to_owned(), Some(line));
        let channel = Channel { data: app.clone(), app, name, caller: None, line, variables: HashMap::new() };
        self.channels.insert(id.to_owned(), channel);
    }

    /// Gives those who were in a bridge with it, and itself.
    pub(super) fn remove_channel(&mut self, id: &str) -> Vec<String> {
        let touched = self.leave_bridge(id);
        if let Some(line) = self.channels.remove(id).and_then(|channel| channel.line) {
            // What came while it lived.
            line.drain();
            self.buried.push_back(line);
            if self.buried.len() > BURIED_MAX {
                self.said_to_nobody += self.buried.pop_front().map_or(0, |line| line.drain());
            }
        }
        touched
    }

    /// Gives all whose bridge has changed.
    pub(super) fn join(&mut self, bridge: &str, joining: &[String]) -> Vec<String> {
        let mut touched: Vec<String> = joining.iter().flat_map(|id| self.leave_bridge(id)).collect();
        if let Some(members) = self.bridges.get_mut(bridge) {
            members.extend(joining.iter().cloned());
            touched.extend(members.iter().cloned());
        }
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    fn leave_bridge(&mut self, id: &str) -> Vec<String> {
        let mut touched = vec![id.to_owned()];
        for members in self.bridges.values_mut().filter(|members| members.iter().any(|member| member == id)) {
            members.retain(|member| member != id);
            touched.extend(members.iter().cloned());
        }
        touched
    }

    fn lines_of(&self, id: &str) -> Vec<Line> {
        let Some(members) = self.bridges.values().find(|members| members.iter().any(|member| member == id)) else {
            return Vec::new();
        };
        members.iter().filter_map(|member| self.channels.get(member)?.line.clone()).collect()
    }

    pub(super) fn said_to_nobody(&mut self) -> usize {
        self.said_to_nobody += self.buried.iter().map(Line::drain).sum::<usize>();
        self.said_to_nobody
    }
}
