//! A scripted manager interface: checks the login, answers as Asterisk does, and misbehaves.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

pub(super) const CHALLENGE: &str = "297366841";
/// MD5 of challenge and `secret`, by `md5sum`.
pub(super) const KEY: &str = "6a815a13bd6a12622dc0befc00df3153";

pub(super) struct Manager {
    pub(super) address: String,
    said: broadcast::Sender<Option<String>>,
    log: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Manager {
    #[expect(clippy::disallowed_methods, reason = "aborted when the fake is dropped")]
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, said, log) = (listener.local_addr().unwrap().to_string(), broadcast::channel(64).0, Arc::default());
        let task = tokio::spawn(accept(listener, said.clone(), Arc::clone(&log)));
        Self { address, said, log, task }
    }

    /// Said on every connection, as it is.
    pub(super) fn say(&self, text: &str) {
        self.said.send(Some(text.to_owned())).unwrap();
    }

    /// Every connection breaks.
    pub(super) fn cut(&self) {
        self.said.send(None).unwrap();
    }

    /// Actions so far with what matters of them.
    pub(super) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, said: broadcast::Sender<Option<String>>, log: Arc<Mutex<Vec<String>>>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, said.subscribe(), Arc::clone(&log)));
    }
}

async fn serve(stream: TcpStream, mut said: broadcast::Receiver<Option<String>>, log: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let _ = write.write_all(b"Asterisk Call Manager/11.0.0\r\n").await;
    let mut action = Vec::new();
    loop {
        let answer = tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) if line.is_empty() => answer(&std::mem::take(&mut action), &log),
                Ok(Some(line)) => {
                    action.push(line);
                    continue;
                }
                _ => return,
            },
            said = said.recv() => match said {
                Ok(Some(text)) => text,
                _ => return,
            },
        };
        if write.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(action: &[String], log: &Mutex<Vec<String>>) -> String {
    let field = |name: &str| action.iter().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_default();
    let (name, id) = (field("Action"), field("ActionID"));
    log.lock().unwrap().push(format!("{name} {}{}{}", field("Channel"), field("EventMask"), field("Exten")));
    let ok = format!("Response: Success\r\nActionID: {id}\r\n");
    match name {
        "Challenge" => format!("{ok}Challenge: {CHALLENGE}\r\n\r\n"),
        "Login" if field("Key") == KEY || field("Secret") == "secret" => {
            format!("{ok}Message: Authentication accepted\r\n\r\nEvent: FullyBooted\r\nStatus: Fully Booted\r\n\r\n")
        }
        "Login" => format!("Response: Error\r\nActionID: {id}\r\nMessage: Authentication failed\r\n\r\n"),
        "Getvar" => format!("{ok}Variable: x\r\nValue: 1\r\n\r\n"),
        "Hangup" if field("Channel") == "gone" => {
            format!("Response: Error\r\nActionID: {id}\r\nMessage: No such channel\r\n\r\n")
        }
        "BlindTransfer" => format!("Response: Error\r\nActionID: {id}\r\nMessage: Transfer invalid\r\n\r\n"),
        // Never answered.
        "PlayDTMF" => String::new(),
        "CoreShowChannels" => {
            let item =
                |n| format!("Event: CoreShowChannel\r\nActionID: {id}\r\nChannel: PJSIP/c-{n}\r\nUniqueid: 17.{n}\r\n\r\n");
            let end = format!("Event: CoreShowChannelsComplete\r\nActionID: {id}\r\nEventList: Complete\r\nListItems: 2\r\n\r\n");
            format!("{ok}EventList: start\r\n\r\n{}{}{end}", item(1), item(2))
        }
        _ => format!("{ok}\r\n"),
    }
}
