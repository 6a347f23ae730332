//! embassy-executor.

use alloc::boxed::Box;
use core::net::SocketAddr;

use wsk::sync::CancellationToken;
use wsk::{Provider, TcpListener};

use crate::Task;

pub(crate) fn run(wsk: Provider, address: SocketAddr) -> Task {
    Box::pin(async move {
        let listener = TcpListener::bind(&wsk, address).await?;
        // Unloading the driver drops this future, which ends embassy's tasks.
        crates::executor::serve(listener, CancellationToken::new()?).await
    })
}
