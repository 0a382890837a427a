//! HTTP/1.1 for probes and scrapers: one small question, one answer, then the connection is closed.
//!
//! Promises: who asks slowly, too much or too often costs bounded memory and time, and keeps nobody else waiting.
//! Never: reads a body.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use httparse::{EMPTY_HEADER, Error, Request, Response, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::problem::{Problem, Result, codes};

/// A scraper's question is a few hundred bytes; proxies add some.
const HEAD_BYTES_MAX: usize = 8 << 10;
const HEADERS_MAX: usize = 64;
/// Open connections. Probes and scrapers are a handful; beyond this the oldest gives way, so that a crowd of silent
/// ones cannot keep a probe out.
const CONNECTIONS_MAX: usize = 32;
/// From the connection to the end of the question, and again for the answer.
const WAIT: Duration = Duration::from_secs(5);
/// After the system refused a connection (no file descriptor is left) the next try would only be refused too.
const AFTER_REFUSAL: Duration = Duration::from_millis(200);
/// An answer that we ask for ourselves.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub media: &'static str,
    pub body: String,
}

impl Answer {
    fn plain(status: u16) -> Self {
        Self { status, media: "text/plain; charset=utf-8", body: format!("{}\n", reason(status)) }
    }
}

/// Takes the address.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let help = "another process has it, or this machine does not: name another in observe.address, or `off`";
    TcpListener::bind(address).await.map_err(|error| {
        Problem::new(codes::IO, format!("observe.address = \"{address}\""), error.to_string()).help(help)
    })
}

/// Answers until `stop`; `pages` gives the answer to a path.
pub async fn serve<P>(listener: TcpListener, pages: P, stop: impl Future<Output = ()>)
where
    P: Fn(&str) -> Answer + Send + Sync + 'static,
{
    let pages = Arc::new(pages);
    let (mut connections, mut open) = (JoinSet::new(), VecDeque::new());
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => open.retain(|one: &tokio::task::AbortHandle| !one.is_finished()),
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    if open.len() >= CONNECTIONS_MAX && let Some(oldest) = open.pop_front() {
                        warn!(%peer, "too many connections to the probes: the oldest is closed");
                        oldest.abort();
                    }
                    let pages = pages.clone();
                    open.push_back(connections.spawn(async move { converse(socket, &*pages, WAIT).await }));
                }
                Err(error) => {
                    warn!(%error, "a connection to the probes was not accepted");
                    tokio::time::sleep(AFTER_REFUSAL).await;
                }
            }
        }
    }
}

async fn converse(mut socket: TcpStream, pages: &(dyn Fn(&str) -> Answer + Send + Sync), wait: Duration) {
    let asked = tokio::time::timeout(wait, question(&mut socket)).await;
    let (answer, with_body) = match asked {
        Ok(Ok(Asked { path, with_body })) => (pages(&path), with_body),
        Ok(Err(0)) => return,
        Ok(Err(status)) => (Answer::plain(status), true),
        Err(_) => (Answer::plain(408), true),
    };
    let sent = tokio::time::timeout(wait, socket.write_all(&written(&answer, with_body))).await;
    if !matches!(sent, Ok(Ok(()))) {
        debug!("who asked did not wait for the answer");
    }
    // It may have gone already.
    let _ = socket.shutdown().await;
}

#[derive(Debug, PartialEq, Eq)]
struct Asked {
    path: String,
    with_body: bool,
}

/// The question, or the status that refuses it; 0 where nobody is left to answer.
async fn question(socket: &mut TcpStream) -> Result<Asked, u16> {
    let mut bytes = Vec::with_capacity(1 << 10);
    loop {
        let mut more = [0; 1 << 10];
        match socket.read(&mut more).await {
            Ok(0) | Err(_) => return Err(0),
            Ok(read) => bytes.extend_from_slice(&more[..read]),
        }
        if let Some(asked) = parse(&bytes)? {
            return Ok(asked);
        }
    }
}

/// None while the head is not whole.
fn parse(bytes: &[u8]) -> Result<Option<Asked>, u16> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Ok(None),
        Ok(Status::Partial) | Err(Error::TooManyHeaders) => return Err(431),
        Err(_) => return Err(400),
    }
    let brings_body = request.headers.iter().any(|header| match header.name.to_ascii_lowercase().as_str() {
        "content-length" => header.value != b"0",
        "transfer-encoding" => true,
        _ => false,
    });
    let with_body = match request.method {
        _ if brings_body => return Err(413),
        Some("GET") => true,
        Some("HEAD") => false,
        _ => return Err(405),
    };
    let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    Ok(Some(Asked { path, with_body }))
}

fn written(answer: &Answer, with_body: bool) -> Vec<u8> {
    let Answer { status, media, body } = answer;
    let allow = if *status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n{allow}Cache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        reason(*status),
        body.len()
    );
    let mut bytes = head.into_bytes();
    if with_body {
        bytes.extend_from_slice(body.as_bytes());
    }
    bytes
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        _ => "Service Unavailable",
    }
}

/// Asks a process for one of its pages: status and body.
pub async fn ask(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let unanswered =
        |found: String| Problem::new(codes::observe::NOT_ANSWERED, format!("http://{address}{path}"), found);
    match tokio::time::timeout(WAIT, fetch(address, path)).await {
        Ok(Ok(bytes)) => understood(&bytes).ok_or_else(|| unanswered("an answer that is not HTTP".to_owned())),
        Ok(Err(error)) => Err(unanswered(error.to_string())),
        Err(_) => Err(unanswered(format!("nothing within {} seconds", WAIT.as_secs()))),
    }
}

async fn fetch(address: SocketAddr, path: &str) -> std::io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect(address).await?;
    let asked = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(asked.as_bytes()).await?;
    let mut bytes = Vec::new();
    socket.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn understood(bytes: &[u8]) -> Option<(u16, String)> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(Status::Complete(head)) => Some((response.code?, String::from_utf8_lossy(&bytes[head..]).into_owned())),
        Ok(Status::Partial) | Err(_) => None,
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
