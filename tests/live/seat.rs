//! One publisher at a time.

use std::time::Duration;

use qianshao::kafka::seat::Seat;

use crate::broker::{WAIT, settings};

#[tokio::test]
async fn one_of_two_holds_the_seat_and_the_other_takes_it_over() {
    let settings = settings("seat");
    let mut first = Seat::stand(&settings, "publish").await.unwrap();
    first.taken(None).await.unwrap();
    let second = Seat::stand(&settings, "publish").await.unwrap();
    // Kafka may move it when the second comes: wait until it rests.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (holder, mut other) = if first.term().is_some() { (first, second) } else { (second, first) };
    assert!(holder.term().is_some());
    assert_eq!(other.term(), None);
    tokio::task::spawn_blocking(|| drop(holder)).await.unwrap();
    tokio::time::timeout(WAIT, other.taken(None)).await.unwrap().unwrap();
}
