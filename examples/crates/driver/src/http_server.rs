//! edge-http's server.

use alloc::boxed::Box;
use core::net::SocketAddr;

use wsk::pool::PoolBox;
use wsk::{Provider, TcpListener};

use crate::Task;

pub(crate) fn run(wsk: Provider, address: SocketAddr) -> Task {
    Box::pin(async move {
        let listener = TcpListener::bind(&wsk, address).await?;
        // The future is large.
        PoolBox::pin_with(|| crates::http::serve(listener))?.await
    })
}
