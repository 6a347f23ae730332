//! Signatures of certificates and of handshakes.

use digest::Digest as _;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::{RsaPublicKey, pkcs1v15, pss};
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::{Sha256, Sha384, Sha512};

/// A signature scheme: how a certificate describes keys and signatures, and how they are verified.
#[derive(Debug)]
struct Scheme {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    verify: Verify,
}

/// Verifies a message: takes the key, the message and the signature.
type Verify = fn(&[u8], &[u8], &[u8]) -> Option<()>;

impl SignatureVerificationAlgorithm for Scheme {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        (self.verify)(key, message, signature).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// Defines ECDSA schemes.
macro_rules! ecdsa {
    ($($name:ident: $curve:ident $key:ident, $hash:ident $signature:ident;)+) => {$(
        static $name: Scheme = Scheme {
            key: alg_id::$key,
            signature: alg_id::$signature,
            verify: |key, message, signature| {
                let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
                let signature = $curve::ecdsa::DerSignature::from_bytes(signature).ok()?;
                key.verify_prehash(&$hash::digest(message), &signature).ok()
            },
        };
    )+};
}

/// Defines RSA schemes.
macro_rules! rsa {
    ($($name:ident: $padding:ident $hash:ident $signature:ident;)+) => {$(
        static $name: Scheme = Scheme {
            key: alg_id::RSA_ENCRYPTION,
            signature: alg_id::$signature,
            verify: |key, message, signature| {
                let key = RsaPublicKey::from_pkcs1_der(key).ok()?;
                let signature = $padding::Signature::try_from(signature).ok()?;
                $padding::VerifyingKey::<$hash>::new(key).verify(message, &signature).ok()
            },
        };
    )+};
}

ecdsa! {
    P256_SHA256: p256 ECDSA_P256, Sha256 ECDSA_SHA256;
    P256_SHA384: p256 ECDSA_P256, Sha384 ECDSA_SHA384;
    P384_SHA256: p384 ECDSA_P384, Sha256 ECDSA_SHA256;
    P384_SHA384: p384 ECDSA_P384, Sha384 ECDSA_SHA384;
}

rsa! {
    PKCS1_SHA256: pkcs1v15 Sha256 RSA_PKCS1_SHA256;
    PKCS1_SHA384: pkcs1v15 Sha384 RSA_PKCS1_SHA384;
    PKCS1_SHA512: pkcs1v15 Sha512 RSA_PKCS1_SHA512;
    PSS_SHA256: pss Sha256 RSA_PSS_SHA256;
    PSS_SHA384: pss Sha384 RSA_PSS_SHA384;
    PSS_SHA512: pss Sha512 RSA_PSS_SHA512;
}

/// The algorithms that may sign certificates and TLS 1.3 handshakes. RSA with the older padding is not among them.
pub(super) const ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        &P256_SHA256,
        &P256_SHA384,
        &P384_SHA256,
        &P384_SHA384,
        &PKCS1_SHA256,
        &PKCS1_SHA384,
        &PKCS1_SHA512,
        &PSS_SHA256,
        &PSS_SHA384,
        &PSS_SHA512,
    ],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[&P256_SHA256]),
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[&P384_SHA384]),
        (SignatureScheme::RSA_PSS_SHA256, &[&PSS_SHA256]),
        (SignatureScheme::RSA_PSS_SHA384, &[&PSS_SHA384]),
        (SignatureScheme::RSA_PSS_SHA512, &[&PSS_SHA512]),
        // rustls offers these to servers for their certificates.
        (SignatureScheme::RSA_PKCS1_SHA256, &[&PKCS1_SHA256]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[&PKCS1_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[&PKCS1_SHA512]),
    ],
};
