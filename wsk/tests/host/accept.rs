//! Accepting.

use wsk::{TcpListener, TcpStream};

use crate::support::{everywhere, join, poll_times};

/// A listener's accept survives the future that waits for it.
#[test]
fn dropping_an_accept_loses_no_connection() {
    everywhere(async |wsk| {
        let mut listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let address = listener.local_addr().await?;
        assert!(poll_times(listener.accept(), 1).await.is_none());
        let client = TcpStream::connect(&wsk, address).await?;
        let (_server, peer) = listener.accept().await?;
        assert_eq!(peer, client.local_addr().await?);
        Ok(())
    });
}

#[test]
fn connections_wait_to_be_accepted() {
    everywhere(async |wsk| {
        let mut listener = TcpListener::bind(&wsk, ([0, 0, 0, 0], 0)).await?;
        let port = listener.local_addr().await?.port();
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(TcpStream::connect(&wsk, ([127, 0, 0, 1], port)).await?);
        }
        for client in &clients {
            let (_server, peer) = listener.accept().await?;
            assert_eq!(peer, client.local_addr().await?);
        }
        Ok(())
    });
}

#[test]
fn a_listener_that_closes_takes_its_accept_and_its_backlog_along() {
    everywhere(async |wsk| {
        let mut listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let address = listener.local_addr().await?;
        let (accepted, client) = join(poll_times(listener.accept(), 1), async {
            TcpStream::connect(&wsk, address).await
        })
        .await;
        // Whether the accept saw the connection before it was dropped is a matter of timing.
        drop(accepted);
        let client = client?;
        let waiting = TcpStream::connect(&wsk, address).await?;
        listener.close().await;
        drop((client, waiting));
        Ok(())
    });
}
