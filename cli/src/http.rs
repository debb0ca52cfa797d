//! A small HTTP/1.1 server on any [`Flow`]: a page, bytes without end, and a
//! place to put them.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | a page |
//! | `GET /bytes/N` | `N` bytes, the same every time |
//! | `PUT /anything`, `POST /anything` | how many bytes came and their SHA-256 |

use std::fmt::Write as _;

use fata::traits::{Flow, FlowError};
use sha2::{Digest, Sha256};

/// The longest request head, in bytes; a longer one is answered with 431.
const HEAD: usize = 16 * 1024;

const PAGE: &str = "<!doctype html>\n<title>Fata</title>\n<h1>It is a mirage</h1>\n\
    <p>This page came through Ethernet, IPv4 and TCP written from scratch.\n";

/// Serves requests until the peer closes or something goes wrong.
pub async fn serve<F: Flow>(flow: &mut F) -> Result<(), FlowError> {
    let mut buffer = Vec::new();
    while let Some(head) = read_head(flow, &mut buffer).await? {
        let request = match Request::parse(&buffer[..head]) {
            Ok(request) => request,
            Err(status) => return respond(flow, status, "text/plain", status.as_bytes(), false).await,
        };
        let rest = buffer.split_off(head);
        buffer = rest;
        if !answer(flow, &request, &mut buffer).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// What of a request matters here.
struct Request {
    method: String,
    path: String,
    length: Option<u64>,
    chunked: bool,
    continues: bool,
    keep_alive: bool,
}

impl Request {
    fn parse(head: &[u8]) -> Result<Self, &'static str> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(head) {
            Ok(status) if status.is_complete() => {}
            Ok(_) => return Err("431 Request Header Fields Too Large"),
            Err(_) => return Err("400 Bad Request"),
        }
        let mut request = Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            path: parsed.path.unwrap_or_default().to_owned(),
            length: None,
            chunked: false,
            continues: false,
            keep_alive: parsed.version == Some(1),
        };
        for header in parsed.headers {
            let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
            match header.name.to_ascii_lowercase().as_str() {
                "content-length" => request.length = Some(value.parse().map_err(|_| "400 Bad Request")?),
                "transfer-encoding" => request.chunked = true,
                "expect" => request.continues = value.eq_ignore_ascii_case("100-continue"),
                "connection" => request.keep_alive = !value.eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        Ok(request)
    }
}

/// Reads until `buffer` starts with a whole request head, and returns its
/// length; `None` when the peer has closed before another request.
async fn read_head<F: Flow>(flow: &mut F, buffer: &mut Vec<u8>) -> Result<Option<usize>, FlowError> {
    let mut chunk = [0; 4096];
    loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            return Ok(Some(at + 4));
        }
        if buffer.len() > HEAD {
            return Ok(Some(buffer.len()));
        }
        match flow.read(&mut chunk).await? {
            0 => return Ok(None),
            n => buffer.extend_from_slice(&chunk[..n]),
        }
    }
}

/// Answers one request; returns whether another may follow.
async fn answer<F: Flow>(flow: &mut F, request: &Request, buffer: &mut Vec<u8>) -> Result<bool, FlowError> {
    let keep = request.keep_alive;
    match (request.method.as_str(), request.path.as_str()) {
        ("GET" | "HEAD", "/" | "/index.html") => {
            respond(flow, "200 OK", "text/html", PAGE.as_bytes(), keep).await?;
        }
        ("GET", path) if path.starts_with("/bytes/") => match path["/bytes/".len()..].parse() {
            Ok(count) => {
                let head = head("200 OK", "application/octet-stream", count, keep);
                flow.write_all(head.as_bytes()).await?;
                send_bytes(flow, count).await?;
            }
            Err(_) => respond(flow, "404 Not Found", "text/plain", b"how many bytes?\n", keep).await?,
        },
        ("PUT" | "POST", _) if request.chunked || request.length.is_none() => {
            respond(flow, "411 Length Required", "text/plain", b"", false).await?;
            return Ok(false);
        }
        ("PUT" | "POST", _) => {
            if request.continues {
                flow.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            let length = request.length.unwrap_or_default();
            let digest = receive(flow, length, buffer).await?;
            let text = format!("{length} bytes, sha256 {digest}\n");
            respond(flow, "201 Created", "text/plain", text.as_bytes(), keep).await?;
        }
        ("GET" | "HEAD", _) => respond(flow, "404 Not Found", "text/plain", b"not here\n", keep).await?,
        _ => {
            respond(flow, "405 Method Not Allowed", "text/plain", b"", false).await?;
            return Ok(false);
        }
    }
    Ok(keep)
}

fn head(status: &str, kind: &str, length: u64, keep: bool) -> String {
    let connection = if keep { "keep-alive" } else { "close" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n"
    )
}

async fn respond<F: Flow>(
    flow: &mut F,
    status: &str,
    kind: &str,
    body: &[u8],
    keep: bool,
) -> Result<(), FlowError> {
    let mut answer = head(status, kind, body.len() as u64, keep).into_bytes();
    answer.extend_from_slice(body);
    flow.write_all(&answer).await
}

/// Eight bytes of the endless stream, by their place in it (SplitMix64).
fn word(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Fills `buffer` with the endless stream from the byte at `8 * index` on.
pub fn fill_bytes(index: u64, buffer: &mut [u8]) {
    for (word_index, bytes) in (index..).zip(buffer.chunks_mut(8)) {
        bytes.copy_from_slice(&word(word_index).to_le_bytes()[..bytes.len()]);
    }
}

async fn send_bytes<F: Flow>(flow: &mut F, count: u64) -> Result<(), FlowError> {
    let mut buffer = vec![0; 64 * 1024];
    let mut sent = 0;
    while sent < count {
        let now = (count - sent).min(buffer.len() as u64);
        fill_bytes(sent / 8, &mut buffer[..now as usize]);
        flow.write_all(&buffer[..now as usize]).await?;
        sent += now;
    }
    Ok(())
}

/// Takes `length` bytes, of which `buffer` may hold the first; returns their
/// SHA-256 in hexadecimal.
async fn receive<F: Flow>(flow: &mut F, length: u64, buffer: &mut Vec<u8>) -> Result<String, FlowError> {
    let mut digest = Sha256::new();
    let early = (buffer.len() as u64).min(length) as usize;
    digest.update(&buffer[..early]);
    buffer.drain(..early);
    let mut missing = length - early as u64;
    let mut chunk = vec![0; 64 * 1024];
    while missing > 0 {
        let most = missing.min(chunk.len() as u64) as usize;
        match flow.read(&mut chunk[..most]).await? {
            0 => break,
            n => {
                digest.update(&chunk[..n]);
                missing -= n as u64;
            }
        }
    }
    Ok(digest.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
