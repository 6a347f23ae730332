//! The provider's calls for name resolution.
//!
//! # Safety
//!
//! The functions are called at `PASSIVE_LEVEL` with the provider captured ([INV-66](crate::rules#inv-66)); the request owns their memory.

#![expect(unsafe_code, reason = "see Safety")]

use core::net::{IpAddr, SocketAddr};
use core::ptr;

use wsk_sys::NS_ALL;

use super::{AddressList, Hints, Names, Query, Service};
use crate::address::{self, Storage};
use crate::capabilities::has;
use crate::flags::NameInfoFlags;
use crate::irql;
use crate::operation::{
    Attachment, ControlBuffer, InFlight, OptionalFunction, Payload, RequestOutcome,
};
use crate::provider::Provider;
use crate::status::{Result, known};
use crate::transport::Family;

impl Provider {
    /// Resolves a host to its addresses, with the port of a service.
    ///
    /// `host` is a name or a numeric address. Without one, the result is this machine's addresses: with
    /// [`AddressInfoFlags::PASSIVE`](crate::flags::AddressInfoFlags::PASSIVE) those to listen on, otherwise the loopback
    /// addresses.
    ///
    /// Makes one allocation, for the strings, besides those of the system.
    ///
    /// IRQL: `PASSIVE_LEVEL` at the first poll; see [the module](crate::resolve#levels). Minimum Windows: Windows 7,
    /// which has no Punycode before Windows 8.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_get_address_info).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the look-up; a list that still arrives is freed.
    ///
    /// # Errors
    ///
    /// - `STATUS_NOT_FOUND`, in Windows 7 `STATUS_NO_MATCH` (kind [`NotFound`](crate::ErrorKind::NotFound)), if there are no
    ///   matching addresses.
    /// - `STATUS_INVALID_PARAMETER` if a name is empty or has a NUL in it, if there is neither host nor service, or
    ///   for hints that exclude each other.
    /// - `STATUS_NAME_TOO_LONG` if a name has more than 255 characters.
    /// - `STATUS_INVALID_DEVICE_REQUEST` if the IRQL is not `PASSIVE_LEVEL`.
    /// - `STATUS_NOT_SUPPORTED` before Windows 7.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskGetAddressInfo`; see [the module](crate::resolve#transient-failures).
    pub async fn resolve<'a>(
        &self,
        host: impl Into<Option<&'a str>>,
        service: impl Into<Service<'a>>,
        hints: Hints,
    ) -> Result<AddressList> {
        let (host, service) = (host.into(), service.into());
        self.client_ref().outside_routines().await;
        let in_flight = {
            let names = self.check_names()?;
            let query = Query::new(self, host, service, hints)?;
            let places = query.arguments();
            let call = |irp, _: *mut Payload| {
                // All name spaces; no name space provider, process or thread.
                // SAFETY: the provider is captured, and the level passive (INV-66); the IRP is ready, and will be
                // completed; the pointers are into the query, which the request keeps until then.
                unsafe {
                    self.dispatch().get_address_info(
                        names,
                        self.client(),
                        places.host,
                        places.service,
                        NS_ALL,
                        ptr::null_mut(),
                        places.hints,
                        places.list,
                        ptr::null_mut(),
                        ptr::null_mut(),
                        irp,
                    )
                }
            };
            let prepare = |payload: &mut Payload| payload.attachment.put(query);
            // SAFETY: the call's memory is the payload's query.
            unsafe { self.request(prepare, call) }?
        };
        // Every system with name resolution implements this call (INV-12), so no query is abandoned, whose provider would
        // keep the registration.
        match self.outcome(in_flight.never_refused()).await {
            (Some(query), result) => {
                let mut query: Query = query;
                query.complete(result.is_ok());
                result?;
                AddressList::new(query).ok_or(known::STATUS_NOT_FOUND)
            }
            (None, result) => Err(result.err().unwrap_or(known::STATUS_INTERNAL_ERROR)),
        }
    }

    /// Resolves an address and port to a host name and a service name. Those without a name are returned as numbers.
    ///
    /// Do not trust names from reverse look-up: the owner of the address chooses them.
    ///
    /// Makes one allocation, for the names, besides those of the system.
    ///
    /// IRQL: `PASSIVE_LEVEL` at the first poll; see [the module](crate::resolve#levels). Minimum Windows: Windows 7.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_get_name_info).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the look-up.
    ///
    /// # Errors
    ///
    /// - `STATUS_NO_MATCH` (kind [`NotFound`](crate::ErrorKind::NotFound)) if the host has no name and
    ///   [`NameInfoFlags::NAME_REQUIRED`] is set.
    /// - `STATUS_INVALID_PARAMETER` for flags that WSK does not have.
    /// - `STATUS_INVALID_DEVICE_REQUEST` if the IRQL is not `PASSIVE_LEVEL`.
    /// - `STATUS_NOT_SUPPORTED` before Windows 7.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskGetNameInfo`. Wine does not implement it.
    pub async fn name_of(
        &self,
        address: impl Into<SocketAddr>,
        flags: NameInfoFlags,
    ) -> Result<Names> {
        let address = address.into();
        self.client_ref().outside_routines().await;
        let in_flight = {
            let has_names = self.check_names()?;
            if !NameInfoFlags::all().contains(flags) {
                return Err(known::STATUS_INVALID_PARAMETER);
            }
            // Before the names are allocated.
            self.client_ref().refusals.check(OptionalFunction::GetNameInfo)?;
            let mut names = Names::allocate()?;
            // Port zero belongs to no service, and on some systems a query for it fails.
            let (host, service) = names.arguments(address.port() != 0);
            let size = address::size(address);
            let call = |irp, payload| {
                // SAFETY: the payload is the request's, and stays until it completes.
                let address = unsafe { Payload::remote(payload) };
                // SAFETY: the provider is captured, and the level passive (INV-66); the IRP is ready, and will be
                // completed; the names are the request's until then.
                unsafe {
                    self.dispatch().get_name_info(
                        has_names,
                        self.client(),
                        address,
                        size,
                        host,
                        service,
                        flags,
                        ptr::null_mut(),
                        ptr::null_mut(),
                        irp,
                    )
                }
            };
            let prepare = |payload: &mut Payload| {
                payload.remote = Storage::new(address);
                payload.attachment.put(names);
            };
            // SAFETY: the call's memory is the payload's address and names.
            unsafe { self.request_of(OptionalFunction::GetNameInfo, prepare, call) }?
        };
        match self.outcome(in_flight).await {
            (Some(names), Ok(())) => Ok(names),
            (_, result) => Err(result.err().unwrap_or(known::STATUS_INTERNAL_ERROR)),
        }
    }

    /// Returns the first address of a host, of the given family, or of any with [`Family::UNSPECIFIED`].
    ///
    /// Implements `Dns::get_host_by_name` of embedded-nal-async.
    ///
    /// IRQL: as for [`Provider::resolve`].
    ///
    /// ```
    /// use wsk::socket::Family;
    ///
    /// # let host = wsk_host::Host::new(wsk_host::Config::default());
    /// # let _entered = host.enter();
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let address = wsk.host_by_name("localhost", Family::INET).await?;
    /// assert_eq!(address.to_string(), "127.0.0.1");
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As for [`Provider::resolve`].
    ///
    /// # Errors
    ///
    /// Those of [`Provider::resolve`].
    pub async fn host_by_name(&self, name: &str, family: Family) -> Result<IpAddr> {
        let list = self.resolve(name, Service::None, Hints::stream().family(family)).await?;
        list.addresses().next().map(|address| address.ip()).ok_or(known::STATUS_NOT_FOUND)
    }

    /// Writes the name of a host, as UTF-8, to the start of a buffer, and returns its length in bytes.
    ///
    /// Implements `Dns::get_host_by_address` of embedded-nal-async. 255 bytes are enough for any DNS name.
    ///
    /// IRQL: as for [`Provider::name_of`].
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    ///
    /// # let host = wsk_host::Host::new(wsk_host::Config::default());
    /// # let _entered = host.enter();
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let mut buffer = [0; 255];
    /// let length = wsk.host_by_address(Ipv4Addr::LOCALHOST, &mut buffer).await?;
    /// assert_eq!(&buffer[..length], b"localhost");
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As for [`Provider::name_of`].
    ///
    /// # Errors
    ///
    /// - `STATUS_NO_MATCH` (kind [`NotFound`](crate::ErrorKind::NotFound)) if the host has no name.
    /// - `STATUS_BUFFER_TOO_SMALL` if the name does not fit.
    /// - Those of [`Provider::name_of`].
    pub async fn host_by_address(
        &self,
        address: impl Into<IpAddr>,
        buffer: &mut [u8],
    ) -> Result<usize> {
        let address = SocketAddr::new(address.into(), 0);
        let names = self.name_of(address, NameInfoFlags::NAME_REQUIRED).await?;
        names.host().to_utf8(buffer).map(|name| name.len())
    }

    /// Fails above `PASSIVE_LEVEL`, and on systems without name resolution.
    fn check_names(&self) -> Result<has::NameResolution> {
        if !irql::is_passive() {
            return Err(known::STATUS_INVALID_DEVICE_REQUEST);
        }
        self.capabilities().name_resolution().ok_or(known::STATUS_NOT_SUPPORTED)
    }

    /// Waits for a look-up, and returns the request's payload.
    async fn outcome<A: Attachment>(&self, in_flight: InFlight) -> (Option<A>, Result<()>) {
        match in_flight.await {
            RequestOutcome::Completed(mut idle, result) => {
                let attachment = idle.payload().attachment.take();
                self.put(idle);
                // The information repeats the status (INV-19).
                (attachment, result.map(|_| ()))
            }
            // The system does not implement the call, and may still use the memory.
            RequestOutcome::Refused(error) => (None, Err(error)),
        }
    }
}

impl Attachment for Query {
    const OUTLIVES_REFUSAL: bool = true;

    unsafe fn abandon(mut self, result: Result<usize>, _output: &ControlBuffer) {
        self.complete(result.is_ok());
        // Dropped, it defers the release of the list.
    }
}

impl Attachment for Names {
    const OUTLIVES_REFUSAL: bool = true;

    unsafe fn abandon(self, _result: Result<usize>, _output: &ControlBuffer) {}
}
