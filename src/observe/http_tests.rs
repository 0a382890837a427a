//! Who asks slowly, too much or in another language is refused, and keeps nobody else waiting.

use super::*;

fn asked(text: &str) -> Result<Option<Asked>, u16> {
    parse(text.as_bytes())
}

#[test]
fn a_question_is_understood_when_it_is_whole_and_refused_when_it_is_more_than_that() {
    let whole = Asked { path: "/readyz".to_owned(), with_body: true };
    assert_eq!(asked("GET /readyz?verbose HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Some(whole)));
    assert_eq!(asked("HEAD / HTTP/1.1\r\n\r\n"), Ok(Some(Asked { path: "/".to_owned(), with_body: false })));
    assert_eq!(asked("GET /readyz HTTP/1.1\r\nHost"), Ok(None));
    assert_eq!(asked("POST / HTTP/1.1\r\n\r\n"), Err(405));
    assert_eq!(asked("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), Err(413));
    assert_eq!(asked("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(413));
    assert_eq!(asked("\u{16}\u{3}\u{1} HTTP\r\n\r\n"), Err(400));
    assert_eq!(asked(&format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(HEAD_BYTES_MAX))), Err(431));
    assert_eq!(asked(&format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX + 1))), Err(431));
}

/// A server with one page, and where it answers.
async fn started() -> (SocketAddr, tokio::sync::oneshot::Sender<()>) {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let page = |path: &str| match path {
        "/page" => Answer { status: 200, media: "text/plain", body: "words".to_owned() },
        _ => Answer::plain(404),
    };
    tokio::spawn(serve(listener, page, async { drop(stopped.await) }));
    (address, stop)
}

#[tokio::test]
async fn a_crowd_of_silent_connections_does_not_keep_a_probe_out() {
    let (address, _stop) = started().await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX * 2 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"GET /page HTTP/1.1\r\n").await.unwrap();
        silent.push(socket);
    }
    assert_eq!(ask(address, "/page").await.unwrap(), (200, "words".to_owned()));
    assert_eq!(ask(address, "/other").await.unwrap().0, 404);
    let mut nothing = [0; 1];
    assert!(matches!(silent[0].read(&mut nothing).await, Ok(0) | Err(_)), "the oldest was closed");
}

#[tokio::test]
async fn a_question_that_never_ends_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut asking = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    asking.write_all(b"GET /page HTTP/1.1\r\nA").await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    converse(socket, &|_: &str| Answer::plain(200), Duration::from_millis(50)).await;
    let mut answer = String::new();
    asking.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn where_nobody_answers_a_person_is_told_what_to_look_at() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let problem = ask(address, "/livez").await.unwrap_err();
    assert_eq!((problem.code.id, problem.at), ("QS-O004", format!("http://{address}/livez")));
}
