//! A small server of HTTP/1.1 on any [`Flow`]: a page, bytes without end, and a
//! place to put them.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | a page |
//! | `GET /bytes/N` | the first `N` bytes of an endless stream, the same every time |
//! | `PUT /anything`, `POST /anything` | how many bytes came, and what [`Upload`] says of them |
//!
//! Of a connection it keeps the request's head, at most 8 KiB (a longer one is
//! answered with 431), and while a body passes [`Upload::CHUNK`] bytes of it.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use fata::traits::{Flow, FlowError};

/// The longest request head, in bytes; a longer one is answered with 431.
const HEAD: usize = 8 * 1024;

/// Header lines of a request at most; more are answered with 400.
const HEADERS: usize = 32;

const PAGE: &str = "<!doctype html>\n<title>Fata</title>\n<h1>It is a mirage</h1>\n\
    <p>This page came through Ethernet, IPv4 and TCP written from scratch.\n";

/// What is done with a body that is put here.
pub trait Upload: Default {
    /// Bytes of a body that are handed over in one go, either way.
    const CHUNK: usize = 16 * 1024;

    /// Takes what came next.
    fn take(&mut self, bytes: &[u8]);

    /// What the answer says of it.
    fn verdict(self) -> String;
}

/// Serves requests until the peer closes or something goes wrong.
///
/// # Errors
///
/// The flow's.
pub async fn serve<F: Flow, U: Upload>(flow: &mut F) -> Result<(), FlowError> {
    let mut buffer = Vec::new();
    while let Some(length) = read_head(flow, &mut buffer).await? {
        let request = match Request::parse(buffer.get(..length).unwrap_or_default()) {
            Ok(request) => request,
            Err(status) => {
                let head = head(status, "text/plain", status.len() as u64, false);
                return respond(flow, head, status).await;
            }
        };
        buffer.drain(..length);
        if !answer::<F, U>(flow, &request, &mut buffer).await? {
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
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
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
            let value = str::from_utf8(header.value).unwrap_or_default().trim();
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
    let mut chunk = [0; 512];
    loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            return Ok(Some(at + 4));
        }
        if buffer.len() > HEAD {
            return Ok(Some(buffer.len()));
        }
        match flow.read(&mut chunk).await? {
            0 => return Ok(None),
            n => buffer.extend_from_slice(chunk.get(..n).unwrap_or_default()),
        }
    }
}

/// Answers one request; returns whether another may follow.
async fn answer<F: Flow, U: Upload>(
    flow: &mut F,
    request: &Request,
    buffer: &mut Vec<u8>,
) -> Result<bool, FlowError> {
    let mut keep = request.keep_alive;
    let text;
    let (status, kind, body) = match (request.method.as_str(), request.path.as_str()) {
        ("GET" | "HEAD", "/" | "/index.html") => ("200 OK", "text/html", PAGE),
        ("GET", path) if path.starts_with("/bytes/") => match path.strip_prefix("/bytes/").map(str::parse) {
            Some(Ok(count)) => {
                let head = head("200 OK", "application/octet-stream", count, keep);
                flow.write_all(head.as_bytes()).await?;
                send_bytes(flow, count, U::CHUNK).await?;
                return Ok(keep);
            }
            Some(Err(_)) | None => ("404 Not Found", "text/plain", "how many bytes?\n"),
        },
        ("PUT" | "POST", _) => match request.length.filter(|_| !request.chunked) {
            Some(length) => {
                if request.continues {
                    flow.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                }
                let mut upload = U::default();
                let length = receive(flow, length, buffer, &mut upload).await?;
                text = format!("{length} bytes, {}\n", upload.verdict());
                ("201 Created", "text/plain", text.as_str())
            }
            None => {
                keep = false;
                ("411 Length Required", "text/plain", "")
            }
        },
        ("GET" | "HEAD", _) => ("404 Not Found", "text/plain", "not here\n"),
        _ => {
            keep = false;
            ("405 Method Not Allowed", "text/plain", "")
        }
    };
    let head = head(status, kind, body.len() as u64, keep);
    // RFC 9110 §9.3.2: the head alone, as it would be with the body.
    let body = if request.method == "HEAD" { "" } else { body };
    // One place to wait at for all of them.
    respond(flow, head, body).await?;
    Ok(keep)
}

fn head(status: &str, kind: &str, length: u64, keep: bool) -> String {
    let connection = if keep { "keep-alive" } else { "close" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n"
    )
}

async fn respond<F: Flow>(flow: &mut F, mut head: String, body: &str) -> Result<(), FlowError> {
    head.push_str(body);
    flow.write_all(head.as_bytes()).await
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
    let (whole, rest) = buffer.as_chunks_mut();
    let end = index + whole.len() as u64;
    // Eight at a time: byte by byte, this would be most of what serving takes.
    whole.iter_mut().zip(index..).for_each(|(bytes, index)| *bytes = word(index).to_le_bytes());
    rest.iter_mut().zip(word(end).to_le_bytes()).for_each(|(byte, value)| *byte = value);
}

async fn send_bytes<F: Flow>(flow: &mut F, count: u64, chunk: usize) -> Result<(), FlowError> {
    // Whole words of the stream.
    let mut buffer = vec![0; chunk.next_multiple_of(8)];
    let mut sent = 0;
    while sent < count {
        let now = (count - sent).min(buffer.len() as u64) as usize;
        let bytes = buffer.get_mut(..now).unwrap_or_default();
        fill_bytes(sent / 8, bytes);
        flow.write_all(bytes).await?;
        sent += now as u64;
    }
    Ok(())
}

/// Takes `length` bytes, of which `early` may have the first; how many came.
async fn receive<F: Flow, U: Upload>(
    flow: &mut F,
    length: u64,
    early: &mut Vec<u8>,
    upload: &mut U,
) -> Result<u64, FlowError> {
    let first = (early.len() as u64).min(length) as usize;
    upload.take(early.get(..first).unwrap_or_default());
    early.drain(..first);
    let mut came = first as u64;
    let mut chunk = vec![0; U::CHUNK];
    while came < length {
        let most = (length - came).min(chunk.len() as u64) as usize;
        match flow.read(chunk.get_mut(..most).unwrap_or_default()).await? {
            0 => break,
            n => {
                upload.take(chunk.get(..n).unwrap_or_default());
                came += n as u64;
            }
        }
    }
    Ok(came)
}

/// Says up to where what came was the stream that is handed out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stream {
    length: u64,
    same: u64,
}

impl Upload for Stream {
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

    fn verdict(self) -> String {
        format!("{} of the stream", self.same)
    }
}

#[cfg(test)]
mod tests {
    use core::future::Future as _;
    use core::net::{Ipv4Addr, SocketAddrV4};
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};

    use super::*;

    /// A peer that has said all that it says.
    struct Peer {
        says: &'static [u8],
        hears: Vec<u8>,
    }

    impl Flow for Peer {
        fn dest(&self) -> SocketAddrV4 {
            SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80)
        }

        async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FlowError> {
            let (now, rest) = self.says.split_at(self.says.len().min(buffer.len()));
            self.says = rest;
            buffer[..now.len()].copy_from_slice(now);
            Ok(now.len())
        }

        async fn write(&mut self, bytes: &[u8]) -> Result<usize, FlowError> {
            self.hears.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        async fn flush(&mut self) -> Result<(), FlowError> {
            Ok(())
        }

        async fn close(&mut self) -> Result<(), FlowError> {
            Ok(())
        }

        fn abort(&mut self) {}
    }

    /// What is answered to requests in one connection.
    fn answers(says: &'static str) -> String {
        let mut peer = Peer { says: says.as_bytes(), hears: Vec::new() };
        let served = pin!(serve::<_, Stream>(&mut peer)).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(served, Poll::Ready(Ok(())));
        String::from_utf8_lossy(&peer.hears).into_owned()
    }

    #[test]
    fn a_head_is_what_the_page_would_have() {
        let page = answers("GET / HTTP/1.1\r\n\r\n");
        let head = page.strip_suffix(PAGE).unwrap();
        assert_eq!(answers("HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"), [head, &page].concat());
        let none = answers("HEAD /none HTTP/1.1\r\n\r\n");
        assert!(none.starts_with("HTTP/1.1 404 ") && none.ends_with("\r\n\r\n"), "{none}");
    }

    #[test]
    fn what_ends_a_connection() {
        let get = "GET / HTTP/1.1\r\n\r\n";
        for (request, status) in [
            ("PUT / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", "411"),
            ("DELETE / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", "405"),
            ("GET\r\n\r\nGET / HTTP/1.1\r\n\r\n", "400"),
        ] {
            let answer = answers(request);
            assert!(request.ends_with(get) && answer.contains("Connection: close"), "{answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
            assert!(answer.starts_with(&["HTTP/1.1 ", status].concat()), "{answer}");
        }
    }

    #[test]
    fn what_is_put_is_told() {
        assert!(
            answers("PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").ends_with("3 bytes, 0 of the stream\n")
        );
        let two = answers("GET /bytes/8 HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\n");
        assert!(two.contains("Content-Length: 8\r\n") && two.ends_with("not here\n"));
    }

    #[test]
    fn requests() {
        let parse = |text: &str| Request::parse(text.as_bytes());
        let get = parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!((get.method.as_str(), get.path.as_str(), get.keep_alive), ("GET", "/", true));
        let put = parse("PUT /a HTTP/1.1\r\ncontent-LENGTH: 5\r\nExpect: 100-continue\r\n\r\n").unwrap();
        assert_eq!((put.length, put.continues, put.chunked), (Some(5), true, false));
        assert!(parse("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap().chunked);
        assert!(!parse("GET / HTTP/1.0\r\n\r\n").unwrap().keep_alive);
        assert!(!parse("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap().keep_alive);
        for (text, status) in [
            ("GET / HTTP/1.1\r\n", "431"),
            ("GET\r\n\r\n", "400"),
            ("PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400"),
        ] {
            let error = parse(text).err();
            assert!(error.is_some_and(|error| error.starts_with(status)), "{text}: {error:?}");
        }
    }

    #[test]
    fn what_comes_is_compared_in_any_pieces() {
        let mut stream = vec![0; 1000];
        fill_bytes(0, &mut stream);
        assert_eq!(stream[8..16], word(1).to_le_bytes());
        // From any word on, to any byte.
        let mut part = [0; 21];
        fill_bytes(3, &mut part);
        assert_eq!(part, stream[24..45]);
        for pieces in [1, 3, 8, 1000] {
            let mut upload = Stream::default();
            stream.chunks(pieces).for_each(|piece| upload.take(piece));
            assert_eq!((upload.length, upload.same), (1000, 1000));
        }
        stream[504] ^= 1;
        let mut upload = Stream::default();
        stream.chunks(7).for_each(|piece| upload.take(piece));
        assert_eq!((upload.length, upload.verdict().as_str()), (1000, "504 of the stream"));
    }
}
