//! Registration and provider.

use core::fmt::Debug;
use core::time::Duration;

use wsk::irql::Passive;
use wsk::{Provider, Registration};

calls! {
    "Registration::register": |passive: Passive| Registration::register(passive);
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
}

drops! {
    "Registration::drop": Registration;
    "Provider::drop": Provider;
}

formats! {
    "Registration::fmt<Debug>": Registration as Debug;
    "Provider::fmt<Debug>": Provider as Debug;
}
