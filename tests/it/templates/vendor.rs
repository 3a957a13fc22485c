//! The vendors that the templates are written for, on this machine: one that transcribes over a WebSocket, one that speaks over HTTP.

use futures_util::{SinkExt, StreamExt};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// The key that only the host and the vendor know.
pub(crate) const KEY: &str = "k-3f9c1d77";
/// What the speaker says, over and over.
pub(crate) const SAMPLE: i16 = 0x1234;
/// How often.
pub(crate) const SAMPLES: usize = 1_600;

/// Serves one call.
pub(crate) struct Transcriber {
    pub(crate) port: u16,
}

/// Serves one request.
pub(crate) struct Speaker {
    pub(crate) port: u16,
}

impl Transcriber {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            socket.set_nonblocking(true).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut call = accept_hdr_async(tokio::net::TcpStream::from_std(socket).unwrap(), keyed).await.unwrap();
                let mut heard = false;
                while let Some(Ok(message)) = call.next().await {
                    let answer = match message {
                        Message::Binary(_) if !heard => {
                            heard = true;
                            r#"{"type":"final","text":"hello from the vendor","start_ms":0,"end_ms":400}"#
                        }
                        Message::Text(text) if text.contains("finalize") => r#"{"type":"finalized"}"#,
                        Message::Text(text) if text.contains("end") => break,
                        _ => continue,
                    };
                    call.send(Message::text(answer)).await.unwrap();
                }
                // Its own close may be on its way already.
                let _closed = call.close(None).await;
                while let Some(Ok(_)) = call.next().await {}
            });
        });
        Self { port }
    }
}

#[expect(clippy::result_large_err, reason = "the library's own type")]
fn keyed(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    let key = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    assert_eq!(key, Some(format!("Bearer {KEY}").as_str()), "the host fills the key in");
    Ok(response)
}

impl Speaker {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !whole(&request) {
                let read = socket.read(&mut piece).unwrap();
                assert!(read > 0, "the request is cut");
                request.extend_from_slice(&piece[..read]);
            }
            let request = String::from_utf8(request).unwrap();
            assert!(request.contains(&format!("Bearer {KEY}")) && request.contains("Good morning."), "{request}");
            let sound = SAMPLE.to_le_bytes().repeat(SAMPLES);
            write!(socket, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", sound.len()).unwrap();
            // An odd number of bytes at a time.
            sound.chunks(333).for_each(|piece| socket.write_all(piece).unwrap());
        });
        Self { port }
    }
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}

/// A WAV file of silence, 16 bits, one channel.
pub(crate) fn silence_wav(rate_hz: u32, ms: u32) -> Vec<u8> {
    let bytes = rate_hz * ms / 1_000 * 2;
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(rate_hz.to_le_bytes());
    wav.extend((rate_hz * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.resize(44 + bytes as usize, 0);
    wav
}
