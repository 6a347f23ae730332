//! Contents that are exchanged through `&mut`, and values that are given to the wrong partner.

use std::future::Future;
use std::mem::swap;
use std::task::{Context, Waker};
use std::time::Duration;

use test_support::connection::{buffer, streams};
use test_support::futures::join;
use wsk::rt::JoinSet;
use wsk::sync::{Mutex, mpsc};
use wsk::{Buffer, BufferedStream, Chain, time};

use super::with_driver;

/// Each reads from the other connection then, and each connection ends with its reader.
#[test]
fn readers_of_two_buffered_streams() {
    with_driver(async |driver| {
        let (one, one_peer) = streams(&driver.wsk).await?;
        let (other, other_peer) = streams(&driver.wsk).await?;
        let (mut one, mut other) = (one.buffered(), other.buffered());
        one_peer.send_all(buffer(b"one")?).await.into_result()?;
        other_peer.send_all(buffer(b"two")?).await.into_result()?;
        let mut bytes = [0; 1];
        one.read_exact(&mut bytes).await?;
        swap(one.split().0, other.split().0);
        one.read_exact(&mut bytes).await?;
        assert_eq!(bytes, *b"t");
        let mut rest = [0; 2];
        other.read_exact(&mut rest).await?;
        assert_eq!(rest, *b"ne");
        one.write_all(b"1").await?;
        one.flush().await?;
        let (count, received) = one_peer.recv(Buffer::new(9)?).await.into_result()?;
        assert_eq!(received[..count], *b"1");

        // The reader's connection is returned. The other one stays open with its other half.
        let stream = one.into_inner();
        assert_eq!(stream.peer_addr().await?, other_peer.local_addr().await?);
        let (reader, writer) = other.into_split();
        let error = BufferedStream::reunite(reader, writer).expect_err("they are no pair");
        assert!(!error.0.is_pair_of(&error.1));
        drop(error);
        stream.send_all(buffer(b"2")?).await.into_result()?;
        let (count, received) = other_peer.recv(Buffer::new(9)?).await.into_result()?;
        assert_eq!(received[..count], *b"2");
        Ok(())
    });
}

#[test]
fn timers_that_are_set() {
    with_driver(async |_| {
        let mut sleeps = [2, 40].map(|ms| Box::pin(time::sleep(Duration::from_millis(ms))));
        for sleep in &mut sleeps {
            let mut context = Context::from_waker(Waker::noop());
            assert!(sleep.as_mut().poll(&mut context).is_pending());
        }
        let [one, other] = &mut sleeps;
        swap(one, other);
        let [one, other] = sleeps;
        let (one, other) = join(one, other).await;
        one.and(other)
    });
}

#[test]
fn contents_of_locks_and_channels() {
    with_driver(async |driver| {
        let (client, server) = streams(&driver.wsk).await?;
        let (one, other) = (Mutex::new(Some(client)), Mutex::new(Some(server)));
        swap(&mut *one.lock().await, &mut *other.lock().await);
        drop(one.lock().await.take());
        drop(other.into_inner());
        let (values, mut queue) = mpsc::channel(1)?;
        let (others, mut other_queue) = mpsc::channel(1)?;
        swap(&mut queue, &mut other_queue);
        values.send(1).await.unwrap();
        others.send(2).await.unwrap();
        assert_eq!((queue.recv().await, other_queue.recv().await), (Some(2), Some(1)));
        Ok(())
    });
}

#[test]
fn sets_of_tasks() {
    with_driver(async |driver| {
        let mut sets =
            [JoinSet::new(driver.runtime.spawner())?, JoinSet::new(driver.runtime.spawner())?];
        for (value, set) in sets.iter_mut().enumerate() {
            set.spawn(async move { value })?;
        }
        let [one, other] = &mut sets;
        swap(one, other);
        assert_eq!(one.join_next().await, Some(Ok(1)));
        assert_eq!(other.join_next().await, Some(Ok(0)));
        Ok(())
    });
}

/// Parts of a chain are exchanged by their bytes only: the memory stays where it is described.
#[test]
fn parts_of_chains() {
    with_driver(async |driver| {
        let (client, server) = streams(&driver.wsk).await?;
        let (mut one, mut other) = (Chain::new(), Chain::new());
        for part in [b"ab", b"cd"] {
            one.push_back(buffer(part)?).unwrap();
            other.push_back(buffer(b"xy")?).unwrap();
        }
        for (one, other) in one.iter_mut().zip(other.iter_mut()) {
            one.swap_with_slice(other);
        }
        swap(&mut one, &mut other);
        one.append(&mut other);
        assert_eq!(one.iter().flatten().copied().collect::<Vec<_>>(), b"abcdxyxy");
        client.send_all(one).await.into_result()?;
        let (count, received) = server.recv_full(Buffer::new(8)?).await.into_result()?;
        assert_eq!(received[..count], *b"abcdxyxy");
        client.send_all(other).await.into_result()?;
        Ok(())
    });
}
