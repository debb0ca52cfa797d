//! A server of HTTP/1.1 that is small, on any [`Flow`].
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | a page |
//! | `GET /bytes/N` | the first `N` bytes of an endless stream, the same every time |
//! | `PUT`, `POST` of a body | how long it was, and up to where it was that stream |

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use fata::traits::{Flow, FlowError};

/// The longest head of a request, in bytes; a longer one ends the connection.
const HEAD: usize = 4 * 1024;

/// Bytes handed over in one go.
const CHUNK: usize = 16 * 1024;

const PAGE: &str = "<!doctype html>\n<title>Fata</title>\n<h1>It is a mirage</h1>\n";

/// What of a request matters here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    what: What,
    length: u64,
    continues: bool,
    closes: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum What {
    Page,
    Bytes(u64),
    Put,
    #[default]
    Unknown,
}

impl Request {
    fn parse(head: &str) -> Self {
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let what = match (method, path) {
            ("GET", "/") => What::Page,
            ("GET", _) => match path.strip_prefix("/bytes/").map(str::parse) {
                Some(Ok(count)) => What::Bytes(count),
                Some(Err(_)) | None => What::Unknown,
            },
            ("PUT" | "POST", _) => What::Put,
            _ => What::Unknown,
        };
        let mut request = Self { what, closes: words.next() != Some("HTTP/1.1"), ..Self::default() };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                match value.parse() {
                    Ok(length) => request.length = length,
                    Err(_) => request.refuse(),
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                request.refuse();
            } else if name.eq_ignore_ascii_case("expect") {
                request.continues = true;
            } else if name.eq_ignore_ascii_case("connection") {
                request.closes |= value.eq_ignore_ascii_case("close");
            }
        }
        request
    }

    /// Where the body ends is not known: nothing can follow.
    fn refuse(&mut self) {
        (self.what, self.closes) = (What::Unknown, true);
    }
}

/// Serves requests until the peer closes or something goes wrong.
///
/// # Errors
///
/// The flow's.
pub async fn serve<F: Flow>(flow: &mut F) -> Result<(), FlowError> {
    let mut buffer = Vec::new();
    while let Some(head) = read_head(flow, &mut buffer).await? {
        let request =
            Request::parse(core::str::from_utf8(buffer.get(..head).unwrap_or_default()).unwrap_or_default());
        buffer.drain(..head);
        answer(flow, &request, &mut buffer).await?;
        if request.closes {
            break;
        }
    }
    Ok(())
}

/// Reads until `buffer` begins with a head; its length. `None` at the end.
async fn read_head<F: Flow>(flow: &mut F, buffer: &mut Vec<u8>) -> Result<Option<usize>, FlowError> {
    let mut chunk = [0; 512];
    loop {
        if let Some(at) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            return Ok(Some(at + 4));
        }
        if buffer.len() > HEAD {
            return Ok(None);
        }
        match flow.read(&mut chunk).await? {
            0 => return Ok(None),
            n => buffer.extend_from_slice(chunk.get(..n).unwrap_or_default()),
        }
    }
}

async fn answer<F: Flow>(flow: &mut F, request: &Request, early: &mut Vec<u8>) -> Result<(), FlowError> {
    match request.what {
        What::Page => respond(flow, "200 OK", PAGE).await,
        What::Bytes(count) => {
            head(flow, "200 OK", count).await?;
            send_bytes(flow, count).await
        }
        What::Put => {
            if request.continues {
                flow.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            let (length, same) = receive(flow, request.length, early).await?;
            respond(flow, "201 Created", &format!("{length} bytes, {same} of the stream\n")).await
        }
        What::Unknown => respond(flow, "404 Not Found", "not here\n").await,
    }
}

async fn head<F: Flow>(flow: &mut F, status: &str, length: u64) -> Result<(), FlowError> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
    flow.write_all(head.as_bytes()).await
}

async fn respond<F: Flow>(flow: &mut F, status: &str, body: &str) -> Result<(), FlowError> {
    head(flow, status, body.len() as u64).await?;
    flow.write_all(body.as_bytes()).await
}

/// Eight bytes of the stream, by their place in it (SplitMix64).
fn word(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Fills `buffer` with the stream from the byte at `8 * index` on.
fn fill(index: u64, buffer: &mut [u8]) {
    for (index, bytes) in (index..).zip(buffer.chunks_mut(8)) {
        for (byte, value) in bytes.iter_mut().zip(word(index).to_le_bytes()) {
            *byte = value;
        }
    }
}

async fn send_bytes<F: Flow>(flow: &mut F, count: u64) -> Result<(), FlowError> {
    let mut buffer = vec![0; CHUNK];
    let mut sent = 0;
    while sent < count {
        let now = (count - sent).min(CHUNK as u64) as usize;
        let bytes = buffer.get_mut(..now).unwrap_or_default();
        fill(sent / 8, bytes);
        flow.write_all(bytes).await?;
        sent += now as u64;
    }
    Ok(())
}

/// Takes `length` bytes, of which `early` may have the first; how many came,
/// and up to where they were the stream.
async fn receive<F: Flow>(flow: &mut F, length: u64, early: &mut Vec<u8>) -> Result<(u64, u64), FlowError> {
    let mut check = Check::default();
    let first = (early.len() as u64).min(length) as usize;
    check.take(early.get(..first).unwrap_or_default());
    early.drain(..first);
    let mut chunk = vec![0; CHUNK];
    while check.length < length {
        let most = (length - check.length).min(CHUNK as u64) as usize;
        match flow.read(chunk.get_mut(..most).unwrap_or_default()).await? {
            0 => break,
            n => check.take(chunk.get(..n).unwrap_or_default()),
        }
    }
    Ok((check.length, check.same))
}

/// Compares what comes with the stream.
#[derive(Default)]
struct Check {
    length: u64,
    same: u64,
}

impl Check {
    fn take(&mut self, mut bytes: &[u8]) {
        let mut good = self.same == self.length;
        while !bytes.is_empty() {
            let skip = (self.length % 8) as usize;
            let expected = word(self.length / 8).to_le_bytes();
            let expected = expected.get(skip..).unwrap_or_default();
            let now = expected.len().min(bytes.len());
            let (these, rest) = bytes.split_at(now);
            bytes = rest;
            self.length += now as u64;
            good = good && expected.starts_with(these);
            if good {
                self.same = self.length;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let parse = |text| Request::parse(text);
        assert_eq!(parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n").what, What::Page);
        assert_eq!(parse("GET /bytes/7 HTTP/1.1\r\n\r\n").what, What::Bytes(7));
        assert_eq!(parse("GET /bytes/x HTTP/1.1\r\n\r\n").what, What::Unknown);
        let put = parse("PUT /a HTTP/1.1\r\ncontent-LENGTH: 5\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(put, Request { what: What::Put, length: 5, continues: true, closes: false });
        assert!(parse("GET / HTTP/1.0\r\n\r\n").closes);
        assert!(parse("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").closes);
        for unknown in
            ["", "\r\n", "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked", "PUT / HTTP/1.1\r\nContent-Length: -1"]
        {
            let request = parse(unknown);
            assert!(request.what == What::Unknown && request.closes, "{unknown}");
        }
    }

    #[test]
    fn what_comes_is_compared_in_any_pieces() {
        let mut stream = vec![0; 1000];
        fill(0, &mut stream);
        for pieces in [1, 3, 8, 1000] {
            let mut check = Check::default();
            stream.chunks(pieces).for_each(|piece| check.take(piece));
            assert_eq!((check.length, check.same), (1000, 1000));
        }
        stream[504] ^= 1;
        let mut check = Check::default();
        stream.chunks(7).for_each(|piece| check.take(piece));
        assert_eq!((check.length, check.same), (1000, 504));
    }
}
