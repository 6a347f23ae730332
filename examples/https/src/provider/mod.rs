//! rustls' cryptography, by crates for `no_std`: AES-GCM, key exchange on P-256, and signatures of ECDSA and RSA.

mod aead;
mod hash;
mod key_exchange;
mod random;
mod signature;

use alloc::vec;

use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{CipherSuiteCommon, CryptoProvider};
use rustls::{CipherSuite, SupportedCipherSuite, Tls13CipherSuite};

use self::hash::{HMAC_SHA256, HMAC_SHA384, SHA256, SHA384};

/// The maximum number of messages for one AES-GCM key; rustls' documentation has the reason.
const GCM_LIMIT: u64 = 1 << 24;

static TLS13_AES_128_GCM_SHA256: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::TLS13_AES_128_GCM_SHA256,
        hash_provider: &SHA256,
        confidentiality_limit: GCM_LIMIT,
    },
    hkdf_provider: &HkdfUsingHmac(&HMAC_SHA256),
    aead_alg: &aead::AES_128_GCM,
    quic: None,
};

static TLS13_AES_256_GCM_SHA384: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::TLS13_AES_256_GCM_SHA384,
        hash_provider: &SHA384,
        confidentiality_limit: GCM_LIMIT,
    },
    hkdf_provider: &HkdfUsingHmac(&HMAC_SHA384),
    aead_alg: &aead::AES_256_GCM,
    quic: None,
};

/// The cryptography of a client in a driver.
#[must_use]
pub fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            SupportedCipherSuite::Tls13(&TLS13_AES_128_GCM_SHA256),
            SupportedCipherSuite::Tls13(&TLS13_AES_256_GCM_SHA384),
        ],
        kx_groups: vec![&key_exchange::P256],
        signature_verification_algorithms: signature::ALGORITHMS,
        secure_random: &random::System,
        key_provider: &random::System,
    }
}
