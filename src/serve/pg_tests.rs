//! The port's promises, told through the wire's simple protocol.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::serve::testing::{State, said};

/// A client of the wire's simple protocol: what comes back until the port is ready again, as text.
struct Client(TcpStream);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let mut client = Self(TcpStream::connect(address).await.unwrap());
        let parameters = b"\x00\x03\x00\x00user\0duty\0database\0qianshao\0\0";
        client.0.write_all(&(parameters.len() as u32 + 4).to_be_bytes()).await.unwrap();
        client.0.write_all(parameters).await.unwrap();
        client.answer().await;
        client
    }

    async fn ask(&mut self, sql: &str) -> String {
        let mut message = vec![b'Q'];
        message.extend((sql.len() as u32 + 5).to_be_bytes());
        message.extend(sql.as_bytes());
        message.push(0);
        self.0.write_all(&message).await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> String {
        let mut text = String::new();
        loop {
            let kind = self.0.read_u8().await.unwrap();
            let mut body = vec![0; self.0.read_u32().await.unwrap() as usize - 4];
            self.0.read_exact(&mut body).await.unwrap();
            if kind == b'Z' {
                return text;
            }
            text.push_str(&String::from_utf8_lossy(&body).replace('\0', " "));
            text.push('\n');
        }
    }
}

async fn opened(folder: &std::path::Path) -> (State, Client) {
    let state = State::three_days(folder).await;
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let snapshots = Snapshots::new(state.log.clone(), state.clock.clone(), "p", "x", hooks());
    tokio::spawn(serve(listener, snapshots, std::future::pending()));
    (state, Client::connect(address).await)
}

#[tokio::test]
async fn only_this_machine_is_listened_to() {
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        assert_eq!(bind(address.parse().unwrap()).await.unwrap_err().code.id, "QS-S005");
    }
    assert!(bind("[::1]:0".parse().unwrap()).await.is_ok() || bind("127.0.0.1:0".parse().unwrap()).await.is_ok());
}

#[tokio::test]
async fn what_would_change_something_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (_state, mut client) = opened(folder.path()).await;
    for sql in [
        "DELETE FROM signals",
        "INSERT INTO unit_kinds VALUES ('a', 'b', 'c', 'd')",
        "EXPLAIN ANALYZE INSERT INTO unit_kinds VALUES ('a', 'b', 'c', 'd')",
        "CREATE TABLE x (a INT)",
        "CREATE VIEW v AS SELECT 1",
        "DROP TABLE unit_kinds",
        "SELECT 1 INTO x",
        "COPY signals TO '/tmp/x'",
        "UPDATE unit_kinds SET zh = ''",
        "PREPARE p AS SELECT 1",
        "SET datafusion.execution.batch_size = 1",
    ] {
        let answer = client.ask(sql).await;
        assert!(answer.contains("25006") && answer.contains("此端口只读"), "{sql}: {answer}");
    }
    assert!(client.ask("SELECT count(*) FROM unit_kinds").await.contains("SELECT 1"));
}

#[tokio::test]
async fn a_statement_sees_the_newest_commit_and_a_connection_may_look_back() {
    let folder = tempfile::tempdir().unwrap();
    let (state, mut client) = opened(folder.path()).await;
    let count = "SELECT concat('n=', count(*), ' at ', now()) FROM signal_history";
    assert!(client.ask(count).await.contains("n=6"));
    let cells = "SELECT concat('n=', sum(count)) FROM cells WHERE unit_kind = 'county' AND unit_id = '11'";
    assert!(client.ask(cells).await.contains("n=3"));
    state.epoch("2021-01-20 23:00", (8, 9), &[said(8, 9, 0, "z", "A1", "2021-01-20", 1)], &[]).await;
    assert!(client.ask(count).await.contains("n=7 at 2021-01-20T15:00:00"));
    assert!(client.ask(cells).await.contains("n=4"));
    client.ask("SET qianshao.as_of = '2021-01-18 21:00'").await;
    assert!(client.ask(count).await.contains("n=2 at 2021-01-18T13:00:00"));
    assert!(client.ask("SHOW qianshao.as_of").await.contains("2021-01-18 21:00"));
    client.ask("RESET qianshao.as_of").await;
    assert!(client.ask(count).await.contains("n=7"));
    assert!(client.ask("SET qianshao.as_of = 'soon'").await.contains("22007"));
    assert!(client.ask("SET qianshao.pack = 'none'").await.contains("22023"));
    client.ask("SET qianshao.pack = 'q'").await;
    assert!(client.ask("SELECT concat('n=', param('three.visits'))").await.contains("n=5"));
    client.ask("RESET qianshao.pack").await;
    assert!(client.ask("SELECT concat('n=', param('three.visits'))").await.contains("n=3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_never_ends_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (_state, mut client) = opened(folder.path()).await;
    client.ask("SET statement_timeout = '200ms'").await;
    let endless = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    assert!(client.ask(endless).await.contains("57014"));
}
