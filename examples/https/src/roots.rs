//! The certificates that a client trusts.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use wsk::time::SystemTime;

use crate::Error;
use crate::provider::provider;

/// The root certificates that servers are verified against. Cheap to clone.
#[derive(Clone)]
pub struct Roots(pub(crate) Arc<ClientConfig>);

impl Roots {
    /// Takes root certificates in DER, and trust anchors as in the crate `webpki-roots`, which have only the parts that
    /// verification needs.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`] if one is not a certificate.
    pub fn new<'a>(
        certificates: impl IntoIterator<Item = &'a [u8]>,
        others: &[TrustAnchor<'static>],
    ) -> Result<Self, Error> {
        let mut roots = RootCertStore { roots: others.to_vec() };
        for certificate in certificates {
            roots.add(CertificateDer::from(certificate))?;
        }
        let config = ClientConfig::builder_with_details(Arc::new(provider()), Arc::new(Clock))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").finish_non_exhaustive()
    }
}

/// The system's clock.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let since_1970: Duration = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(since_1970))
    }
}
