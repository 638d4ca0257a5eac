//! The server's side of SCRAM (RFC 5802, RFC 7677), for one user whose password is known.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac, pbkdf2};

/// The fewest that RFC 7677 allows.
const ITERATIONS: u32 = 4096;
const SALT: &[u8] = b"a salt of the tests";

/// A hash that SCRAM is made with.
#[derive(Clone, Copy)]
pub(crate) struct Hash {
    mac: hmac::Algorithm,
    digest: &'static digest::Algorithm,
    derive: pbkdf2::Algorithm,
}

/// What a mechanism by this name hashes with.
pub(crate) fn hash(mechanism: &str) -> Option<Hash> {
    match mechanism {
        "SCRAM-SHA-256" => {
            Some(Hash { mac: hmac::HMAC_SHA256, digest: &digest::SHA256, derive: pbkdf2::PBKDF2_HMAC_SHA256 })
        }
        "SCRAM-SHA-512" => {
            Some(Hash { mac: hmac::HMAC_SHA512, digest: &digest::SHA512, derive: pbkdf2::PBKDF2_HMAC_SHA512 })
        }
        _ => None,
    }
}

/// A conversation that has got its first message and was answered.
pub(crate) struct Asked {
    hash: Hash,
    is_known: bool,
    client_first: String,
    server_first: String,
    nonce: String,
}

impl Asked {
    /// Reads a client's first message.
    pub(crate) fn new(hash: Hash, message: &str, user: &str) -> Option<Self> {
        // Without a channel to bind to, and in nobody else's name.
        let client_first = message.strip_prefix("n,,")?;
        let (name, rest) = client_first.strip_prefix("n=")?.split_once(',')?;
        let nonce = rest.strip_prefix("r=")?;
        let is_known = name.replace("=2C", ",").replace("=3D", "=") == user;
        let nonce = format!("{nonce}the-servers-own");
        let server_first = format!("r={nonce},s={},i={ITERATIONS}", BASE64.encode(SALT));
        Some(Asked { hash, is_known, client_first: client_first.to_owned(), server_first, nonce })
    }

    /// The answer to the first message. A user who is not known is asked all the same.
    pub(crate) fn question(&self) -> &str {
        &self.server_first
    }

    /// Reads the client's last message. Returns what shows the client that the password is known here; none if the client
    /// does not know it.
    pub(crate) fn answer(&self, message: &str, password: &str) -> Option<String> {
        self.answer_with(message, password, SALT)
    }

    fn answer_with(&self, message: &str, password: &str, salt: &[u8]) -> Option<String> {
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let proof = BASE64.decode(proof).ok()?;
        // "biws" is "n,,".
        if without_proof != format!("c=biws,r={}", self.nonce) || !self.is_known {
            return None;
        }
        let mut salted = vec![0; self.hash.digest.output_len()];
        let iterations = NonZeroU32::new(ITERATIONS)?;
        pbkdf2::derive(self.hash.derive, iterations, salt, password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(self.hash.mac, key), text).as_ref().to_vec();
        let spoken = format!("{},{},{without_proof}", self.client_first, self.server_first);
        // The proof is the client's key, hidden by the signature that whoever has seen its hash can make.
        let stored = digest::digest(self.hash.digest, &sign(&salted, b"Client Key"));
        let signature = sign(stored.as_ref(), spoken.as_bytes());
        if proof.len() != signature.len() {
            return None;
        }
        let key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        if digest::digest(self.hash.digest, &key).as_ref() != stored.as_ref() {
            return None;
        }
        Some(format!("v={}", BASE64.encode(sign(&sign(&salted, b"Server Key"), spoken.as_bytes()))))
    }
}

#[test]
fn the_conversation_is_that_of_the_standard() {
    // The example of RFC 7677, with the server's own part of it.
    let asked = Asked {
        hash: hash("SCRAM-SHA-256").unwrap(),
        is_known: true,
        client_first: "n=user,r=rOprNGfwEbeRWgbNEkqO".to_owned(),
        server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
            .to_owned(),
        nonce: "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned(),
    };
    let last =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    assert_eq!(asked.answer_with(last, "pencil", &salt).unwrap(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert!(asked.answer_with(last, "Pencil", &salt).is_none());
}
