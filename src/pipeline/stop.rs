//! The end of a process, told once and heard by every loop between two steps.

use std::time::Duration;

use tokio::sync::watch;

/// Told once, heard by every loop.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (tell, told) = watch::channel(false);
        (tell, Self(told))
    }

    pub fn is_told(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when told.
    pub async fn told(mut self) {
        // An error is the sender's end, which is a stop too.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Waits, but not past the end.
    pub async fn wait(&self, time: Duration) {
        let mut told = self.0.clone();
        // An error is the sender's end, which is a stop too.
        let _ = tokio::time::timeout(time, told.wait_for(|stop| *stop)).await;
    }
}
