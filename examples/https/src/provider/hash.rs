//! Hashes, and message authentication codes built from them.

use alloc::boxed::Box;
use core::marker::PhantomData;

use digest::core_api::BlockSizeUser;
use digest::{Digest, OutputSizeUser};
use hmac::{Mac as _, SimpleHmac};
use rustls::crypto::{hash, hmac as rustls_hmac};
use sha2::{Sha256, Sha384};

/// A hash function. The type that computes it is only a parameter, so that the value can be shared.
pub(super) struct Hash<D> {
    algorithm: hash::HashAlgorithm,
    digest: PhantomData<fn() -> D>,
}

/// HMAC with a hash function.
pub(super) struct Hmac<D>(PhantomData<fn() -> D>);

pub(super) static SHA256: Hash<Sha256> =
    Hash { algorithm: hash::HashAlgorithm::SHA256, digest: PhantomData };
pub(super) static SHA384: Hash<Sha384> =
    Hash { algorithm: hash::HashAlgorithm::SHA384, digest: PhantomData };
pub(super) static HMAC_SHA256: Hmac<Sha256> = Hmac(PhantomData);
pub(super) static HMAC_SHA384: Hmac<Sha384> = Hmac(PhantomData);

impl<D: Digest + Clone + Send + Sync + 'static> hash::Hash for Hash<D> {
    fn start(&self) -> Box<dyn hash::Context> {
        Box::new(Context(D::new()))
    }

    fn hash(&self, data: &[u8]) -> hash::Output {
        hash::Output::new(&D::digest(data))
    }

    fn output_len(&self) -> usize {
        <D as Digest>::output_size()
    }

    fn algorithm(&self) -> hash::HashAlgorithm {
        self.algorithm
    }
}

/// The hash of the data so far.
struct Context<D>(D);

impl<D: Digest + Clone + Send + Sync + 'static> hash::Context for Context<D> {
    fn fork_finish(&self) -> hash::Output {
        hash::Output::new(&self.0.clone().finalize())
    }

    fn fork(&self) -> Box<dyn hash::Context> {
        Box::new(Self(self.0.clone()))
    }

    fn finish(self: Box<Self>) -> hash::Output {
        hash::Output::new(&self.0.finalize())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

impl<D: Digest + BlockSizeUser + Clone + Send + Sync + 'static> rustls_hmac::Hmac for Hmac<D> {
    fn with_key(&self, key: &[u8]) -> Box<dyn rustls_hmac::Key> {
        // HMAC takes keys of every length.
        Box::new(Key(SimpleHmac::<D>::new_from_slice(key).expect("a key of any length")))
    }

    fn hash_output_len(&self) -> usize {
        <D as OutputSizeUser>::output_size()
    }
}

/// A key for HMAC.
struct Key<D: Digest + BlockSizeUser>(SimpleHmac<D>);

impl<D: Digest + BlockSizeUser + Clone + Send + Sync> rustls_hmac::Key for Key<D> {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> rustls_hmac::Tag {
        let mut code = self.0.clone();
        code.update(first);
        for part in middle {
            code.update(part);
        }
        code.update(last);
        rustls_hmac::Tag::new(&code.finalize().into_bytes())
    }

    fn tag_len(&self) -> usize {
        <D as OutputSizeUser>::output_size()
    }
}
