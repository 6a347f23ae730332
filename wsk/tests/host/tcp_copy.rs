//! Copying between streams.

use test_support::connection::{buffer, echo, receive_all, streams};
use test_support::futures::join;
use test_support::scenario::with_all_timings;
use wsk::net::{copy, copy_bidirectional, copy_bidirectional_with_sizes};
use wsk::{ErrorKind, Provider, Result, TcpStream};

use crate::sweep::sweep;

/// A client and a server, and the proxy's side of each.
async fn proxied(wsk: &Provider) -> Result<(TcpStream, TcpStream, TcpStream, TcpStream)> {
    let (client, to_client) = streams(wsk).await?;
    let (server, to_server) = streams(wsk).await?;
    Ok((client, to_client, to_server, server))
}

#[test]
fn both_directions_are_copied_until_both_peers_finish() {
    with_all_timings(async |wsk| {
        let (client, to_client, to_server, server) = proxied(&wsk).await?;
        let sent: Vec<u8> = (0..=255).cycle().take(4000).collect();
        let talk = async {
            let send = async {
                for chunk in sent.chunks(900) {
                    client.send_all(buffer(chunk)?).await.into_result()?;
                }
                client.shutdown().await
            };
            let (sending, received) = join(send, receive_all(&client)).await;
            sending.and(received)
        };
        let copying = copy_bidirectional_with_sizes(&to_client, &to_server, 700, 300);
        let ((received, echoed), copied) = join(join(talk, echo(&server, 500)), copying).await;
        echoed?;
        assert_eq!((received?, copied?), (sent, (4000, 4000)));
        Ok(())
    });
}

/// A direction whose peer has finished is shut down, and the other continues.
#[test]
fn a_half_close_is_passed_on() {
    with_all_timings(async |wsk| {
        let (client, to_client, to_server, server) = proxied(&wsk).await?;
        let serve = async {
            // The end arrives before the answer is sent.
            let question = receive_all(&server).await?;
            server.shutdown_with(buffer(b"answer")?).await.into_result()?;
            Ok::<_, wsk::Error>(question)
        };
        let ask = async {
            client.shutdown_with(buffer(b"question?")?).await.into_result()?;
            receive_all(&client).await
        };
        let copying = copy_bidirectional(to_client, to_server);
        let ((question, answer), copied) = join(join(serve, ask), copying).await;
        assert_eq!((&question?[..], &answer?[..]), (&b"question?"[..], &b"answer"[..]));
        assert_eq!(copied?, (9, 6));
        Ok(())
    });
}

/// An error ends both directions, also while the other peer sends nothing.
#[test]
fn a_reset_ends_both_directions() {
    with_all_timings(async |wsk| {
        let (client, to_client, to_server, server) = proxied(&wsk).await?;
        let (copied, aborted) =
            join(copy_bidirectional(&to_client, &to_server), server.abort()).await;
        aborted?;
        assert_eq!(copied.unwrap_err().kind(), ErrorKind::ConnectionReset);
        drop((to_client, to_server));
        let error = receive_all(&client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        Ok(())
    });
}

/// One direction leaves the writer open.
#[test]
fn a_copy_does_not_shut_down() {
    with_all_timings(async |wsk| {
        let (client, to_client, to_server, server) = proxied(&wsk).await?;
        let (reader, _writer) = to_client.into_split();
        client.shutdown_with(buffer(b"first, ")?).await.into_result()?;
        assert_eq!(copy(&reader, &to_server).await?, 7);
        to_server.shutdown_with(buffer(b"second")?).await.into_result()?;
        assert_eq!(receive_all(&server).await?, b"first, second");
        Ok(())
    });
}

#[test]
fn every_allocation_of_a_copy_may_fail() {
    sweep(20, async |wsk| {
        let (client, to_client, to_server, server) = proxied(&wsk).await?;
        client.shutdown_with(buffer(b"to copy")?).await.into_result()?;
        server.shutdown().await?;
        let copied = copy_bidirectional(&to_client, &to_server).await?;
        assert_eq!(copied, (7, 0));
        Ok(())
    });
}
