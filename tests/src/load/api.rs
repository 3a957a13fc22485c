//! Who looks at the calls while they run: `GET /v1/calls` so many times a second, as consoles do, with a token.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// `iss` of the tokens.
pub const ISSUER: &str = "https://load.example/";
/// `aud` of the tokens.
pub const AUDIENCE: &str = "voice-gateway";

/// Connections that are kept. More than are waited for at a time, so that a slow answer holds up few of those that follow.
const CONNECTIONS: usize = 64;
/// An answer that has not come by then is not coming.
const PATIENCE: Duration = Duration::from_secs(10);
/// An answer's head is shorter.
const HEAD_MAX: usize = 8 << 10;

/// Who signs the tokens of a run.
pub struct Issuer(Ed25519KeyPair);

impl Issuer {
    /// With a key of its own.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn new() -> Result<Self> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).ok().context("make a key")?;
        Ok(Self(Ed25519KeyPair::from_pkcs8(document.as_ref()).ok().context("read the key")?))
    }

    /// Its public key, as `http.jwt_key` wants it (RFC 8410).
    pub fn pem(&self) -> String {
        let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let text = STANDARD.encode([&head, self.0.public_key().as_ref()].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    /// A token to look at a tenant's calls for an hour.
    pub fn token(&self, tenant: &str) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "load", "exp": now + 3_600, "tenant_id": tenant, "scope": "calls:read" });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&json!({ "alg": "EdDSA" })), part(&claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(message.as_bytes())))
    }
}

/// How a gateway answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Over what time they were asked for.
    pub seconds: f64,
    /// How many came.
    pub answered: usize,
    /// Of these, others than 200.
    pub refused: usize,
    /// Requests that got none.
    pub unanswered: usize,
    /// How long each took, shortest first: from when it was sent, or was to be sent and its connection still waited for the one before.
    pub took: Vec<Duration>,
}

impl Answers {
    /// How long so large a share of the answers took at most, in ms.
    pub fn ms(&self, share: f64) -> f64 {
        let nth = ((self.took.len() as f64 * share) as usize).min(self.took.len().saturating_sub(1));
        self.took.get(nth).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
    }

    /// Answers in a second.
    pub fn per_s(&self) -> f64 {
        self.answered as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// These and those of another time.
    pub fn join(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.answered += other.answered;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.took.extend(other.took);
        self.took.sort_unstable();
    }
}

/// Asks so many times a second for so long. The schedule does not wait for answers: what comes late does not make the next request later, unless
/// the connection is the same.
///
/// # Errors
/// Where nobody answers at all.
pub async fn ask(at: SocketAddr, token: &str, per_s: usize, seconds: u64) -> Result<Answers> {
    let request = format!("GET /v1/calls HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\n\r\n");
    let (all, begin) = (per_s * seconds as usize, Instant::now() + Duration::from_millis(100));
    let mut lines = JoinSet::new();
    for nth in 0..CONNECTIONS.min(all) {
        let mut line = Line { stream: TcpStream::connect(at).await.context("connect to the API")?, left: Vec::new() };
        line.stream.set_nodelay(true)?;
        let request = request.clone();
        lines.spawn(async move {
            let mut answers = Answers::default();
            for turn in (nth..all).step_by(CONNECTIONS) {
                let due = begin + Duration::from_secs_f64(turn as f64 / per_s as f64);
                // A timer's own lateness is not the gateway's.
                let waited = due > Instant::now();
                sleep_until(due).await;
                let sent = if waited { Instant::now() } else { due };
                match timeout(PATIENCE, line.ask(request.as_bytes())).await {
                    Ok(Ok(status)) => {
                        answers.answered += 1;
                        answers.refused += usize::from(status != 200);
                        answers.took.push(sent.elapsed());
                    }
                    Ok(Err(_)) | Err(_) => {
                        answers.unanswered += 1;
                        let Ok(stream) = TcpStream::connect(at).await else { return answers };
                        line = Line { stream, left: Vec::new() };
                    }
                }
            }
            answers
        });
    }
    let mut answers = Answers::default();
    while let Some(line) = lines.join_next().await {
        answers.join(line.context("a connection's task")?);
    }
    answers.seconds = begin.elapsed().as_secs_f64();
    ensure!(answers.answered > 0, "nobody answers at {at}");
    Ok(answers)
}

/// A connection that is kept, and what of the next answer has come already.
struct Line {
    stream: TcpStream,
    left: Vec<u8>,
}

impl Line {
    /// The status of the answer, when all of it has come.
    async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        let (head, status, length) = loop {
            if let Some(end) = self.left.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.left[..end])?;
                break (end + 4, status(head).context("a status")?, length(head).context("a length")?);
            }
            ensure!(self.left.len() < HEAD_MAX, "an answer without an end of its head");
            self.more().await?;
        };
        while self.left.len() < head + length {
            self.more().await?;
        }
        self.left.drain(..head + length);
        Ok(status)
    }

    async fn more(&mut self) -> Result<()> {
        ensure!(self.stream.read_buf(&mut self.left).await? > 0, "the connection ended");
        Ok(())
    }
}

fn status(head: &str) -> Option<u16> {
    head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

fn length(head: &str) -> Option<usize> {
    let named = |line: &str| {
        line.split_once(':')
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map(|(_, value)| value.trim().to_owned())
    };
    head.lines().find_map(named)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers each request, every third with 429, and the first of each connection late.
    async fn server(listener: TcpListener) {
        let mut count = 0_usize;
        let mut lines = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            count += 1;
            let nth = count;
            lines.spawn(async move {
                let mut asked = 0;
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).await.unwrap() > 0 {
                    asked += 1;
                    if asked == 1 {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    let status = if nth % 3 == 0 { "429 Too Many Requests" } else { "200 OK" };
                    // In two pieces, as a network may have it.
                    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n").as_bytes()).await.unwrap();
                    stream.write_all(b"\r\nhello").await.unwrap();
                }
            });
        }
    }

    #[tokio::test]
    async fn requests_keep_their_schedule_and_what_is_late_or_refused_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut servers = JoinSet::new();
        servers.spawn(server(listener));
        let answers = ask(at, "token", 200, 2).await.unwrap();
        assert_eq!((answers.answered, answers.unanswered, answers.took.len()), (400, 0, 400));
        // A third of 64 connections, each asked six or seven times.
        assert!((120..=147).contains(&answers.refused), "{}", answers.refused);
        assert!((150.0..=210.0).contains(&answers.per_s()), "{}", answers.per_s());
        // One of 64 firsts is a sixth of the requests: the half is quick, the slowest is not.
        assert!(answers.ms(0.5) < 150.0 && answers.ms(0.99) >= 200.0, "{} {}", answers.ms(0.5), answers.ms(0.99));
    }
}
