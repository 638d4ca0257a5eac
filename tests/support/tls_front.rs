//! TLS in front of a server that has none.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

/// Takes encrypted connections at a port, and hands on what is in them to another port of this machine.
pub(crate) struct TlsFront {
    pub(crate) port: u16,
    behind: Arc<OnceLock<u16>>,
}

impl TlsFront {
    /// Opens a port, and shows this certificate and key there.
    pub(crate) fn open(signed: (Vec<u8>, Vec<u8>)) -> Self {
        Self::greeting(signed, |_| Ok(()))
    }

    /// The same for clients of Postgres, who ask in plain text whether there is TLS.
    pub(crate) fn open_if_asked(signed: (Vec<u8>, Vec<u8>)) -> Self {
        Self::greeting(signed, |mut client| {
            let mut question = [0; 8];
            client.read_exact(&mut question)?;
            assert_eq!(question, [0, 0, 0, 8, 4, 210, 22, 47]);
            client.write_all(b"S")
        })
    }

    fn greeting((certificate, key): (Vec<u8>, Vec<u8>), greet: fn(&TcpStream) -> std::io::Result<()>) -> Self {
        let certificate = CertificateDer::from_pem_slice(&certificate).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let front = TlsFront { port: listener.local_addr().unwrap().port(), behind: Arc::default() };
        let behind = front.behind.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (config, behind) = (config.clone(), behind.clone());
                std::thread::spawn(move || {
                    let port = *behind.get()?;
                    greet(&client).and_then(|()| serve(client, port, config)).ok()
                });
            }
        });
        front
    }

    /// Says where the server is.
    pub(crate) fn lead_to(&self, port: u16) {
        self.behind.set(port).unwrap();
    }
}

/// Carries one connection until either side ends it.
fn serve(client: TcpStream, port: u16, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port))?;
    let tls = Arc::new(Mutex::new(ServerConnection::new(config).map_err(std::io::Error::other)?));
    let back = {
        let (tls, mut from, to) = (tls.clone(), server.try_clone()?, client.try_clone()?);
        std::thread::spawn(move || {
            let mut buffer = [0; 1 << 14];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                let mut tls = tls.lock().unwrap();
                if tls.writer().write_all(&buffer[..read]).is_err() || flush(&mut tls, &to).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        })
    };
    let mut buffer = [0; 1 << 14];
    while let Ok(read @ 1..) = (&client).read(&mut buffer) {
        let (mut encrypted, mut plain) = (&buffer[..read], Vec::new());
        let mut tls = tls.lock().unwrap();
        let mut understood = true;
        while understood && !encrypted.is_empty() {
            tls.read_tls(&mut encrypted)?;
            understood = tls.process_new_packets().is_ok();
            // At the end of what has come there is nothing more to read, which is no error here.
            let _ = tls.reader().read_to_end(&mut plain);
        }
        let sent = flush(&mut tls, &client);
        drop(tls);
        if !understood || sent.is_err() || (&server).write_all(&plain).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
    let _ = back.join();
    Ok(())
}

fn flush(tls: &mut ServerConnection, mut to: &TcpStream) -> std::io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(&mut to)?;
    }
    Ok(())
}
