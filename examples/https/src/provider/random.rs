//! Random numbers, and the keys of clients.

use alloc::sync::Arc;

use rustls::Error;
use rustls::crypto::{GetRandomFailed, KeyProvider, SecureRandom};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;

/// The system's generator. It has no keys.
#[derive(Debug)]
pub(super) struct System;

impl SecureRandom for System {
    fn fill(&self, to: &mut [u8]) -> Result<(), GetRandomFailed> {
        wsk::random::fill(to).map_err(|_| GetRandomFailed)
    }
}

impl KeyProvider for System {
    fn load_private_key(&self, _key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("clients without certificates need no keys".into()))
    }
}
