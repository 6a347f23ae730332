//! Received data that is sent on another socket without a copy.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use test_support::connection::{LOCAL, sockets};
use test_support::events::connect;
use test_support::futures::{join, poll_times};
use test_support::scenario::{each_allocation, on_host, timings};
use wsk::events::{ConnectionEvents, Data, Receipt, RetainedData};
use wsk::socket::{Accepted, Family, ListenSocket};
use wsk::{BufResult, Buffer, ErrorKind, Provider, Result, time};
use wsk_host::{Config, Host, Timing};

/// Retains all data.
#[derive(Clone, Default)]
struct Incoming(Arc<Mutex<VecDeque<RetainedData>>>);

#[wsk::events]
impl ConnectionEvents for Incoming {
    fn receive(&self, data: Data<'_>) -> Receipt {
        self.0.lock().unwrap().push_back(data.retain().unwrap());
        Receipt::All
    }
}

impl Incoming {
    async fn next(&self) -> Result<RetainedData> {
        loop {
            if let Some(data) = self.0.lock().unwrap().pop_front() {
                return Ok(data);
            }
            time::sleep(Duration::from_millis(1)).await?;
        }
    }
}

fn numbered(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

/// Data in indications of every shape is passed on, in order, and released: the sockets could not be closed otherwise.
#[test]
fn retained_data_is_sent_on_another_socket() {
    const SIZE: usize = 20_000;
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let run = async |wsk: Provider| {
            let incoming = Incoming::default();
            let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
            let source = connect(&wsk, listener.local_addr().await?, ()).await?;
            let Accepted { socket: from, .. } = listener.accept_with(incoming.clone()).await?;
            let (to, target) = sockets(&wsk).await?;
            let sends = async {
                for part in numbered(SIZE).chunks(3000) {
                    source.send_all(Buffer::try_from(part)?).await.into_result()?;
                }
                Ok::<_, wsk::Error>(())
            };
            let relays = async {
                let mut sent = 0;
                while sent < SIZE {
                    let data = incoming.next().await?;
                    let size = data.len();
                    let chain = data.into_chain().map_err(|(error, _)| error)?;
                    assert_eq!((chain.len(), chain.iter().len()), (size, 0));
                    let (count, chain) = to.send_all(chain).await.into_result()?;
                    assert_eq!(count, size);
                    drop(chain);
                    sent += size;
                }
                to.shutdown().await
            };
            let receives = async {
                let (count, bytes) =
                    target.receive_full(Buffer::new(SIZE + 1)?).await.into_result()?;
                assert!(bytes[..count] == numbered(SIZE), "other bytes were passed on");
                Ok::<_, wsk::Error>(())
            };
            let ((sent, relayed), received) = join(join(sends, relays), receives).await;
            drop(from);
            sent.and(relayed).and(received)
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// The data is released by whatever drops the chain: a completion routine, too, in which it may not call WSK.
#[test]
fn data_of_a_dropped_send_is_released() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let run = async |wsk: Provider| {
            let incoming = Incoming::default();
            let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
            let source = connect(&wsk, listener.local_addr().await?, ()).await?;
            let Accepted { socket: _from, .. } = listener.accept_with(incoming.clone()).await?;
            let (to, _target) = sockets(&wsk).await?;
            for _ in 0..3 {
                source.send_all(Buffer::try_from(b"some bytes")?).await.into_result()?;
                let chain = incoming.next().await?.into_chain().map_err(|(error, _)| error)?;
                drop(poll_times(to.send_all(chain), 1).await);
            }
            // It can only be read.
            let chain = incoming.0.lock().unwrap().pop_front().map(RetainedData::into_chain);
            if let Some(chain) = chain {
                let BufResult(result, _) = to.receive(chain.map_err(|(error, _)| error)?).await;
                assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
            }
            incoming.0.lock().unwrap().clear();
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// Data that cannot be lent for lack of memory comes back whole.
#[test]
fn retained_data_survives_each_failing_allocation() {
    let mut has_failed = false;
    for number in each_allocation() {
        let host = Host::new(Config::default().timing(Timing::Inline).seed(number as u64));
        let is_whole = on_host(&host, async |wsk: Provider| {
            let incoming = Incoming::default();
            let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
            let source = connect(&wsk, listener.local_addr().await?, ()).await?;
            let Accepted { socket: _from, .. } = listener.accept_with(incoming.clone()).await?;
            source.send_all(Buffer::try_from(&numbered(100)[..])?).await.into_result()?;
            let data = incoming.next().await?;
            let size = data.len();
            host.fail_allocation(number);
            let lent = data.into_chain();
            host.fail_allocation(1 << 20);
            incoming.0.lock().unwrap().clear();
            match lent {
                Ok(chain) => Ok(chain.len() == size),
                Err((error, data)) => {
                    has_failed = true;
                    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
                    let mut bytes = vec![0; size];
                    assert_eq!(data.copy_to(&mut bytes)?, size);
                    assert_eq!(bytes, numbered(100)[..size]);
                    Ok(false)
                }
            }
        })
        .unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
        if is_whole {
            break;
        }
    }
    assert!(has_failed);
}
