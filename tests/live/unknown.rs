//! A commit whose answer is lost: the producer is rebuilt, what is visible is read, and only then it goes on.

use qianshao::kafka::KafkaSettings;
use qianshao::publish::outbox::{AlertMark, Outbox, Pending, Progress, Published, batch_after};
use qianshao::publish::topic::KafkaOutbox;

use crate::broker::settings;
use crate::proxy::{Loses, Proxy};
use crate::publishing::{assert_published, publish, rows};

/// Publishes ten rows, loses the commit of the next ten, and goes on; returns the progress that was read back.
async fn lose(n: u16, loses: Loses) -> Option<Progress> {
    let proxy = Proxy::start(n, loses);
    let direct = settings("unknown");
    let settings = KafkaSettings { bootstrap_servers: proxy.address.clone(), ..direct.clone() };
    let mut outbox = KafkaOutbox::new(&settings, &settings.topic_prefix);
    let all = rows(40);
    publish(&mut outbox, &settings, &all[..10]).await;
    let progress = outbox.progress().await.unwrap().unwrap();
    let pending = Pending { alerts: &all[..20], dead_letters: &[] };
    let batch = batch_after(&settings.topics(), &pending.ordered(), &progress, 500).unwrap();
    proxy.arm();
    let published = outbox.publish(&batch.messages, &batch.progress).await;
    assert!(matches!(published, Published::Unknown(_)), "{published:?}");
    assert!(proxy.has_struck());
    let read_back = outbox.progress().await.unwrap();
    publish(&mut outbox, &settings, &all).await;
    assert_published(&direct, 40);
    read_back
}

#[tokio::test]
async fn a_commit_that_landed_unheard_is_not_sent_again() {
    let read_back = lose(0, Loses::TheAnswer).await.unwrap();
    assert_eq!(read_back.alerts, Some(AlertMark::of(&rows(20)[19])));
}

#[tokio::test]
async fn a_commit_that_was_lost_is_sent_again() {
    let read_back = lose(1, Loses::TheRequest).await.unwrap();
    assert_eq!(read_back.alerts, Some(AlertMark::of(&rows(10)[9])));
}
