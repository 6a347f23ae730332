//! Encryption of records.

use alloc::boxed::Box;
use core::marker::PhantomData;

use aes_gcm::aead::AeadInPlace;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit, Nonce, Tag};
use rustls::crypto::cipher::{
    self, AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter,
    MessageEncrypter, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload,
    Tls13AeadAlgorithm, UnsupportedOperationError, make_tls13_aad,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion};

/// The size of the authentication tag at the end of a record, in bytes.
const TAG: usize = 16;

/// A cipher for records. The type that computes it is only a parameter, so that the value can be shared.
pub(super) struct Aead<C>(PhantomData<fn() -> C>);

pub(super) static AES_128_GCM: Aead<Aes128Gcm> = Aead(PhantomData);
pub(super) static AES_256_GCM: Aead<Aes256Gcm> = Aead(PhantomData);

/// Ciphers with the sizes that TLS 1.3 requires.
trait Gcm: AeadInPlace<NonceSize = U12, TagSize = U16> + KeyInit + Send + Sync + 'static {}

impl Gcm for Aes128Gcm {}
impl Gcm for Aes256Gcm {}

/// A cipher with its key, for one direction.
struct Keyed<C> {
    cipher: C,
    iv: Iv,
}

impl<C: Gcm> Keyed<C> {
    fn new(key: &AeadKey, iv: Iv) -> Self {
        // rustls makes keys of the length that `key_len` returns.
        let cipher = C::new_from_slice(key.as_ref()).expect("a key of the cipher's length");
        Self { cipher, iv }
    }
}

impl<C: Gcm> Tls13AeadAlgorithm for Aead<C> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Keyed::<C>::new(&key, iv))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Keyed::<C>::new(&key, iv))
    }

    fn key_len(&self) -> usize {
        C::key_size()
    }

    fn extract_keys(
        &self,
        _key: AeadKey,
        _iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        // For encryption by the network card, which WSK does not offer.
        Err(UnsupportedOperationError)
    }
}

impl<C: Gcm> MessageEncrypter for Keyed<C> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let size = self.encrypted_payload_len(message.payload.len());
        let nonce = cipher::Nonce::new(&self.iv, sequence).0;
        let mut payload = PrefixedPayload::with_capacity(size);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&message.typ.to_array());
        let tag = self
            .cipher
            .encrypt_in_place_detached(
                Nonce::from_slice(&nonce),
                &make_tls13_aad(size),
                payload.as_mut(),
            )
            .map_err(|_| Error::EncryptError)?;
        payload.extend_from_slice(&tag);
        let version = ProtocolVersion::TLSv1_2;
        Ok(OutboundOpaqueMessage::new(ContentType::ApplicationData, version, payload))
    }

    fn encrypted_payload_len(&self, length: usize) -> usize {
        // The type of the message is encrypted together with the message.
        length + 1 + TAG
    }
}

impl<C: Gcm> MessageDecrypter for Keyed<C> {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut message.payload;
        let size = payload.len();
        let length = size.checked_sub(TAG).ok_or(Error::DecryptError)?;
        let nonce = cipher::Nonce::new(&self.iv, sequence).0;
        let (text, tag) = payload.split_at_mut(length);
        self.cipher
            .decrypt_in_place_detached(
                Nonce::from_slice(&nonce),
                &make_tls13_aad(size),
                text,
                Tag::<U16>::from_slice(tag),
            )
            .map_err(|_| Error::DecryptError)?;
        payload.truncate(length);
        message.into_tls13_unpadded_message()
    }
}
