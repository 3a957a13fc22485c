//! Whether recordings reach their store.

use super::report::Row;
use crate::adapters::recording::Bucket;
use crate::config::RecordingStore;

/// An upload is begun and thrown away: nothing of it stays there.
pub(super) async fn row(store: Option<&RecordingStore>) -> Row {
    let Some(store) = store.cloned() else {
        return Row::fine("store", "none is configured ([recording.store]): recordings stay in their folder");
    };
    let (at, plain) = (format!("s3://{}/{}", store.bucket, store.prefix), store.is_plain());
    let bucket = match tokio::task::spawn_blocking(move || Bucket::new(&store)).await {
        Ok(Ok(bucket)) => bucket,
        Ok(Err(faults)) => return Row::fault("store", format_args!("is of no use: {faults}")),
        Err(error) => return Row::fault("store", format_args!("cannot be asked: {error}")),
    };
    match bucket.probe().await {
        Err(fault) => Row::fault("store", format_args!("{at}: {fault}")),
        Ok(()) if plain => {
            Row::warning("store", format_args!("{at} takes recordings, by http: whoever is on the way can read them"))
        }
        Ok(()) => Row::fine("store", format_args!("{at} takes recordings")),
    }
}
