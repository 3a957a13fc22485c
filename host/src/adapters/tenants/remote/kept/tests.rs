use super::*;
use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const S: Duration = Duration::from_secs(1);
const TERMS: Terms = Terms {
    ttl: Duration::from_secs(60),
    ttl_absent: Duration::from_secs(10),
    rest: Duration::from_secs(5),
    patience: Duration::from_millis(500),
    entries_max: 3,
};

fn kept() -> Kept<&'static str, u32> {
    Kept::new(TERMS)
}

async fn ask(kept: &Kept<&'static str, u32>, key: &'static str, answer: Answer<u32>) -> Found<u32> {
    kept.get(&key, |_| ready(answer)).await
}

/// What is known without asking; unavailable where it would have been asked for.
async fn at_once(kept: &Kept<&'static str, u32>, key: &'static str) -> Found<u32> {
    ask(kept, key, Answer::Failed).await
}

fn new(value: u32) -> Answer<u32> {
    Answer::New(value, Some(format!("tag-{value}")))
}

fn known(value: u32) -> Found<u32> {
    Found::Known(Arc::new(value))
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_good_for_its_time_and_then_asked_for_by_its_tag() {
    let kept = kept();
    assert_eq!(ask(&kept, "a", new(1)).await, known(1));
    tokio::time::advance(TERMS.ttl - Duration::from_millis(1)).await;
    assert_eq!(ask(&kept, "a", new(2)).await, known(1));
    tokio::time::advance(Duration::from_millis(1)).await;
    let tags = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&tags);
    let found = kept.get(&"a", move |tag| async move {
        told.lock().unwrap().push(tag);
        Answer::Unchanged
    });
    assert_eq!(found.await, known(1));
    assert_eq!(*tags.lock().unwrap(), [Some("tag-1".to_owned())]);
    // Confirmed: good again.
    assert_eq!(ask(&kept, "a", new(2)).await, known(1));
    assert_eq!(kept.lookups(), Lookups { fresh: 2, asked: 2, ..Lookups::default() });
}

#[tokio::test(start_paused = true)]
async fn many_who_want_the_same_ask_once_and_hear_the_same() {
    let kept = Arc::new(kept());
    let asked = Arc::new(AtomicUsize::new(0));
    let (go, _) = tokio::sync::broadcast::channel::<()>(1);
    let lookups: JoinSet<Found<u32>> = (0..100)
        .map(|_| {
            let (kept, asked, mut going) = (Arc::clone(&kept), Arc::clone(&asked), go.subscribe());
            async move {
                kept.get(&"a", |_| async move {
                    asked.fetch_add(1, Relaxed);
                    let _ = going.recv().await;
                    new(7)
                })
                .await
            }
        })
        .collect();
    // Time passes only when all of them wait.
    tokio::time::sleep(S).await;
    go.send(()).unwrap();
    let found = lookups.join_all().await;
    assert!(found.iter().all(|found| *found == known(7)));
    assert_eq!(asked.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_does_not_stop_the_question_of_the_others() {
    let kept = kept();
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let question = kept.get(&"a", move |_| async move {
        let _ = told.await;
        new(3)
    });
    assert!(timeout(S, question).await.is_err());
    tell.send(()).unwrap();
    // The second one waits for the first one's question; its own is never asked.
    assert_eq!(timeout(S, kept.get(&"a", |_| pending())).await, Ok(known(3)));
}

#[tokio::test(start_paused = true)]
async fn what_was_good_serves_while_the_service_is_away_and_its_age_is_told() {
    let kept = kept();
    ask(&kept, "a", new(1)).await;
    tokio::time::advance(TERMS.ttl + S).await;
    assert_eq!(kept.age_max(), Duration::ZERO);
    assert_eq!(at_once(&kept, "a").await, known(1));
    assert_eq!(kept.age_max(), TERMS.ttl + S);
    // For a while it is not even asked.
    assert_eq!(ask(&kept, "a", new(2)).await, known(1));
    tokio::time::advance(TERMS.rest).await;
    assert_eq!(kept.age_max(), TERMS.ttl + S + TERMS.rest);
    assert_eq!(ask(&kept, "a", new(2)).await, known(2));
    assert_eq!(kept.age_max(), Duration::ZERO);
    assert_eq!(kept.lookups().last_known_good, 2);
    assert_eq!(at_once(&kept, "b").await, Found::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_slow_service_costs_a_known_tenant_no_more_than_the_patience() {
    let kept = kept();
    ask(&kept, "a", new(1)).await;
    tokio::time::advance(TERMS.ttl).await;
    let begun = Instant::now();
    let slow = kept.get(&"a", |_| async {
        tokio::time::sleep(S).await;
        new(2)
    });
    assert_eq!(slow.await, known(1));
    assert_eq!(begun.elapsed(), TERMS.patience);
    // The answer comes all the same, for the next one.
    tokio::time::sleep(S).await;
    assert_eq!(at_once(&kept, "a").await, known(2));
}

#[tokio::test(start_paused = true)]
async fn absence_is_known_for_a_shorter_time_and_is_no_last_known_good() {
    let kept = kept();
    ask(&kept, "a", new(1)).await;
    tokio::time::advance(TERMS.ttl).await;
    assert_eq!(ask(&kept, "a", Answer::Absent).await, Found::Absent);
    assert_eq!(ask(&kept, "a", new(2)).await, Found::Absent);
    tokio::time::advance(TERMS.ttl_absent).await;
    assert_eq!(at_once(&kept, "a").await, Found::Unavailable);
    assert_eq!(ask(&kept, "a", new(2)).await, known(2));
}

#[tokio::test(start_paused = true)]
async fn strangers_push_out_strangers_and_then_who_was_not_heard_of_for_longest() {
    let kept = kept();
    for (key, answer) in [("a", new(1)), ("b", new(2)), ("x", Answer::Absent), ("y", Answer::Absent), ("z", Answer::Absent)] {
        ask(&kept, key, answer).await;
    }
    assert_eq!((at_once(&kept, "a").await, at_once(&kept, "b").await), (known(1), known(2)));
    ask(&kept, "c", new(3)).await;
    at_once(&kept, "a").await;
    ask(&kept, "d", new(4)).await;
    assert_eq!(at_once(&kept, "b").await, Found::Unavailable);
    assert_eq!((at_once(&kept, "a").await, at_once(&kept, "d").await), (known(1), known(4)));
    assert_eq!(kept.values().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_change_is_the_very_same_and_doubt_asks_again_without_a_tag() {
    let kept = kept();
    let Found::Known(first) = ask(&kept, "a", new(1)).await else { panic!("it was told") };
    tokio::time::advance(TERMS.ttl).await;
    kept.doubt();
    let tag = Arc::new(Mutex::new(Some(String::new())));
    let told = Arc::clone(&tag);
    let again = kept.get(&"a", move |etag| async move {
        *told.lock().unwrap() = etag;
        new(1)
    });
    let Found::Known(again) = again.await else { panic!("it was told") };
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(*tag.lock().unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_dies_is_asked_again() {
    let kept = kept();
    let dies = kept.get(&"a", |_| async {
        assert!(Instant::now() < Instant::now() - S, "this question dies");
        new(1)
    });
    assert_eq!(dies.await, Found::Unavailable);
    assert_eq!(ask(&kept, "a", new(2)).await, known(2));
}
