//! A wire between a program and the broker that can be cut and mended.
//!
//! The broker advertises its third proxied listener under a port on which nobody listens: here.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Wire {
    is_cut: bool,
    open: Vec<TcpStream>,
}

pub struct Relay {
    pub address: String,
    wire: Arc<Mutex<Wire>>,
}

impl Relay {
    pub fn start() -> Self {
        let address = crate::broker::address();
        let broker = address.rsplit_once(':').unwrap().1.parse::<u16>().unwrap() + 302;
        let listener = TcpListener::bind(("127.0.0.1", broker + 100)).unwrap();
        let wire = Arc::new(Mutex::new(Wire::default()));
        let shared = Arc::clone(&wire);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, mut wire) = (client.unwrap(), shared.lock().unwrap());
                if !wire.is_cut {
                    let server = TcpStream::connect(("127.0.0.1", broker)).unwrap();
                    wire.open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                    carry(client.try_clone().unwrap(), server.try_clone().unwrap());
                    carry(server, client);
                }
            }
        });
        Self { address: format!("127.0.0.1:{}", broker + 100), wire }
    }

    /// Every connection breaks, and none is made.
    pub fn cut(&self) {
        let mut wire = self.wire.lock().unwrap();
        wire.is_cut = true;
        for socket in wire.open.drain(..) {
            // It may have been closed by its owner.
            _ = socket.shutdown(Shutdown::Both);
        }
    }

    pub fn mend(&self) {
        self.wire.lock().unwrap().is_cut = false;
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        _ = std::io::copy(&mut from, &mut to);
        _ = to.shutdown(Shutdown::Both);
    });
}
