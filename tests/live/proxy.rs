//! A wire between client and broker that loses one `EndTxn`, or only its answer.
//!
//! The broker has listeners that it advertises under a port on which nobody listens (`kafka-up --proxied`): here.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const END_TXN: i16 = 26;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loses {
    /// The broker never hears of the commit.
    TheRequest,
    /// The broker commits, the client never hears of it.
    TheAnswer,
}

pub struct Proxy {
    pub address: String,
    armed: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens where the broker's `n`-th proxied listener is advertised.
    pub fn start(n: u16, loses: Loses) -> Self {
        let (_, port) = crate::broker::address().rsplit_once(':').map(|(h, p)| (h.to_owned(), p.to_owned())).unwrap();
        let broker = port.parse::<u16>().unwrap() + 300 + n;
        let listener = TcpListener::bind(("127.0.0.1", broker + 100)).unwrap();
        let armed = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&armed);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, armed) = (client.unwrap(), Arc::clone(&shared));
                let server = TcpStream::connect(("127.0.0.1", broker)).unwrap();
                std::thread::spawn(move || carry(client, server, &armed, loses));
            }
        });
        Self { address: format!("127.0.0.1:{}", broker + 100), armed }
    }

    /// The next `EndTxn` is the one: its connection stays open and silent.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    pub fn has_struck(&self) -> bool {
        !self.armed.load(Ordering::SeqCst)
    }
}

/// Whole requests one way, bytes the other.
fn carry(mut client: TcpStream, mut server: TcpStream, armed: &AtomicBool, loses: Loses) {
    let silent = Arc::new(AtomicBool::new(false));
    let (mut answers, mut back, mute) = (server.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(&silent));
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(n @ 1..) = answers.read(&mut buffer) {
            if !mute.load(Ordering::SeqCst) && back.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        _ = back.shutdown(Shutdown::Both);
    });
    let mut length = [0; 4];
    while client.read_exact(&mut length).is_ok() {
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        if client.read_exact(&mut request).is_err() {
            break;
        }
        if i16::from_be_bytes([request[0], request[1]]) == END_TXN && armed.swap(false, Ordering::SeqCst) {
            silent.store(true, Ordering::SeqCst);
        }
        let lost = silent.load(Ordering::SeqCst) && loses == Loses::TheRequest;
        if !lost && (server.write_all(&length).is_err() || server.write_all(&request).is_err()) {
            break;
        }
    }
    _ = server.shutdown(Shutdown::Both);
}
