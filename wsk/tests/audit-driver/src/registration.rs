//! Registration and provider.

use core::fmt::Debug;
use core::ops::Deref;
use core::time::Duration;

use wsk::dispatch::VouchedPointer;
use wsk::events::EventMask;
use wsk::irql::Passive;
use wsk::socket::Family;
use wsk::sys::PVOID;
use wsk::{Provider, Registration, RegistrationBuilder, Transport, Transports};

calls! {
    "Registration::builder": |()| Registration::builder();
    "RegistrationBuilder::static_events": |(builder, events): (RegistrationBuilder, EventMask)| {
        builder.static_events(events)
    };
    "RegistrationBuilder::device_object":
        |(builder, device): (RegistrationBuilder, wsk::sys::PDEVICE_OBJECT)| {
            // SAFETY: it is never called.
            unsafe { builder.device_object(device) }
        };
    "RegistrationBuilder::bypass_tdi": |builder: RegistrationBuilder| builder.bypass_tdi();
    "RegistrationBuilder::register": |(builder, passive): (RegistrationBuilder, Passive)| {
        builder.register(passive)
    };
    "Registration::register": |passive: Passive| Registration::register(passive);
    "Registration::deregister": |(registration, passive): (Registration, Passive)| {
        registration.deregister(passive);
    };
    "unload": |passive: Passive| wsk::unload(passive);
    "VouchedPointer::new": |pointer: PVOID| {
        // SAFETY: it is never called.
        unsafe { VouchedPointer::new(pointer) }
    };
    "VouchedPointer::get": |pointer: VouchedPointer<PVOID>| pointer.get();
    "Registration::capture":
        |(registration, passive, timeout): (&'static Registration, Passive, Duration)| {
            registration.capture(passive, timeout)
        };
    "Registration::try_capture": |registration: &'static Registration| registration.try_capture();
    "Registration::provider_versions": |registration: &'static Registration| {
        registration.provider_versions()
    };
    "Provider::version": |provider: &'static Provider| provider.version();
    "Provider::capabilities": |provider: &'static Provider| provider.capabilities();
    "Provider::client": |provider: &'static Provider| provider.client();
    "Provider::dispatch": |provider: &'static Provider| provider.dispatch();
    "Provider::clone": |provider: &'static Provider| provider.clone();
    "Provider::transports": |provider: &'static Provider| provider.transports();
    "Transports::deref": |transports: &'static Transports| Deref::deref(transports);
    "Transports::into_iter": |transports: &'static Transports| transports.into_iter();
    "Transport::version": |transport: &'static Transport| transport.version();
    "Transport::family": |transport: &'static Transport| transport.family();
    "Transport::accepts": |(transport, family): (&'static Transport, Family)| {
        transport.accepts(family)
    };
    "Transport::socket_type": |transport: &'static Transport| transport.socket_type();
    "Transport::protocol": |transport: &'static Transport| transport.protocol();
    "Transport::to_raw": |transport: &'static Transport| transport.to_raw();
}

futures! {
    "Provider::transports_changed": |provider: &'static Provider| provider.transports_changed();
}

drops! {
    "Registration::drop": Registration;
    "Provider::drop": Provider;
    "Transports::drop": Transports;
}

formats! {
    "Registration::fmt<Debug>": Registration as Debug;
    "RegistrationBuilder::fmt<Debug>": RegistrationBuilder as Debug;
    "Provider::fmt<Debug>": Provider as Debug;
    "Transports::fmt<Debug>": Transports as Debug;
    "Transport::fmt<Debug>": Transport as Debug;
}
