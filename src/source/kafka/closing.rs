//! A client that is given up in bounded time.

use std::ops::Deref;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Something whose end may take for ever: with its brokers away, the client library has been seen not to come back from
/// leaving a group. It is waited for so long, and then left to end by itself; the program need not wait for it.
pub(super) struct Closing<T: Send + 'static> {
    /// There until it is dropped.
    client: Option<T>,
    patience: Duration,
}

impl<T: Send + 'static> Closing<T> {
    pub(super) fn new(client: T, patience: Duration) -> Self {
        Closing { client: Some(client), patience }
    }
}

impl<T: Send + 'static> Deref for Closing<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.client {
            Some(client) => client,
            None => unreachable!("it is taken out by the drop alone"),
        }
    }
}

impl<T: Send + 'static> Drop for Closing<T> {
    fn drop(&mut self) {
        let client = self.client.take();
        let (ended, end) = sync_channel(1);
        let close = move || {
            drop(client);
            let _ = ended.send(());
        };
        // Where no thread can be started, what it was to do is dropped here, and the client with it.
        let started = std::thread::Builder::new().name("longshore-kafka".into()).spawn(close);
        if started.is_ok() && end.recv_timeout(self.patience).is_err() {
            tracing::warn!("the Kafka client does not end, and is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Ends when it is told to, and tells so.
    struct Ends(Receiver<()>, Sender<()>);

    impl Drop for Ends {
        fn drop(&mut self) {
            let _ = self.0.recv();
            let _ = self.1.send(());
        }
    }

    #[test]
    fn one_that_ends_is_waited_for_and_one_that_does_not_is_left_behind() {
        let (tell, told) = channel();
        let (ended, end) = channel();
        tell.send(()).unwrap();
        drop(Closing::new(Ends(told, ended), Duration::from_secs(600)));
        assert_eq!(end.try_recv(), Ok(()));

        let (tell, told) = channel();
        let (ended, end) = channel();
        drop(Closing::new(Ends(told, ended), Duration::from_millis(10)));
        assert!(end.try_recv().is_err());
        tell.send(()).unwrap();
        assert_eq!(end.recv(), Ok(()));
    }
}
