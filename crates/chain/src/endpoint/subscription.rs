//! A running subscription.
//!
//! What is lost because we read too slowly is said, never hidden.

use alloy_pubsub::{PubSubFrontend, RawSubscription};
use serde_json::value::RawValue;
use tokio::sync::broadcast::error::RecvError;

/// A running subscription; dropping it unsubscribes.
pub(crate) struct Subscription {
    pub(super) feed: RawSubscription,
    pub(super) frontend: PubSubFrontend,
}

/// What a subscription brought.
pub(crate) enum Notice {
    /// A notification.
    Item(Box<RawValue>),
    /// This many were lost because we read too slowly.
    Lost(u64),
    /// The connection is gone.
    Ended,
}

impl Subscription {
    pub(crate) async fn next(&mut self) -> Notice {
        match self.feed.recv().await {
            Ok(item) => Notice::Item(item),
            Err(RecvError::Lagged(lost)) => Notice::Lost(lost),
            Err(RecvError::Closed) => Notice::Ended,
        }
    }

    /// What is there already, without waiting.
    pub(crate) fn ready(&mut self) -> Option<Box<RawValue>> {
        self.feed.try_recv().ok()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Fails only when the connection is gone, and the subscription with it.
        let _ = self.frontend.unsubscribe(*self.feed.local_id());
    }
}
