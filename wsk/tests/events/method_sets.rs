//! Handlers that state another set of methods than they have. A wrong set may cost events, and nothing else.

use test_support::connection::LOCAL;
use test_support::events::{connect, on_both_networks};
use wsk::events::methods::{self, Methods};
use wsk::events::{
    Callbacks, ConditionalListenEvents, ConnectionEvents, ConnectionTable, Data, DatagramEvents,
    DatagramTable, Datagrams, Disposition, EventMask, Inspection, ListenEvents, ListenTable,
    Receipt, StreamTable,
};
use wsk::socket::{DatagramSocket, Family, Listen, ListenSocket, Stream};
use wsk::{Buffer, TcpListener};

/// Declares every method, and has none.
struct Boastful;

impl DatagramEvents for Boastful {
    type WskEventsAttribute = Methods<{ u32::MAX }>;
}

impl ConnectionEvents for Boastful {
    type WskEventsAttribute = Methods<{ u32::MAX }>;
}

impl ListenEvents for Boastful {
    type Connection = Self;
    type WskEventsAttribute = Methods<{ u32::MAX }>;
}

impl wsk::events::Listens for Boastful {
    type By = wsk::events::Accepting;
}

/// States every method of a connection, and not the bit of `()`.
struct Claims;

impl ConnectionEvents for Claims {
    type WskEventsAttribute =
        Methods<{ methods::RECEIVE | methods::DISCONNECTED | methods::SEND_BACKLOG }>;
}

/// States no method, and has them all.
struct Modest;

impl DatagramEvents for Modest {
    type WskEventsAttribute = Methods<0>;

    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        panic!("the table has no function for this");
    }
}

impl ConnectionEvents for Modest {
    type WskEventsAttribute = Methods<0>;

    fn receive(&self, _data: Data<'_>) -> Receipt {
        panic!("the table has no function for this");
    }
}

/// The traits can be used as `dyn`: a handler may call another one.
#[test]
fn handlers_can_be_trait_objects() {
    struct Boxed(Box<dyn DatagramEvents>, Box<dyn ConnectionEvents>);

    #[wsk::events]
    impl DatagramEvents for Boxed {
        fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
            self.0.receive_from(datagrams)
        }
    }

    #[wsk::events]
    impl ConnectionEvents for Boxed {
        fn receive(&self, data: Data<'_>) -> Receipt {
            self.1.receive(data)
        }
    }

    assert_eq!(<Boxed as DatagramTable>::EVENTS, EventMask::RECEIVE_FROM);
    let boxed = Boxed(Box::new(Boastful), Box::new(Modest));
    boxed.0.dead();
    boxed.1.dead();
}

#[test]
fn tables_follow_the_sets() {
    assert!(<Boastful as DatagramTable>::TABLE.WskReceiveFromEvent.is_some());
    assert_eq!(<Boastful as DatagramTable>::EVENTS, EventMask::RECEIVE_FROM);
    assert!(<Claims as ConnectionTable>::TABLE.WskSendBacklogEvent.is_some());
    assert!(<Modest as DatagramTable>::TABLE.WskReceiveFromEvent.is_none());
    assert!(<Modest as ConnectionTable>::TABLE.WskReceiveEvent.is_none());
    assert!(<Modest as DatagramTable>::EVENTS.is_empty());
}

/// The functions are those of the handler's type, whose methods are the trait's.
#[test]
fn a_set_with_too_much_is_harmless() {
    on_both_networks(async |_, wsk| {
        let socket =
            DatagramSocket::builder(&wsk, Family::INET).events(Boastful).bind(LOCAL).await?;
        let address = socket.local_addr().await?;
        socket.send_to(Buffer::new(3)?, address).await.into_result()?;
        socket.close().await;

        let listener =
            ListenSocket::builder(&wsk, Family::INET).events(Boastful).bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        // The trait's own method rejects it.
        connect(&wsk, address, ()).await.err();
        listener.close().await;

        let listener = TcpListener::bind(&wsk, LOCAL).await?;
        let address = listener.local_addr().await?;
        let boastful = connect(&wsk, address, Boastful).await?;
        let (stream, _) = listener.accept().await?;
        let claims = connect(&wsk, address, Claims).await?;
        let (other, _) = listener.accept().await?;
        for (to, from) in [(&stream, boastful.as_raw()), (&other, claims.as_raw())] {
            assert!(!from.is_null());
            to.send_all(Buffer::new(5)?).await.into_result()?;
            to.shutdown().await?;
        }
        // Data that the callbacks refuse is left for requests.
        boastful.receive_exact(Buffer::new(5)?).await.into_result()?;
        claims.receive_exact(Buffer::new(5)?).await.into_result()?;
        boastful.enable_events(EventMask::RECEIVE)?;
        boastful.close().await;
        claims.close().await;
        Ok(())
    });
}

/// A type that implements `ListenEvents` by hand beside the macro's conditional ones never inspects as a stream socket
/// (INV-41).
#[test]
fn a_stream_never_inspects() {
    struct Inspector;

    #[wsk::events]
    impl ConditionalListenEvents for Inspector {
        type Connection = ();

        fn inspect(&self, inspection: Inspection<'_>) {
            inspection.accept();
        }
    }

    #[wsk::events]
    impl ConnectionEvents for Inspector {}

    impl ListenEvents for Inspector {
        type Connection = Modest;
        type WskEventsAttribute = Methods<{ u32::MAX }>;
    }

    assert!(<Inspector as ListenTable>::TABLE.WskInspectEvent.is_some());
    const { assert!(<Inspector as Callbacks<Listen>>::INSPECTS) };
    // SAFETY: the table is static.
    let stream = unsafe { &*<Inspector as StreamTable>::TABLE.Listen };
    assert!(stream.WskInspectEvent.is_none() && stream.WskAbortEvent.is_none());
    assert!(stream.WskAcceptEvent.is_some());
    const { assert!(!<Inspector as Callbacks<Stream>>::INSPECTS) };
}
